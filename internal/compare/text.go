package compare

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// isText says whether the start of a file is UTF-8 without control characters
// other than the usual ones. Where it is cut, it may end inside a character.
func isText(h []byte, cut bool) bool {
	if len(h) == 0 {
		return false
	}
	if cut {
		for i := 0; i < utf8.UTFMax && len(h) > 0 && !utf8.Valid(h); i++ {
			h = h[:len(h)-1]
		}
	}
	if !utf8.Valid(h) {
		return false
	}
	for _, c := range h {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' && c != '\f' && c != '\x1b' {
			return false
		}
	}
	return true
}

// lines compares by line. Lines are numbered from 1.
func (c *run) lines(f *Finding, path string, a, b blob, _ int) error {
	ta, err := io.ReadAll(a.reader())
	if err != nil {
		return err
	}
	tb, err := io.ReadAll(b.reader())
	if err != nil {
		return err
	}
	la, lb := bytes.SplitAfter(ta, []byte("\n")), bytes.SplitAfter(tb, []byte("\n"))
	start := 0
	for start < len(la) && start < len(lb) && bytes.Equal(la[start], lb[start]) {
		start++
	}
	endA, endB := len(la), len(lb)
	for endA > start && endB > start && bytes.Equal(la[endA-1], lb[endB-1]) {
		endA, endB = endA-1, endB-1
	}
	if sameLines(la[start:endA], lb[start:endB]) {
		f.Fields = append(f.Fields, Field{"order of lines", fmt.Sprintf("%.60q", la[start]), fmt.Sprintf("%.60q", lb[start])})
	}
	if endA-start != endB-start { // lines came or went: one range
		d := lineDiff(path, start, bytes.Join(la[start:endA], nil), bytes.Join(lb[start:endB], nil), la, a, b)
		d.Count = 1
		f.Ranges = []Difference{d}
		return nil
	}
	count := 0
	for i := start; i < endA; i++ {
		if bytes.Equal(la[i], lb[i]) {
			continue
		}
		if count++; count <= c.lim.Ranges {
			f.Ranges = append(f.Ranges, lineDiff(path, i, la[i], lb[i], la, a, b))
		}
	}
	for i := range f.Ranges {
		f.Ranges[i].Count = min(count, maxCount)
	}
	return nil
}

// sameLines says whether two texts have the same lines in another order.
func sameLines(a, b [][]byte) bool {
	if len(a) != len(b) || len(a) < 2 {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, bytes.Compare)
	slices.SortFunc(b, bytes.Compare)
	return slices.EqualFunc(a, b, bytes.Equal)
}

func lineDiff(path string, line int, a, b []byte, before [][]byte, ba, bb blob) Difference {
	d := Difference{Path: fmt.Sprintf("%s:%d", path, line+1), Length: int64(len(a)), SizeA: ba.size, SizeB: bb.size}
	for _, l := range before[:line] {
		d.Offset += int64(len(l))
	}
	d.A, d.B, d.Before = cutBoth(a, b)
	d.wideText(a, b)
	return d
}

// cutBoth shortens two values for show, keeping the first difference in view.
func cutBoth(a, b []byte) (Bytes, Bytes, int) {
	n := min(len(a), len(b))
	at := firstDiff(a[:n], b[:n])
	skip := 0
	if max(len(a), len(b)) > maxShown && at > maxShown/2 {
		skip = at - maxShown/2
	}
	cut := func(p []byte) Bytes { return append(Bytes{}, p[skip:min(len(p), skip+maxShown)]...) }
	return cut(a), cut(b), at - skip
}
