// Package inflate decompresses two gzip streams side by side, and what is the
// same in both only once.
//
// It is for comparing: the layers of two builds are mostly the same bytes, in
// compressed form too. A decompressor that shows its state makes three things possible
// that no library offers:
//
//   - As long as the compressed bytes are the same, so is the content: one side is
//     decompressed, and stands for both.
//   - Where they go apart the other side begins with a copy of the state.
//   - Behind a difference, both are the same again once a block begins at the same
//     place of both contents, with the same 32 KiB before it, and the same compressed
//     bytes from there on. If these last to the end, nothing of them need be decompressed.
//
// DEFLATE is RFC 1951, gzip RFC 1952. A stream is one member; what follows it
// is an error, as are codes that zlib refuses. Who gets an error has to use another
// decompressor: which streams are valid isn't decided here.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	window  = 32 << 10 // how far back a copy may reach
	maxStep = 256 << 10
	maxCopy = 258
	slack   = 16 // bytes that a copy by words may write too many
	inSize  = 256 << 10
	// A block's header with its codes takes less: 17 bits, 19 lengths of 3 bits, and 320
	// lengths of at most 14 bits.
	maxHeader = 1 << 10
	// Blocks may be empty, and as many as one likes: a step ends after these.
	maxMarks = 1 << 10
)

var (
	errCorrupt = errors.New("not a valid DEFLATE stream")
	errEnd     = fmt.Errorf("reading a DEFLATE stream: %w", io.ErrUnexpectedEOF)
)

type stage uint8

const (
	atHeader stage = iota
	inStored
	inCodes
	ended
)

// mark is a place where a block begins.
type mark struct {
	out int64 // bytes of content before it
	bit int64 // bits of the stream before it
}

// decoder is the state in the middle of a stream. Copies of it are independent once
// each has buffers of its own: see clone.
type decoder struct {
	src  io.ReaderAt
	size int64 // of src

	in     []byte // of src, from base on; inSize bytes and slack zeros
	filled int    // bytes of in that are src's
	base   int64
	pos    int    // in in, of what comes into bits next
	bits   uint64 // not yet used, the next one lowest
	nbits  uint

	out   []byte // content: a window of history, and what this step adds
	low   int    // where history begins
	start int    // where this step began
	end   int
	total int64 // bytes of content before start

	stage  stage
	last   bool // this is the last block
	stored int  // bytes left of a stored block
	fixed  bool // this block has the fixed codes, and not these:
	lit    litTable
	dist   distTable
	marks  []mark // of this step
}

// newDecoder reads DEFLATE data that begins at off of src.
func newDecoder(src io.ReaderAt, size, off int64) *decoder {
	d := &decoder{src: src, size: size, in: make([]byte, inSize+slack), out: make([]byte, window+maxStep+maxCopy+slack)}
	d.low, d.start, d.end = window, window, window
	d.seek(off * 8)
	return d
}

// clone is a decoder of src in the state of d, at a bit of src.
func (d *decoder) clone(src io.ReaderAt, size, bit int64) *decoder {
	c := *d
	c.src, c.size = src, size
	c.in = make([]byte, len(d.in))
	c.out = make([]byte, len(d.out))
	copy(c.out, d.out)
	c.marks = nil
	c.seek(bit)
	return &c
}

// bit is where in src the next bit is.
func (d *decoder) bit() int64 { return (d.base+int64(d.pos))*8 - int64(d.nbits) }

// at is how many bytes of content there were.
func (d *decoder) at() int64 { return d.total + int64(d.end-d.start) }

func (d *decoder) seek(bit int64) {
	d.base, d.pos, d.filled, d.bits, d.nbits = bit/8, 0, 0, 0, 0
	if n := uint(bit % 8); n > 0 {
		// What comes first is a part of a byte.
		if d.fill() == nil && d.filled > 0 {
			d.bits, d.nbits, d.pos = uint64(d.in[0])>>n, 8-n, 1
		}
	}
}

// fill reads more of src behind what is left of in, and behind what waits in bits:
// that may be given back.
func (d *decoder) fill() error {
	from := max(0, d.pos-8)
	n := copy(d.in, d.in[from:d.filled])
	d.base += int64(from)
	d.pos, d.filled = d.pos-from, n
	want := min(int64(inSize-n), d.size-d.base-int64(n))
	if want > 0 {
		m, err := d.src.ReadAt(d.in[n:n+int(want)], d.base+int64(n))
		if int64(m) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		d.filled += m
	}
	clear(d.in[d.filled : d.filled+slack])
	return nil
}

// step goes on to place to of the content (at most maxStep further), through maxMarks blocks, to the
// end of the stream, or to byte limit of src, of which nothing is used, whichever comes first;
// before a block's header it stops up to maxHeader earlier. It returns what it added, which is
// valid until the next step.
func (d *decoder) step(limit, to int64) ([]byte, error) {
	// The history moves to the front. What was before it is out of reach.
	if shift := d.end - window; shift > 0 {
		copy(d.out[:window], d.out[shift:d.end])
		d.total += int64(d.end - d.start)
		d.low, d.start, d.end = max(0, d.low-shift), window, window
	}
	d.marks = d.marks[:0]
	stop := d.start + int(min(to-d.total, maxStep))
	for d.end < stop && d.stage != ended {
		if d.filled-d.pos < maxHeader && d.base+int64(d.filled) < d.size {
			if err := d.fill(); err != nil {
				return nil, err
			}
		}
		before, at := d.bit(), d.stage
		var err error
		switch at {
		case atHeader:
			if before/8+maxHeader > limit {
				return d.out[d.start:d.end], nil
			}
			if len(d.marks) == maxMarks {
				return d.out[d.start:d.end], nil
			}
			d.marks = append(d.marks, mark{d.at(), before})
			err = d.header()
		case inStored:
			err = d.copyStored(limit, stop)
		case inCodes:
			err = d.codes(limit, stop)
		}
		if err != nil {
			return nil, err
		}
		if d.bit() > d.size*8 {
			return nil, errEnd
		}
		if d.bit() == before && d.stage == at {
			break // the limit
		}
	}
	return d.out[d.start:d.end], nil
}

// need makes sure of n bits, n ≤ 32. Behind the end of src there are zeros, a few:
// step finds out.
func (d *decoder) need(n uint) error {
	for d.nbits < n {
		if d.pos >= d.filled+slack {
			return errEnd
		}
		d.bits |= uint64(d.in[d.pos]) << d.nbits
		d.pos++
		d.nbits += 8
	}
	return nil
}

func (d *decoder) take(n uint) (uint32, error) {
	if err := d.need(n); err != nil {
		return 0, err
	}
	v := uint32(d.bits & (1<<n - 1))
	d.bits >>= n
	d.nbits -= n
	return v, nil
}

// header reads how a block begins (RFC 1951, 3.2.3).
func (d *decoder) header() error {
	v, err := d.take(3)
	if err != nil {
		return err
	}
	d.last = v&1 != 0
	switch v >> 1 {
	case 0:
		if _, err := d.take(d.nbits % 8); err != nil {
			return err
		}
		n, err := d.take(32)
		if err != nil {
			return err
		}
		if n&0xffff != ^n>>16 {
			return errCorrupt
		}
		d.stored, d.stage = int(n&0xffff), inStored
		return nil
	case 1:
		d.fixed = true
	case 2:
		d.fixed = false
		if err := d.readCodes(); err != nil {
			return err
		}
	default:
		return errCorrupt
	}
	d.stage = inCodes
	return nil
}

func (d *decoder) endBlock() {
	d.stage = atHeader
	if d.last {
		d.stage = ended
	}
}

// copyStored copies a stored block's bytes (RFC 1951, 3.2.4).
func (d *decoder) copyStored(limit int64, stop int) error {
	// Whole bytes that wait in bits are given back.
	d.pos -= int(d.nbits / 8)
	d.bits, d.nbits = 0, 0
	if d.pos > d.filled {
		return errEnd
	}
	n := min(int64(d.stored), int64(stop-d.end), int64(d.filled-d.pos), max(0, limit-d.base-int64(d.pos)))
	copy(d.out[d.end:], d.in[d.pos:d.pos+int(n)])
	d.pos += int(n)
	d.end += int(n)
	if d.stored -= int(n); d.stored == 0 {
		d.endBlock()
		return nil
	}
	if n == 0 && d.pos == d.filled && d.base+int64(d.filled) >= d.size {
		return errEnd
	}
	return nil
}

// codes reads literals and copies until the block ends, the output is at stop (or
// one copy further), or the input is at its limit.
func (d *decoder) codes(limit int64, stop int) error {
	in, out := d.in, d.out
	pos, end, bits, nbits := d.pos, d.end, d.bits, d.nbits
	// Each turn takes 8 bytes at most. Where src ends, zeros follow; a stream has
	// a trailer there.
	hi := d.filled - 8
	if d.base+int64(d.filled) >= d.size {
		hi = d.filled
	}
	hi = int(min(int64(hi), limit-d.base-8))
	lit, dist := &d.lit, &d.dist
	if d.fixed {
		lit, dist = &fixedLit, &fixedDist
	}
	for pos <= hi && end < stop {
		// 56 bits or more: a literal or length takes 15 + 5, a distance 15 + 13.
		bits |= binary.LittleEndian.Uint64(in[pos:]) << nbits
		pos += int((63 - nbits) >> 3)
		nbits |= 56
		e := lit.primary[bits&(1<<litBits-1)]
		if e&literal != 0 { // up to three of them: 45 bits
			bits >>= e & 0xff
			nbits -= uint(e & 0xff)
			out[end] = byte(e >> 16)
			end++
			e = lit.primary[bits&(1<<litBits-1)]
			if e&literal != 0 {
				bits >>= e & 0xff
				nbits -= uint(e & 0xff)
				out[end] = byte(e >> 16)
				end++
				if end >= stop || nbits < 48 {
					continue
				}
				e = lit.primary[bits&(1<<litBits-1)]
			} else if end >= stop || nbits < 48 {
				continue
			}
		}
		if e&further != 0 {
			e = lit.more[e>>16+uint32(bits>>litBits)&(1<<(e>>8&0xf)-1)]
		}
		if e&literal != 0 {
			bits >>= e & 0xff
			nbits -= uint(e & 0xff)
			out[end] = byte(e >> 16)
			end++
			continue
		}
		if e&special != 0 {
			if e&endOfBlock == 0 {
				return errCorrupt
			}
			bits >>= e & 0xff
			nbits -= uint(e & 0xff)
			d.pos, d.end, d.bits, d.nbits = pos, end, bits&(1<<nbits-1), nbits
			d.endBlock()
			return nil
		}
		extra := uint(e >> 8 & 0xf)
		bits >>= e & 0xff
		length := int(e>>16) + int(bits&(1<<extra-1))
		bits >>= extra
		nbits -= uint(e&0xff) + extra
		e = dist.primary[bits&(1<<distBits-1)]
		if e&further != 0 {
			e = dist.more[e>>16+uint32(bits>>distBits)&(1<<(e>>8&0xf)-1)]
		}
		if e&special != 0 {
			return errCorrupt
		}
		extra = uint(e >> 8 & 0xf)
		bits >>= e & 0xff
		back := int(e>>16) + int(bits&(1<<extra-1))
		bits >>= extra
		nbits -= uint(e&0xff) + extra
		from := end - back
		if from < d.low {
			return errCorrupt
		}
		copyWithin(out, end, from, length)
		end += length
	}
	d.pos, d.end, d.bits, d.nbits = pos, end, bits&(1<<nbits-1), nbits
	if pos > d.filled && d.base+int64(d.filled) >= d.size {
		return errEnd
	}
	return nil
}

// copyWithin copies length bytes from an earlier place to end, byte for byte as
// DEFLATE has it: what was copied may be copied again. It may write up to slack bytes more.
func copyWithin(out []byte, end, from, length int) {
	back := end - from
	if back >= length {
		if length > 64 {
			copy(out[end:end+length], out[from:from+length])
			return
		}
	} else if back == 1 {
		b := out[from]
		to := out[end : end+length]
		for i := range to {
			to[i] = b
		}
		return
	}
	if back >= 8 {
		for n := 0; n < length; n += 8 {
			binary.LittleEndian.PutUint64(out[end+n:], binary.LittleEndian.Uint64(out[from+n:]))
		}
		return
	}
	for n := range length {
		out[end+n] = out[from+n]
	}
}
