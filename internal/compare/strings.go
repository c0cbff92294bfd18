package compare

import (
	"fmt"
	"hash/maphash"
	"io"
)

// Linkers sort and merge strings: one longer path moves all others, and bytes
// at the same offset have nothing to do with each other. Where the data moved,
// the strings that only one side has say more.

const (
	minString = 6
	maxMoved  = 32 << 20 // longer parts are not searched for strings

	maxWords     = 2 << 20 // of one side; more are not compared
	maxReordered = 4 << 20 // likewise, for strings in another order
	maxStrings   = 200     // of one side
	longRange    = 256     // a range from which on the data may have moved
	longestWord  = 64 << 10
)

// word is a printable run in a part.
type word struct {
	hash uint64
	off  int
	text []byte
}

// moved fills in a leaf's ranges by its strings. It gives false if it found
// nothing to say.
func (c *run) moved(f *Finding, path string, a, b blob) (bool, error) {
	wa, wb, err := c.allWords(a, b)
	if err != nil || wa == nil || wb == nil {
		return false, err
	}
	onlyA, onlyB := without(wa, wb), without(wb, wa)
	if len(onlyA) == 0 && len(onlyB) == 0 {
		f.reordered(wa, wb)
	}
	if len(onlyA) == 0 || len(onlyB) == 0 {
		return false, nil
	}
	pairs := match(onlyA, onlyB)
	for _, p := range pairs[:min(len(pairs), c.lim.Ranges)] {
		n := min(len(p[0].text), len(p[1].text))
		at := firstDiff(p[0].text[:n], p[1].text[:n])
		d := Difference{Offset: int64(p[0].off + at), Length: int64(len(p[0].text) - at), Count: max(len(onlyA), len(onlyB)), SizeA: a.size, SizeB: b.size}
		d.Path = fmt.Sprintf("%s+%#x", path, d.Offset)
		d.A, d.B, d.Before = cutBoth(p[0].text, p[1].text)
		d.wideText(p[0].text, p[1].text)
		f.Ranges = append(f.Ranges, d)
	}
	return len(pairs) > 0, nil
}

// sameWords finds out whether only the order of the strings differs.
func (c *run) sameWords(f *Finding, a, b blob) error {
	if a.size > maxReordered {
		return nil
	}
	wa, wb, err := c.allWords(a, b)
	if err == nil && len(without(wa, wb)) == 0 && len(without(wb, wa)) == 0 {
		f.reordered(wa, wb)
	}
	return err
}

// allWords reads both parts' printable runs; nil if they are too long.
func (c *run) allWords(a, b blob) (wa, wb []word, err error) {
	if a.size > maxMoved || b.size > maxMoved {
		return nil, nil, nil
	}
	pa, err := io.ReadAll(a.reader())
	if err != nil {
		return nil, nil, err
	}
	pb, err := io.ReadAll(b.reader())
	if err != nil {
		return nil, nil, err
	}
	seed := maphash.MakeSeed()
	return words(pa, seed), words(pb, seed), c.ctx.Err()
}

// orderOfStrings is the field of a part that has the same strings on both sides, in
// another order.
const orderOfStrings = "order of strings"

// reordered says of a part whose strings are the same where their order first
// differs.
func (f *Finding) reordered(a, b []word) {
	if len(a) != len(b) {
		return
	}
	for i := range a {
		if a[i].hash != b[i].hash {
			show := func(w word) string { return fmt.Sprintf("%.60q", w.text) }
			f.Fields = append(f.Fields, Field{orderOfStrings, show(a[i]), show(b[i])})
			return
		}
	}
}

// words are the printable runs of a part; nil if there are too many.
func words(p []byte, seed maphash.Seed) []word {
	var out []word
	start := 0
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] >= ' ' && p[i] < 0x7f && i-start < longestWord {
			continue
		}
		if i-start >= minString {
			if len(out) == maxWords {
				return nil
			}
			out = append(out, word{maphash.Bytes(seed, p[start:i]), start, p[start:i]})
		}
		start = i + 1
	}
	return out
}

// without are the words of a that b does not have, each once.
func without(a, b []word) []word {
	seen := make(map[uint64]bool, len(b))
	for _, w := range b {
		seen[w.hash] = true
	}
	var out []word
	for _, w := range a {
		if !seen[w.hash] && len(out) < maxStrings {
			seen[w.hash] = true
			out = append(out, w)
		}
	}
	return out
}

// match pairs each word of a with the one of b that shares most of its start and end.
// A word that shares nothing is left out.
func match(a, b []word) [][2]word {
	var out [][2]word
	used := make([]bool, len(b))
	for _, x := range a {
		best, score := -1, 2
		for i, y := range b {
			if used[i] {
				continue
			}
			if s := alike(x.text, y.text); s > score {
				best, score = i, s
			}
		}
		if best >= 0 {
			used[best] = true
			out = append(out, [2]word{x, b[best]})
		}
	}
	return out
}

// alike is how many bytes two words share at their starts and ends, as far as
// that is worth counting.
func alike(x, y []byte) int {
	const enough = 64
	n := min(len(x), len(y), enough)
	start := firstDiff(x[:n], y[:n])
	end := 0
	for end < n-start && x[len(x)-1-end] == y[len(y)-1-end] {
		end++
	}
	return start + end
}
