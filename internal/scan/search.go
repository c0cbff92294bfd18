package scan

import (
	"context"
	"io"
	"math"
	"slices"
)

// Scanner is a compiled set of needles; it may be used by several goroutines
// at once.
//
// The search is that of Wu and Manber: a window of the shortest needle's
// length moves over the text, and the two bytes at its end say by how much it
// may move on. In a binary that is nearly always the whole window.
type Scanner struct {
	needles []Needle
	window  int
	longest int
	skip    [1 << 16]uint8
	// first and next list the needles whose window ends in these two bytes,
	// counted from one.
	first [1 << 16]uint16
	next  []uint16
}

// Compile prepares needles for scanning. One without bytes is left out.
func Compile(needles []Needle) *Scanner {
	s := &Scanner{}
	for _, n := range needles {
		if len(n.bytes) < 2 || len(s.needles) == math.MaxUint16 {
			continue
		}
		if s.window == 0 || len(n.bytes) < s.window {
			s.window = len(n.bytes)
		}
		s.longest = max(s.longest, len(n.bytes))
		s.needles = append(s.needles, n)
	}
	s.window = min(s.window, 256)
	for i := range s.skip {
		s.skip[i] = uint8(max(0, s.window-1))
	}
	for i, n := range s.needles {
		for end := 2; end <= s.window; end++ {
			h := pair(n.bytes[end-2], n.bytes[end-1])
			s.skip[h] = min(s.skip[h], uint8(s.window-end))
		}
		h := pair(n.bytes[s.window-2], n.bytes[s.window-1])
		s.next = append(s.next, s.first[h])
		s.first[h] = uint16(i + 1)
	}
	return s
}

func pair(a, b byte) uint16 { return uint16(a) | uint16(b)<<8 }

const chunk = 1 << 20

// Scan looks for the needles in one pass. Hits are in the order of their
// offsets; of each needle there are at most MaxHits.
func (s *Scanner) Scan(ctx context.Context, r io.Reader) ([]Hit, error) {
	if len(s.needles) == 0 {
		return nil, nil
	}
	var hits []Hit
	counts := make([]int, len(s.needles))
	tail := s.longest + around // a match is looked at when this much follows its start
	buf := make([]byte, 0, chunk+around+tail)
	var base int64 // the offset of buf[0]
	next := 0      // where in buf the next window starts
	for last := false; !last; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			last = true
		default:
			return nil, err
		}
		end := len(buf) - tail
		if last {
			end = len(buf)
		}
		next = s.search(buf, next, end, func(i, at int) {
			if counts[i] < MaxHits {
				counts[i]++
				hits = append(hits, Hit{s.needles[i], base + int64(at), contextOf(buf, at, at+len(s.needles[i].bytes))})
			}
		})
		keep := max(0, min(next, len(buf))-around)
		buf = buf[:copy(buf, buf[keep:])]
		base += int64(keep)
		next -= keep
	}
	return settle(hits), nil
}

// search calls found for each match that starts in buf[from:to], and gives the
// first start that it has not looked at.
func (s *Scanner) search(buf []byte, from, to int, found func(needle, at int)) int {
	last := s.window - 1
	i := from + last
	for limit := min(to+last, len(buf)); i < limit; {
		h := pair(buf[i-1], buf[i])
		if d := s.skip[h]; d > 0 {
			i += int(d)
			continue
		}
		at := i - last
		for n := s.first[h]; n > 0; n = s.next[n-1] {
			needle := &s.needles[n-1]
			end := at + len(needle.bytes)
			if end > len(buf) || string(buf[at:end]) != needle.bytes {
				continue
			}
			if a := needle.accept; a == nil || a(buf[max(0, at-around):at], buf[at:end], buf[end:min(len(buf), end+around)]) {
				found(int(n-1), at)
			}
		}
		i++
	}
	return i - last
}

// contextOf is the match and the printable characters around it.
func contextOf(buf []byte, from, to int) string {
	const most = 80
	printable := func(c byte) bool { return c >= ' ' && c < 0x7f }
	for from > 0 && to-from < most/2 && printable(buf[from-1]) {
		from--
	}
	for to < len(buf) && to-from < most && printable(buf[to]) {
		to++
	}
	return string(buf[from:min(to, from+most)])
}

// settle sorts hits and drops those that lie within another of the same kind:
// a processor's family in its model's name, a host's name in its full one.
func settle(hits []Hit) []Hit {
	slices.SortStableFunc(hits, func(a, b Hit) int {
		if a.Offset != b.Offset {
			return int(max(-1, min(1, a.Offset-b.Offset)))
		}
		return len(b.bytes) - len(a.bytes)
	})
	out := hits[:0]
	for _, h := range hits {
		if n := len(out); n > 0 && out[n-1].Kind == h.Kind &&
			h.Offset+int64(len(h.bytes)) <= out[n-1].Offset+int64(len(out[n-1].bytes)) {
			continue
		}
		out = append(out, h)
	}
	return out
}
