package compare

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// blob is a part that can be read at any place. Its size is what is really
// there, not what a header says.
type blob struct {
	r    io.ReaderAt
	size int64
}

func (b blob) reader() *io.SectionReader { return io.NewSectionReader(b.r, 0, b.size) }

// part is the bytes [off, off+n) as far as they exist.
func (b blob) part(off, n int64) blob {
	if off < 0 || off > b.size {
		off = b.size
	}
	n = max(0, min(n, b.size-off))
	return blob{io.NewSectionReader(b.r, off, n), n}
}

// head are the first bytes, at most n.
func (b blob) head(n int) ([]byte, error) {
	p := make([]byte, min(int64(n), b.size))
	if _, err := io.ReadFull(b.reader(), p); err != nil {
		return nil, err
	}
	return p, nil
}

// run is one comparison and what it has used up.
type run struct {
	ctx   context.Context
	lim   Limits
	spent atomic.Int64 // of Limits.Expand
	given atomic.Int64 // given back of it

	mu    sync.Mutex // of temps, while both sides are read at once
	temps []*os.File

	bufA, bufB []byte
}

func newRun(ctx context.Context, lim Limits) *run {
	return &run{ctx: ctx, lim: lim.withDefaults()}
}

func (c *run) close() {
	for _, f := range c.temps {
		f.Close()
	}
}

var errExpand = errors.New("more content than the limit allows")

// spend accounts for n bytes that were produced rather than read.
func (c *run) spend(n int) error {
	if c.spent.Add(int64(n)) > c.lim.Expand {
		return errExpand
	}
	return c.ctx.Err()
}

// giveBack takes back what was spent in vain. In all that is as much as the limit: what is
// nested could else be tried again and again.
func (c *run) giveBack(n int64) {
	for {
		given := c.given.Load()
		n := min(n, c.lim.Expand-given)
		if n <= 0 {
			return
		}
		if c.given.CompareAndSwap(given, given+n) {
			c.spent.Add(-n)
			return
		}
	}
}

// blobs compares two parts of any kind. The name is that of the part in its
// parent, the path that of the whole way to it.
func (c *run) blobs(name, path string, a, b blob, depth int) (*Finding, error) {
	same, err := c.equal(a, b)
	if err != nil || same {
		return nil, err
	}
	k, err := sniffBoth(a, b)
	if err != nil {
		return nil, err
	}
	f := &Finding{Name: name, Kind: k, SizeA: a.size, SizeB: b.size}
	if depth >= c.lim.Depth && k != Raw {
		f.Note = "not looked into: nested too deeply"
	} else if looker := lookers[k]; looker != nil {
		switch err := looker(c, f, path, a, b, depth); {
		case c.ctx.Err() != nil:
			return nil, c.ctx.Err()
		case err != nil:
			*f = Finding{Name: name, Kind: Raw, SizeA: a.size, SizeB: b.size,
				Note: fmt.Sprintf("compared as bytes, not as %s: %v", k, err)}
		}
	}
	if len(f.Parts) == 0 && len(f.Ranges) == 0 {
		if err := c.ranges(f, path, a, b); err != nil {
			return nil, err
		}
		for i := range f.Ranges {
			f.Ranges[i].Note = f.Note
		}
	}
	return f, nil
}

// A looker looks into two parts of one kind and fills in what differs. If it
// leaves the finding without parts and ranges, the parts are compared as bytes.
type looker func(c *run, f *Finding, path string, a, b blob, depth int) error

// lookers is set in init because they call each other.
var lookers map[Kind]looker

func init() {
	lookers = map[Kind]looker{
		Text: (*run).lines,
		JSON: (*run).json,
		ELF:  (*run).elf,
		Ar:   (*run).ar,
		Tar:  (*run).tar,
		Zip:  (*run).zip,
		Gzip: (*run).gzip,
		Zstd: (*run).zstd,

		Packed: (*run).repacked,

		PE:     (*run).pe,
		Wasm:   (*run).wasm,
		Fatbin: (*run).fatbin,
		Rmeta:  (*run).rmeta,
		Pyc:    (*run).pyc,
	}
}

// sniffBoth is the kind that both sides have, or Raw.
func sniffBoth(a, b blob) (Kind, error) {
	ka, err := sniff(a)
	if err != nil {
		return "", err
	}
	kb, err := sniff(b)
	if err != nil {
		return "", err
	}
	switch {
	case ka == kb:
		return ka, nil
	case ka == Text && kb == JSON || ka == JSON && kb == Text:
		return Text, nil
	case ka == Gzip && kb == Zstd || ka == Zstd && kb == Gzip:
		return Packed, nil
	}
	return Raw, nil
}

func sniff(b blob) (Kind, error) {
	h, err := b.head(8 << 10)
	if err != nil {
		return "", err
	}
	has := func(magic string) bool { return bytes.HasPrefix(h, []byte(magic)) }
	switch {
	case has("\x7fELF"):
		return ELF, nil
	case has("!<arch>\n"):
		return Ar, nil
	case has("\x1f\x8b\x08"):
		return Gzip, nil
	case isZstd(h):
		return Zstd, nil
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return Zip, nil
	case isTar(h):
		return Tar, nil
	case has("\x00asm"):
		return Wasm, nil
	case isPE(h):
		return PE, nil
	case has(fatbinMagic):
		return Fatbin, nil
	case has("rust\x00\x00\x00"):
		return Rmeta, nil
	case isPyc(h):
		return Pyc, nil
	case b.size <= maxText && isText(h, int64(len(h)) < b.size):
		if t := bytes.TrimLeft(h, " \t\r\n"); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
			return JSON, nil
		}
		return Text, nil
	}
	return Raw, nil
}

// isZstd knows a Zstandard frame and the skippable frames that may precede it.
func isZstd(h []byte) bool {
	if len(h) < 4 {
		return false
	}
	m := binary.LittleEndian.Uint32(h)
	return m == 0xfd2fb528 || m&^0xf == 0x184d2a50
}

// isTar checks the header's checksum, which every flavour of tar has.
func isTar(h []byte) bool {
	if len(h) < 512 {
		return false
	}
	var want, got int64
	for _, d := range bytes.Trim(h[148:156], " \x00") {
		if d < '0' || d > '7' {
			return false
		}
		want = want<<3 | int64(d-'0')
	}
	for i, d := range h[:512] {
		if i >= 148 && i < 156 {
			d = ' '
		}
		got += int64(d)
	}
	return want != 0 && want == got
}
