package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/verdict"
)

// segment is a piece of text that is the same on both sides, or isn't.
type segment struct {
	Text    string
	Differs bool
}

// hexLine is up to eight bytes of one side.
type hexLine struct {
	At        string // their place, or empty if it isn't known
	Hex, Text []segment
}

// side is one side's bytes of a range.
type side struct {
	Name string
	None bool      // it has nothing there
	Text []segment // all of it, where both sides are text
	Hex  []hexLine // not of a line of text
}

const perLine = 8

// sides shows the bytes of a range.
func sides(d *compare.Difference) []side {
	ma, mb := marks(d.A, d.B)
	start := int64(-1)
	if strings.HasSuffix(d.Path, fmt.Sprintf("+%#x", d.Offset)) { // a range of bytes, not a line or a member
		start = d.Offset - int64(d.Before)
	}
	text := isText(d.A) && isText(d.B)
	out := []side{{Name: "A"}, {Name: "B"}}
	for i, x := range []struct{ data, mark []byte }{{d.A, ma}, {d.B, mb}} {
		out[i].None = len(x.data) == 0
		if text {
			out[i].Text = textOf(x.data, x.mark)
		}
		if text && start < 0 {
			continue // a line, a member or a string: its place is not one of bytes
		}
		out[i].Hex = dump(x.data, x.mark, start)
	}
	return out
}

// marks tell which bytes differ: one by one where both sides are as long, else
// all between the common start and the common end. A mark is 0 or 1.
func marks(a, b []byte) (ma, mb []byte) {
	ma, mb = make([]byte, len(a)), make([]byte, len(b))
	if len(a) == len(b) {
		for i := range a {
			if a[i] != b[i] {
				ma[i], mb[i] = 1, 1
			}
		}
		return ma, mb
	}
	n := min(len(a), len(b))
	start := 0
	for start < n && a[start] == b[start] {
		start++
	}
	end := 0
	for end < n-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	for i := start; i < len(a)-end; i++ {
		ma[i] = 1
	}
	for i := start; i < len(b)-end; i++ {
		mb[i] = 1
	}
	return ma, mb
}

// add appends text to the last segment if it has the same mark.
func add(list []segment, text string, mark byte) []segment {
	if n := len(list); n > 0 && list[n-1].Differs == (mark == 1) {
		list[n-1].Text += text
		return list
	}
	return append(list, segment{text, mark == 1})
}

// dump is a hex dump. The gap between two bytes that differ is marked too.
func dump(p, mark []byte, start int64) []hexLine {
	var out []hexLine
	for at := 0; at < len(p); at += perLine {
		var l hexLine
		if start >= 0 {
			l.At = fmt.Sprintf("%08x", start+int64(at))
		}
		for i := at; i < at+perLine; i++ {
			if i >= len(p) {
				l.Hex = add(l.Hex, "   ", 0)
				continue
			}
			if i > at {
				l.Hex = add(l.Hex, " ", mark[i]&mark[i-1])
			}
			l.Hex = add(l.Hex, fmt.Sprintf("%02x", p[i]), mark[i])
			c := "·"
			if p[i] >= ' ' && p[i] <= '~' {
				c = string(rune(p[i]))
			}
			l.Text = add(l.Text, c, mark[i])
		}
		out = append(out, l)
	}
	return out
}

// textOf shows text with escapes for line feeds and tabs. A character is
// marked if one of its bytes is.
func textOf(p, mark []byte) []segment {
	var out []segment
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		var m byte
		for _, x := range mark[i : i+n] {
			m |= x
		}
		s := verdict.Clean(string(r))
		switch r {
		case '\n':
			s = `\n`
		case '\t':
			s = `\t`
		case '\r':
			s = `\r`
		case utf8.RuneError:
			s = "?"
		}
		out = add(out, s, m)
		i += n
	}
	return out
}

// isText says whether bytes are worth showing as text: UTF-8, but for a
// character that is cut at either end, and no control characters.
func isText(p []byte) bool {
	for i := 0; i < utf8.UTFMax-1 && len(p) > 0 && !utf8.RuneStart(p[0]); i++ {
		p = p[1:]
	}
	for i := 0; i < utf8.UTFMax-1 && len(p) > 0 && !utf8.Valid(p); i++ {
		p = p[:len(p)-1]
	}
	if !utf8.Valid(p) {
		return false
	}
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
