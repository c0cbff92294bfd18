package compare

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A source is content that can be read from its start any number of times.
// Where it lies uncompressed in a blob, that is known too.
type source struct {
	open func() (io.ReadCloser, error)
	blob *blob
}

func (b blob) source() source {
	return source{func() (io.ReadCloser, error) { return io.NopCloser(b.reader()), nil }, &b}
}

// The decompressors: memory is bounded whatever a frame's header asks for.
func (b blob) gunzip() source {
	return source{open: func() (io.ReadCloser, error) {
		return gzip.NewReader(bufio.NewReaderSize(b.reader(), chunk))
	}}
}

func (b blob) unzstd() source {
	return source{open: func() (io.ReadCloser, error) {
		d, err := zstd.NewReader(b.reader(), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}}
}

// metered counts what is read against the run's limit.
type metered struct {
	c *run
	r io.Reader
	n int64
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if e := m.c.spend(n); e != nil {
		return n, e
	}
	return n, err
}

// seeking is metered, and knows where it is after what it skipped.
type seeking struct {
	*metered
	io.Seeker
}

// Seek implements io.Seeker.
func (s *seeking) Seek(off int64, whence int) (int64, error) {
	n, err := s.Seeker.Seek(off, whence)
	if err == nil {
		s.n = n
	}
	return n, err
}

// read opens a source under the run's limit.
func (c *run) read(s source) (*metered, io.Closer, error) {
	r, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	return &metered{c: c, r: r}, r, nil
}

// spool makes content readable at any place, until the run is closed.
func (c *run) spool(r io.Reader) (blob, error) {
	k := &kept{}
	_, err := io.Copy(k, r)
	if k.f != nil {
		c.mu.Lock()
		c.temps = append(c.temps, k.f)
		c.mu.Unlock()
	}
	return k.blob(), err
}

func (c *run) gzip(f *Finding, path string, a, b blob, depth int) error {
	f.Fields = gzipFields(a, b)
	err := c.inStep(f, path, a, b, depth)
	if err == nil || c.ctx.Err() != nil {
		return err
	}
	f.Parts, f.More, f.Note = nil, 0, ""
	return c.compressed(f, path, a.gunzip(), b.gunzip(), depth)
}

func (c *run) zstd(f *Finding, path string, a, b blob, depth int) error {
	f.Fields = zstdFields(a, b)
	return c.compressed(f, path, a.unzstd(), b.unzstd(), depth)
}

// compressed compares what is inside. A tar is streamed, anything else
// spooled.
func (c *run) compressed(f *Finding, path string, a, b source, depth int) error {
	isA, err := c.holdsTar(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	isB, err := c.holdsTar(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	if isA && isB {
		err := c.tars(f, path, a, b, depth)
		if err == nil && len(f.Parts) == 0 && len(f.Ranges) == 0 && f.Note == "" {
			err = c.framing(f, path, a, b, depth)
		}
		return err
	}
	return c.framing(f, path, a, b, depth)
}

// sameContents starts the note of what differs in its compression alone.
const sameContents = "the contents are the same; the compression differs"

func (f *Finding) noteFraming() {
	f.Note = sameContents
	if t := text(f.Fields); t != "" {
		f.Note += ": " + t
	}
}

// framing compares the decompressed bytes, whatever they are.
func (c *run) framing(f *Finding, path string, a, b source, depth int) error {
	same, err := c.sameContent(a, b)
	if err != nil {
		return err
	}
	if same {
		f.noteFraming()
		return nil
	}
	temps := len(c.temps)
	defer func() {
		for _, t := range c.temps[temps:] {
			t.Close()
		}
		c.temps = c.temps[:temps]
	}()
	sa, err := c.spoolSource(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	sb, err := c.spoolSource(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	inner, err := c.blobs("[content]", path, sa, sb, depth+1)
	if err != nil {
		return err
	}
	if inner == nil {
		return errors.New("the content changed while it was read")
	}
	f.Parts = []*Finding{inner}
	return nil
}

// sameContent compares two streams as they come.
func (c *run) sameContent(a, b source) (bool, error) {
	ra, closeA, err := c.read(a)
	if err != nil {
		return false, fmt.Errorf("side A: %w", err)
	}
	defer closeA.Close()
	rb, closeB, err := c.read(b)
	if err != nil {
		return false, fmt.Errorf("side B: %w", err)
	}
	defer closeB.Close()
	pa, pb := make([]byte, chunk), make([]byte, chunk)
	for {
		n, errA := io.ReadFull(ra, pa)
		m, errB := io.ReadFull(rb, pb)
		if errA != nil && errA != io.EOF && errA != io.ErrUnexpectedEOF {
			return false, fmt.Errorf("side A: %w", errA)
		}
		if errB != nil && errB != io.EOF && errB != io.ErrUnexpectedEOF {
			return false, fmt.Errorf("side B: %w", errB)
		}
		if !bytes.Equal(pa[:n], pb[:m]) {
			return false, nil
		}
		if errA != nil { // both are at their end
			return true, nil
		}
	}
}

func (c *run) spoolSource(s source) (blob, error) {
	m, closer, err := c.read(s)
	if err != nil {
		return blob{}, err
	}
	defer closer.Close()
	return c.spool(m)
}

func (c *run) holdsTar(s source) (bool, error) {
	m, closer, err := c.read(s)
	if err != nil {
		return false, err
	}
	defer closer.Close()
	h := make([]byte, 512)
	n, err := io.ReadFull(m, h)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return isTar(h[:n]), nil
}
