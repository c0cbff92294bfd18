package compare

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

const chunk = 256 << 10

// mergeGap joins ranges that fewer equal bytes than this lie between: two
// numbers that differ often have some equal digits.
const mergeGap = 8

// equal says whether two parts are the same bytes.
func (c *run) equal(a, b blob) (bool, error) {
	if a.size != b.size {
		return false, nil
	}
	off, err := c.mismatch(a, b, 0)
	return off == a.size, err
}

// buffers are two buffers of n bytes, at most chunk. The next call gives the
// same ones.
func (c *run) buffers(n int64) (a, b []byte) {
	n = min(max(n, 0), chunk)
	if int64(len(c.bufA)) < n {
		c.bufA, c.bufB = make([]byte, n), make([]byte, n)
	}
	return c.bufA[:n], c.bufB[:n]
}

// mismatch is the first place from off on where a and b differ, or the size
// of the shorter one.
func (c *run) mismatch(a, b blob, off int64) (int64, error) {
	n := min(a.size, b.size)
	pa, pb := c.buffers(n - off)
	for off < n {
		if err := c.ctx.Err(); err != nil {
			return 0, err
		}
		m := min(int64(len(pa)), n-off)
		if err := readBoth(a, b, pa[:m], pb[:m], off, off); err != nil {
			return 0, err
		}
		if at := firstDiff(pa[:m], pb[:m]); at < int(m) {
			return off + int64(at), nil
		}
		off += m
	}
	return n, nil
}

// suffix is how many bytes at the ends are equal, at most most.
func (c *run) suffix(a, b blob, most int64) (int64, error) {
	pa, pb := c.buffers(most)
	var done int64
	for done < most {
		if err := c.ctx.Err(); err != nil {
			return 0, err
		}
		m := min(int64(len(pa)), most-done)
		if err := readBoth(a, b, pa[:m], pb[:m], a.size-done-m, b.size-done-m); err != nil {
			return 0, err
		}
		for i := m - 1; i >= 0; i-- {
			if pa[i] != pb[i] {
				return done + m - 1 - i, nil
			}
		}
		done += m
	}
	return most, nil
}

func readBoth(a, b blob, pa, pb []byte, offA, offB int64) error {
	if _, err := a.r.ReadAt(pa, offA); err != nil && !(err == io.EOF && offA+int64(len(pa)) == a.size) {
		return fmt.Errorf("reading A: %w", err)
	}
	if _, err := b.r.ReadAt(pb, offB); err != nil && !(err == io.EOF && offB+int64(len(pb)) == b.size) {
		return fmt.Errorf("reading B: %w", err)
	}
	return nil
}

// firstDiff is the first place where two slices of one length differ, or their
// length.
func firstDiff(a, b []byte) int {
	i := 0
	for ; i+8 <= len(a); i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for ; i < len(a); i++ {
		if a[i] != b[i] {
			return i
		}
	}
	return i
}

// span is a differing range: where it is, and its length on either side.
type span struct{ off, lenA, lenB int64 }

// spans are the differing ranges, at most most of them, and their number up to maxCount.
// Parts of different sizes have one: all that is between the common start and
// the common end.
func (c *run) spans(a, b blob, most int) ([]span, int, error) {
	start, err := c.mismatch(a, b, 0)
	if err != nil {
		return nil, 0, err
	}
	if a.size != b.size {
		end, err := c.suffix(a, b, min(a.size, b.size)-start)
		return []span{{start, a.size - start - end, b.size - start - end}}, 1, err
	}
	return c.sameSize(a, b, start, most)
}

// sameSize finds the ranges from off on of two parts of one size, in one pass.
func (c *run) sameSize(a, b blob, off int64, most int) (out []span, count int, err error) {
	start, end := int64(-1), int64(-1) // of the range that is open
	closeRange := func() {
		if start < 0 {
			return
		}
		if count++; len(out) < most {
			out = append(out, span{start, end - start, end - start})
		}
		start = -1
	}
	for off < a.size && count < maxCount {
		if err := c.ctx.Err(); err != nil {
			return nil, 0, err
		}
		pa, pb := c.buffers(a.size - off)
		if err := readBoth(a, b, pa, pb, off, off); err != nil {
			return nil, 0, err
		}
		for i := 0; i < len(pa) && count < maxCount; {
			if start < 0 {
				if i += firstDiff(pa[i:], pb[i:]); i < len(pa) {
					start, end = off+int64(i), off+int64(i)+1
				}
			} else if at := off + int64(i); pa[i] != pb[i] {
				end = at + 1
			} else if at-end >= mergeGap {
				closeRange()
			}
			i++
		}
		off += int64(len(pa))
	}
	closeRange()
	return out, min(count, maxCount), nil
}

// ranges fills in a leaf's differing ranges.
func (c *run) ranges(f *Finding, path string, a, b blob) error {
	sep := "+"
	if f.Kind != Section {
		sep = ":+"
	}
	spans, count, err := c.spans(a, b, c.lim.Ranges)
	for _, s := range spans {
		d := Difference{Path: fmt.Sprintf("%s%s%#x", path, sep, s.off), Offset: s.off, Length: s.lenA,
			Count: count, SizeA: a.size, SizeB: b.size}
		if err := show(&d, a, b, s); err != nil {
			return err
		}
		f.Ranges = append(f.Ranges, d)
	}
	return err
}

// show takes the bytes of a range, widened to the word that it is in: leftwards
// by what both sides share, rightwards on each side on its own.
func show(d *Difference, a, b blob, s span) error {
	const left, right = 32, 32
	if err := wide(d, a, b, s); err != nil {
		return err
	}
	lead := make([]byte, min(left, s.off))
	if _, err := a.r.ReadAt(lead, s.off-int64(len(lead))); err != nil && err != io.EOF {
		return err
	}
	d.Before = len(lead)
	for i := len(lead) - 1; i >= 0; i-- {
		if !isWord(lead[i]) {
			d.Before = len(lead) - 1 - i
			break
		}
	}
	lead = lead[len(lead)-d.Before:]
	side := func(x blob, n int64) (Bytes, error) {
		p := make([]byte, max(0, min(n+right, int64(maxShown-len(lead)), x.size-s.off)))
		if _, err := x.r.ReadAt(p, s.off); err != nil && err != io.EOF {
			return nil, err
		}
		end := min(n, int64(len(p)))
		for end < int64(len(p)) && isWord(p[end]) && (end > 0 && isWord(p[end-1]) || end == 0 && d.Before > 0) {
			end++
		}
		return append(append(Bytes{}, lead...), p[:end]...), nil
	}
	var err error
	if d.A, err = side(a, s.lenA); err != nil {
		return err
	}
	d.B, err = side(b, s.lenB)
	return err
}

const (
	wideBefore = 64
	wideAfter  = 320
)

// wide takes the bytes around a range.
func wide(d *Difference, a, b blob, s span) error {
	d.WideAt = int(min(wideBefore, s.off))
	for _, x := range []struct {
		blob
		out *[]byte
	}{{a, &d.WideA}, {b, &d.WideB}} {
		from := s.off - int64(d.WideAt)
		*x.out = make([]byte, max(0, min(int64(d.WideAt)+wideAfter, x.size-from)))
		if _, err := x.r.ReadAt(*x.out, from); err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}

// wideText is the same for two texts that differ from an offset on.
func (d *Difference) wideText(a, b []byte) {
	at := firstDiff(a[:min(len(a), len(b))], b[:min(len(a), len(b))])
	from := max(0, at-wideBefore)
	d.WideAt = at - from
	d.WideA, d.WideB = slices.Clone(a[from:min(len(a), at+wideAfter)]), slices.Clone(b[from:min(len(b), at+wideAfter)])
}

// isWord says whether a byte is a visible ASCII character.
func isWord(c byte) bool { return c > ' ' && c < 0x7f }
