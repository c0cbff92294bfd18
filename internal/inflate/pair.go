package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// Blob is a file or a part of one.
type Blob struct {
	io.ReaderAt
	Size int64
}

// Part is a piece of both contents, in order. Either it is the same in both (A and B are
// one slice), or each has its own piece, which may be the same after all. Any may be empty.
type Part struct {
	A, B []byte // valid until the next call
	Same bool
}

// Pair decompresses two gzip streams. It isn't for several goroutines.
type Pair struct {
	a, b   side
	shared bool  // b is in the state of a, shift bits further
	shift  int64 // a multiple of 8
	until  int64 // byte of A where the compressed bytes cease to be the same, if shared
}

type side struct {
	blob Blob
	d    *decoder // of B: nil before they first go apart, out of date while shared
	crc  uint32   // of the content so far
}

const (
	trailerSize = 8
	// A run of the same compressed bytes that is worth a change: less than this is
	// decompressed on both sides.
	leastRun = 4 << 10
	// Bytes of a name or a comment in a header, with the zero at their end, as Go's
	// library has it.
	maxName = 512
)

// NewPair reads two headers. Close isn't needed.
func NewPair(a, b Blob) (*Pair, error) {
	p := &Pair{a: side{blob: a}, b: side{blob: b}}
	ha, err := headerSize(a)
	if err != nil {
		return nil, err
	}
	hb, err := headerSize(b)
	if err != nil {
		return nil, err
	}
	p.a.d = newDecoder(a, a.Size, ha)
	run, err := sameRun(a, ha, b, hb)
	if err != nil {
		return nil, err
	}
	p.shared, p.shift, p.until = true, (hb-ha)*8, ha+run
	return p, nil
}

// Next is the next part; io.EOF after the last one, when both checksums are right.
func (p *Pair) Next() (Part, error) {
	if p.shared {
		before := p.a.d.bit()
		out, err := p.a.d.step(p.until, math.MaxInt64)
		if err != nil {
			return Part{}, err
		}
		if len(out) > 0 || p.a.d.bit() > before {
			same := p.b.crc == p.a.crc
			p.a.crc = crc32.Update(p.a.crc, crc32.IEEETable, out)
			if same {
				p.b.crc = p.a.crc
			} else {
				p.b.crc = crc32.Update(p.b.crc, crc32.IEEETable, out)
			}
			return Part{A: out, B: out, Same: true}, nil
		}
		p.b.d = p.a.d.clone(p.b.blob, p.b.blob.Size, p.a.d.bit()+p.shift)
		p.shared = false
	}
	a, b := p.a.d, p.b.d
	if a.stage == ended && b.stage == ended {
		return Part{}, p.end()
	}
	to := min(a.at(), b.at()) + maxStep
	switch ended {
	case a.stage:
		to = b.at() + maxStep
	case b.stage:
		to = a.at() + maxStep
	}
	var outB []byte
	done := make(chan error, 1)
	go func() {
		var err error
		outB, err = p.b.step(to)
		done <- err
	}()
	outA, errA := p.a.step(to)
	if err := errors.Join(errA, <-done); err != nil {
		return Part{}, err
	}
	return Part{A: outA, B: outB}, p.rejoin()
}

func (s *side) step(to int64) ([]byte, error) {
	if s.d.at() >= to {
		s.d.marks = s.d.marks[:0]
		return nil, nil
	}
	out, err := s.d.step(math.MaxInt64, to)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, out)
	return out, err
}

// rejoin finds out whether both sides are in the same state: after a block that began in
// both at one place of the content, with the same window before it, and with the same
// compressed bytes from there to here.
func (p *Pair) rejoin() error {
	a, b := p.a.d, p.b.d
	if a.at() != b.at() || a.stage != b.stage || a.stage == ended {
		return nil
	}
	i, j := len(a.marks)-1, len(b.marks)-1
	for i >= 0 && j >= 0 {
		ma, mb := a.marks[i], b.marks[j]
		switch {
		case ma.out > mb.out:
			i--
			continue
		case ma.out < mb.out:
			j--
			continue
		}
		shift := mb.bit - ma.bit
		if shift%8 == 0 && b.bit()-a.bit() == shift && bytes.Equal(a.before(ma.out), b.before(ma.out)) {
			// The bits before the block in its first byte may differ.
			from := (ma.bit + 7) / 8
			if ma.bit%8 != 0 {
				same, err := sameBits(p.a.blob, p.b.blob, ma.bit, mb.bit)
				if err != nil || !same {
					return err
				}
			}
			run, err := sameRun(p.a.blob, from, p.b.blob, from+shift/8)
			if err != nil {
				return err
			}
			if from+run >= a.bit()/8+leastRun || p.toTheEnd(from+run, shift) && from+run > a.bit()/8 {
				p.shared, p.shift, p.until = true, shift, from+run
			}
			return nil
		}
		i--
		j--
	}
	return nil
}

// before is the window before a place of this step.
func (d *decoder) before(out int64) []byte {
	end := d.start + int(out-d.total)
	return d.out[max(d.low, end-window):end]
}

// toTheEnd says whether a run of the same bytes, up to byte end of A, has all but
// the trailers.
func (p *Pair) toTheEnd(end, shift int64) bool {
	return end >= p.a.blob.Size-trailerSize && p.a.blob.Size+shift/8 == p.b.blob.Size
}

// SameFor is how many bytes from here on are the same in both, compressed; 0
// if it isn't known that any are.
func (p *Pair) SameFor() int64 {
	if !p.shared {
		return 0
	}
	return max(0, p.until-p.a.d.bit()/8)
}

// RestIsSame says that nothing differs from here on but, perhaps, the trailers.
func (p *Pair) RestIsSame() bool { return p.shared && p.toTheEnd(p.until, p.shift) }

var errSum = errors.New("a gzip stream's checksum is wrong")

// CheckRest checks, where the rest is the same, that the checksums differ by what was
// different before it, without decompressing the rest. The next call can't be Next.
//
// A CRC is linear: two contents that end in the same n bytes have checksums whose
// difference is that of the checksums before these bytes, with n zeros after it.
func (p *Pair) CheckRest() error {
	if !p.RestIsSame() {
		return errors.New("the rest isn't the same")
	}
	sumA, sizeA, err := trailer(p.a.blob)
	if err != nil {
		return err
	}
	sumB, sizeB, err := trailer(p.b.blob)
	if err != nil {
		return err
	}
	if sizeA != sizeB {
		return errSum
	}
	// The size is known modulo 4 GiB. DEFLATE makes 1,032 of one byte at most.
	n := uint64(sizeA - uint32(p.a.d.at()))
	most := uint64(p.a.blob.Size-p.a.d.bit()/8) * 1032
	for ; n <= most; n += 1 << 32 {
		if withZeros(p.a.crc^p.b.crc, n) == sumA^sumB {
			return nil
		}
	}
	return errSum
}

// end checks both trailers, which must be the last of the streams.
func (p *Pair) end() error {
	for _, s := range []*side{&p.a, &p.b} {
		at := (s.d.bit() + 7) / 8
		if s.blob.Size-at != trailerSize {
			return errors.New("something follows a gzip stream")
		}
		sum, size, err := trailer(s.blob)
		if err != nil {
			return err
		}
		if sum != s.crc || size != uint32(s.d.at()) {
			return errSum
		}
	}
	return io.EOF
}

func trailer(b Blob) (sum, size uint32, err error) {
	var t [trailerSize]byte
	if err := readAt(b, t[:], b.Size-trailerSize); err != nil {
		return 0, 0, err
	}
	return binary.LittleEndian.Uint32(t[:]), binary.LittleEndian.Uint32(t[4:]), nil
}

// withZeros is the difference of two CRC-32s once n zero bytes were added to both:
// times x^8n, modulo the polynomial.
func withZeros(crc uint32, n uint64) uint32 {
	power := uint32(1) << (31 - 8) // x^8; the highest bit is x^0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			crc = times(crc, power)
		}
		power = times(power, power)
	}
	return crc
}

func times(a, b uint32) (product uint32) {
	for i := range 32 {
		if b&(1<<(31-i)) != 0 {
			product ^= a
		}
		carry := a & 1
		a >>= 1
		if carry != 0 {
			a ^= crc32.IEEE
		}
	}
	return product
}

// headerSize is the length of a gzip header (RFC 1952, 2.3). One with a checksum, which
// nobody writes, is refused.
func headerSize(b Blob) (int64, error) {
	h := make([]byte, min(64<<10, b.Size))
	if err := readAt(b, h, 0); err != nil {
		return 0, err
	}
	if len(h) < 10+trailerSize || h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 || h[3] >= 1<<5 || h[3]&2 != 0 {
		return 0, errors.New("not a gzip stream")
	}
	flags, n := h[3], 10
	if flags&4 != 0 && n+2 <= len(h) {
		n += 2 + int(binary.LittleEndian.Uint16(h[n:]))
	}
	for _, f := range []byte{8, 16} {
		if flags&f == 0 {
			continue
		}
		end := bytes.IndexByte(h[min(n, len(h)):], 0)
		if end < 0 || end >= maxName {
			return 0, errors.New("a gzip stream's header is too long")
		}
		n += end + 1
	}
	if int64(n) > b.Size-trailerSize {
		return 0, errEnd
	}
	return int64(n), nil
}

func readAt(b Blob, p []byte, off int64) error {
	if off < 0 {
		return errEnd
	}
	n, err := b.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = errEnd
	}
	return err
}

// sameRun is how many bytes from two places on are the same.
func sameRun(a Blob, fromA int64, b Blob, fromB int64) (int64, error) {
	pa, pb := make([]byte, inSize), make([]byte, inSize)
	for n := int64(0); ; {
		m := min(inSize, a.Size-fromA-n, b.Size-fromB-n)
		if m <= 0 {
			return n, nil
		}
		if err := readAt(a, pa[:m], fromA+n); err != nil {
			return 0, err
		}
		if err := readAt(b, pb[:m], fromB+n); err != nil {
			return 0, err
		}
		if !bytes.Equal(pa[:m], pb[:m]) {
			for pa[0] == pb[0] {
				pa, pb = pa[1:], pb[1:]
				n++
			}
			return n, nil
		}
		n += m
	}
}

// sameBits compares what is left of a byte from a bit on.
func sameBits(a, b Blob, bitA, bitB int64) (bool, error) {
	var x, y [1]byte
	if err := readAt(a, x[:], bitA/8); err != nil {
		return false, err
	}
	err := readAt(b, y[:], bitB/8)
	return x[0]>>(bitA%8) == y[0]>>(bitB%8), err
}
