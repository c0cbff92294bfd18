package compare

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

const fatbinMagic = "\x50\xed\x55\xba"

// gpuImage is what a fatbin holds for one architecture.
type gpuImage struct {
	key
	source
	fields [][2]string // of the header
}

// fatbin compares the images in two fatbins. A fatbin is a header of 16 bytes
// (magic, version, size of the header, size of the rest), then entries; a section may
// hold several. An entry's header has kind (1: PTX, 2: cubin), its own size and that of the
// content, that of the content without padding if it is compressed, the architecture, flags (0x2000: LZ4,
// 0x8000: Zstandard) and the size when decompressed. Seen in what CUDA 12.9 and 13's fatbinary writes.
func (c *run) fatbin(f *Finding, path string, a, b blob, depth int) error {
	ia, err := c.gpuImages(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	ib, err := c.gpuImages(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	id := func(e gpuImage) key { return e.key }
	f.Parts, f.More, err = pair(c, ia, ib, id,
		func(e gpuImage, side string) *Finding {
			return onlyIn(side, e.String(), join(path, e.String()), Raw, 0)
		},
		func(x, y gpuImage) (*Finding, error) { return c.gpuImage(path, x, y, depth) })
	if err == nil && len(f.Parts) == 0 {
		f.Note = "every image is the same; the compression or the padding differs"
		if n := order(ia, ib, id); n != "" {
			f.Note = n
		}
	}
	return err
}

func (c *run) gpuImage(path string, x, y gpuImage, depth int) (*Finding, error) {
	same, err := c.sameContent(x.source, y.source)
	if err != nil {
		return nil, err
	}
	var fields []Field
	for i := range x.fields {
		fields = differ(fields, x.fields[i][0], x.fields[i][1], y.fields[i][1])
	}
	sub := join(path, x.String())
	if same {
		if len(fields) == 0 {
			return nil, nil
		}
		p := note(x.String(), sub, Raw, 0, 0, text(fields))
		p.Fields = fields
		return p, nil
	}
	a, err := c.spoolSource(x.source)
	if err != nil {
		return nil, err
	}
	b, err := c.spoolSource(y.source)
	if err != nil {
		return nil, err
	}
	p, err := c.blobs(x.String(), sub, a, b, depth+1)
	if p != nil {
		p.Fields = append(p.Fields, fields...)
		setMember(p, x.String())
	}
	return p, err
}

func (c *run) gpuImages(b blob) ([]gpuImage, error) {
	var out []gpuImage
	seen := map[string]int{}
	le := binary.LittleEndian
	for off := int64(0); off < b.size; {
		h, err := b.part(off, 16).head(16)
		if err != nil {
			return nil, err
		}
		if len(h) < 16 || string(h[:4]) != fatbinMagic {
			if len(out) > 0 && len(bytes.Trim(h, "\x00")) == 0 { // padding between fatbins
				off += 8
				continue
			}
			return nil, fmt.Errorf("no fatbin header at %#x", off)
		}
		head, size := int64(le.Uint16(h[6:])), le.Uint64(h[8:])
		if head < 16 || head > b.size-off || size > uint64(b.size-off-head) {
			return nil, fmt.Errorf("the fatbin at %#x reaches past the end", off)
		}
		if out, err = c.gpuEntries(b.part(off+head, int64(size)), out, seen); err != nil {
			return nil, err
		}
		off += head + int64(size)
	}
	return out, nil
}

func (c *run) gpuEntries(b blob, out []gpuImage, seen map[string]int) ([]gpuImage, error) {
	le := binary.LittleEndian
	for off := int64(0); off < b.size; {
		h, err := b.part(off, 64).head(64)
		if err != nil {
			return nil, err
		}
		if len(h) < 64 {
			return nil, errors.New("an image's header is cut off")
		}
		kind, head, size := le.Uint16(h), int64(le.Uint32(h[4:])), le.Uint64(h[8:])
		packed, arch, flags, full := int64(le.Uint32(h[16:])), le.Uint32(h[28:]), le.Uint64(h[40:]), le.Uint64(h[56:])
		if head < 64 || head > b.size-off || size > uint64(b.size-off-head) {
			return nil, fmt.Errorf("the image at %#x reaches past the end", off)
		}
		body := b.part(off+head, int64(size))
		if packed > 0 && packed < body.size {
			body = body.part(0, packed)
		}
		name := map[uint16]string{1: fmt.Sprintf("compute_%d.ptx", arch), 2: fmt.Sprintf("sm_%d.cubin", arch)}[kind]
		if name == "" {
			name = fmt.Sprintf("kind %d for %d", kind, arch)
		}
		e := gpuImage{key: key{name, seen[name]}, source: body.source(), fields: [][2]string{
			{"version", fmt.Sprintf("%d.%d", le.Uint16(h[26:]), le.Uint16(h[24:]))}, {"flags", fmt.Sprintf("%#x", flags)}}}
		switch {
		case flags&0x8000 != 0:
			e.source = body.unzstd()
		case flags&0x2000 != 0:
			e.source = body.unlz4(full)
		}
		if len(out) >= c.lim.Entries {
			return nil, errors.New("too many images")
		}
		seen[name]++
		out = append(out, e)
		off += head + int64(size)
	}
	return out, nil
}

// unlz4 decompresses an LZ4 block, which can't be streamed.
func (b blob) unlz4(full uint64) source {
	return source{open: func() (io.ReadCloser, error) {
		if full > maxLZ4 || b.size > maxLZ4 || full > 256*uint64(b.size)+64 {
			return nil, errors.New("the image is too large")
		}
		p, err := io.ReadAll(b.reader())
		if err != nil {
			return nil, err
		}
		out := make([]byte, full)
		n, err := lz4.UncompressBlock(p, out)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(out[:n])), nil
	}}
}
