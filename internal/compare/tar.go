package compare

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"golang.org/x/sync/errgroup"
)

// entry is what the index keeps of a tar's entry; the content is read again
// if it differs. Where the tar lies uncompressed, it isn't read for the index at all.
type entry struct {
	key
	ordinal int
	meta    meta
	size    int64
	hashed  bool              // the content was read
	sum     [sha256.Size]byte // of it
	off     int64             // of the content in the uncompressed tar; -1 if it is not stored as it is
}

func (c *run) tar(f *Finding, path string, a, b blob, depth int) error {
	return c.tars(f, path, a.source(), b.source(), depth)
}

// tars compares two tars, each of which is read once for an index and once
// more for the contents that differ.
func (c *run) tars(f *Finding, path string, a, b source, depth int) error {
	ia, ib, err := c.indexBoth(a, b)
	if err != nil {
		return err
	}
	if a.blob != nil && b.blob != nil && isLayout(ia) && isLayout(ib) {
		f.Kind = Image
		return c.layouts(f, path, tarLayout{*a.blob, ia}, tarLayout{*b.blob, ib}, depth)
	}
	if a.blob != nil && b.blob != nil && isDocker(ia) && isDocker(ib) {
		err := c.docker(f, path, tarLayout{*a.blob, ia}, tarLayout{*b.blob, ib}, depth)
		if err == nil && len(f.Parts) > 0 {
			f.Kind = Image
			return nil
		}
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		f.Parts = nil // not an image after all, or the same one: compare the entries
	}
	id := func(e entry) key { return e.key }
	wanted := map[int]entry{} // by ordinal in A: its pair in B
	f.Parts, f.More, err = pair(c, ia, ib, id,
		func(e entry, side string) *Finding {
			return onlyIn(side, e.String(), join(path, e.String()), Raw, e.size)
		},
		func(x, y entry) (*Finding, error) {
			fields := x.meta.diff(y.meta)
			content, err := c.otherContent(a, b, x, y)
			if err != nil {
				return nil, err
			}
			if !content && len(fields) == 0 {
				return nil, nil
			}
			p := differing(x.key, path, x.size, y.size, fields)
			if content && len(wanted) < c.lim.Findings {
				wanted[x.ordinal] = y
				p.Ranges = nil
			}
			return p, nil
		})
	if err != nil {
		return err
	}
	if len(f.Parts) == 0 {
		if n := order(ia, ib, id); n != "" {
			f.Note = n
			f.Ranges = note(f.Name, path, Tar, f.SizeA, f.SizeB, n).Ranges
		} else if a.blob != nil {
			f.Note = "every entry is the same; the tar's headers or padding differ"
		}
		return nil
	}
	return c.descend(f, path, a, b, ia, wanted, depth)
}

// descend looks into the entries whose contents differ.
func (c *run) descend(f *Finding, path string, a, b source, ia []entry, wanted map[int]entry, depth int) error {
	if len(wanted) == 0 {
		return nil
	}
	temps := len(c.temps)
	defer func() {
		for _, t := range c.temps[temps:] {
			t.Close()
		}
		c.temps = c.temps[:temps]
	}()
	pickA, pickB := map[int]entry{}, map[int]entry{}
	for o, e := range wanted {
		pickA[o], pickB[e.ordinal] = ia[o], e
	}
	var inA, inB map[int]blob
	var g errgroup.Group
	g.Go(func() (err error) { inA, err = c.pick(a, pickA); return err })
	g.Go(func() (err error) { inB, err = c.pick(b, pickB); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	byName := map[string]int{}
	for o := range wanted {
		byName[ia[o].String()] = o
	}
	for i, p := range f.Parts {
		o, ok := byName[p.Name]
		if !ok || p.SizeA < 0 || p.SizeB < 0 {
			continue
		}
		sub, err := c.inside(p, path, inA[o], inB[wanted[o].ordinal], depth)
		if err != nil {
			return err
		}
		f.Parts[i] = sub
	}
	return nil
}

// otherContent says whether the contents of two entries differ.
func (c *run) otherContent(a, b source, x, y entry) (bool, error) {
	if x.size != y.size || x.hashed && y.hashed {
		return x.size != y.size || x.sum != y.sum, nil
	}
	if !x.hashed && !y.hashed {
		same, err := c.equal(a.blob.part(x.off, x.size), b.blob.part(y.off, y.size))
		return !same, err
	}
	plain, in, sum := x, a, y.sum // a sparse file, and one that isn't
	if x.hashed {
		plain, in, sum = y, b, x.sum
	}
	h := sha256.New()
	_, err := io.Copy(h, in.blob.part(plain.off, plain.size).reader())
	return !bytes.Equal(h.Sum(nil), sum[:]), err
}

// differing is an entry whose header or content differs; fields are those of the header.
func differing(k key, path string, sizeA, sizeB int64, fields []Field) *Finding {
	p := note(k.String(), join(path, k.String()), Raw, sizeA, sizeB, text(fields))
	p.Fields = fields
	return p
}

// inside looks into an entry whose content differs; p is what is known of it.
func (c *run) inside(p *Finding, path string, a, b blob, depth int) (*Finding, error) {
	sub, err := c.blobs(p.Name, join(path, p.Name), a, b, depth+1)
	if err != nil {
		return nil, err
	}
	if sub == nil {
		return nil, errors.New("an entry changed while it was read")
	}
	if p.Note != "" {
		sub.Note = strings.TrimPrefix(sub.Note+"; "+p.Note, "; ")
		sub.Fields = append(sub.Fields, p.Fields...)
	}
	setMember(sub, p.Name)
	return sub, nil
}

func (c *run) indexBoth(a, b source) (ia, ib []entry, err error) {
	type result struct {
		list []entry
		err  error
	}
	done := make(chan result, 1)
	go func() {
		l, err := c.index(b)
		done <- result{l, err}
	}()
	ia, errA := c.index(a)
	rb := <-done
	if errA != nil {
		return nil, nil, fmt.Errorf("side A: %w", errA)
	}
	if rb.err != nil {
		return nil, nil, fmt.Errorf("side B: %w", rb.err)
	}
	return ia, rb.list, nil
}

// each walks a tar. The offset is that of the entry's content in the stream.
func (c *run) each(s source, fn func(ordinal int, h *tar.Header, r io.Reader, off int64) error) error {
	m, closer, err := c.read(s)
	if err != nil {
		return err
	}
	defer closer.Close()
	t := tar.NewReader(m)
	if s.blob != nil {
		section := s.blob.reader()
		m = &metered{c: c, r: section}
		t = tar.NewReader(&seeking{m, section}) // it skips what isn't read
	}
	for i := 0; ; i++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		if i >= c.lim.Entries {
			return errors.New("too many entries")
		}
		var content io.Reader = t
		if sparse(h) { // its holes are read from nowhere
			content = &metered{c: c, r: t}
		}
		if err := fn(i, h, content, m.n); err != nil {
			return err
		}
	}
}

// sparse says whether an entry may have more content than its archive.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func (c *run) index(s source) ([]entry, error) {
	var out []entry
	seen := map[string]int{}
	buf := make([]byte, chunk)
	names := 0
	err := c.each(s, func(i int, h *tar.Header, r io.Reader, off int64) error {
		e := entry{key: key{h.Name, seen[h.Name]}, ordinal: i, meta: metaOf(h), off: off}
		if names += len(h.Name) + len(h.Linkname); names > maxNameBytes {
			return errors.New("too many long names")
		}
		seen[h.Name]++
		if sparse(h) {
			e.off = -1
		} else if s.blob != nil {
			e.size = contentSize(h)
			out = append(out, e)
			return nil
		}
		sum := sha256.New()
		n, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, buf)
		if err != nil {
			return err
		}
		e.size, e.hashed = n, true
		sum.Sum(e.sum[:0])
		out = append(out, e)
		return nil
	})
	return out, err
}

// pick gets the contents of some entries: from their place in an uncompressed
// tar, else by reading the stream again.
func (c *run) pick(s source, want map[int]entry) (map[int]blob, error) {
	out := map[int]blob{}
	rest := maps.Clone(want)
	if s.blob != nil {
		for o, e := range want {
			if e.off >= 0 {
				out[o] = s.blob.part(e.off, e.size)
				delete(rest, o)
			}
		}
	}
	if len(rest) == 0 {
		return out, nil
	}
	done := errors.New("done")
	err := c.each(s, func(i int, _ *tar.Header, r io.Reader, _ int64) error {
		if _, ok := rest[i]; !ok {
			return nil
		}
		b, err := c.spool(r)
		if err != nil {
			return err
		}
		out[i] = b
		if delete(rest, i); len(rest) == 0 {
			return done
		}
		return nil
	})
	if err == done {
		err = nil
	}
	return out, err
}
