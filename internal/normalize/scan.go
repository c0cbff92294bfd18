package normalize

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// contents is an indexed layer.
type contents struct {
	tar     *io.SectionReader
	holes   *spool // content of sparse files; nil: none
	entries []entry
	view    layer.View
	names   []layer.Name // what is left of view in the end
	dropped map[string]int
}

var layerLimits = layer.Limits{Devices: true, Rooted: true}

// scan indexes a layer. tmp is where sparse files go.
func scan(ctx context.Context, r *io.SectionReader, epoch int64, tmp string) (*contents, error) {
	c := &contents{tar: r, dropped: map[string]int{}}
	at := &cursor{r: r}
	err := layer.ReadTar(ctx, at, layerLimits, func(h *tar.Header, content io.Reader) error {
		if isAux(h.Name) {
			return nil
		}
		return c.add(h, at.pos, content, epoch, tmp)
	})
	if err == nil {
		c.names = c.view.Names()
		err = c.settleWhiteouts()
	}
	if err == nil {
		err = c.checkLinks()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.view = layer.View{}
	return c, nil
}

func (c *contents) Close() error {
	if c.holes == nil {
		return nil
	}
	return c.holes.Close()
}

func (c *contents) add(h *tar.Header, offset int64, content io.Reader, epoch int64, tmp string) error {
	if isWhiteout(h.Name) { // of whatever type, as unpackers take it
		return c.set(h.Name, whiteout)
	}
	if h.Typeflag == tar.TypeLink {
		if isWhiteout(h.Linkname) {
			return fmt.Errorf("%s: hard link to the whiteout %s", h.Name, h.Linkname)
		}
		if ino := c.view.Lookup(h.Linkname); ino != nil {
			if ino.Dir {
				return fmt.Errorf("%s: hard link to the directory %s", h.Name, h.Linkname)
			}
			return c.view.Set(h.Name, ino)
		}
		// Its file is in a layer below.
	}
	e := newEntry(h, epoch, c.dropped)
	e.offset = offset
	if h.Typeflag == tar.TypeReg {
		if isSparse(h) {
			if err := c.fill(&e, h, content, tmp); err != nil {
				return err
			}
		} else if offset+h.Size > c.tar.Size() {
			return fmt.Errorf("%s: %w", h.Name, io.ErrUnexpectedEOF)
		}
	}
	return c.set(h.Name, e)
}

// set puts an entry at name. A directory in the place of another entry of the layer
// is opaque, as that has replaced what layers below have there.
func (c *contents) set(name string, e entry) error {
	was, _ := c.view.Has(name)
	if err := c.put(name, e); err != nil {
		return err
	}
	if e.kind == tar.TypeDir && was != nil && !was.Dir {
		return c.put(path.Join(name, image.OpaqueWhiteout), whiteout)
	}
	return nil
}

func (c *contents) put(name string, e entry) error {
	ino := &layer.Inode{Item: len(c.entries), Dir: e.kind == tar.TypeDir}
	if e.kind == tar.TypeSymlink {
		ino.Symlink = e.link
	}
	c.entries = append(c.entries, e)
	return c.view.Set(name, ino)
}

// fill copies a sparse file, holes filled, to where it can be read by offset.
func (c *contents) fill(e *entry, h *tar.Header, content io.Reader, tmp string) error {
	if c.holes == nil {
		var err error
		if c.holes, err = newSpool(tmp); err != nil {
			return err
		}
	}
	e.sparse, e.offset = true, c.holes.size
	n, err := io.Copy(c.holes, content)
	if err == nil && n != h.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

// settleWhiteouts removes the whiteouts of what the layer itself has: there, an
// unpacker that takes entries as they come would depend on their order.
func (c *contents) settleWhiteouts() error {
	settled := false
	for _, n := range c.names {
		if !isWhiteout(n.Path) || path.Base(n.Path) == image.OpaqueWhiteout {
			continue
		}
		hidden := hiddenBy(n.Path)
		ino, ok := c.view.Has(hidden)
		if !ok {
			continue
		}
		settled = true
		c.view.Remove(n.Path)
		if ino != nil && !ino.Dir {
			continue
		}
		if ino == nil {
			if err := c.set(hidden, entry{kind: tar.TypeDir, mode: 0o755}); err != nil {
				return err
			}
		}
		if err := c.set(path.Join(hidden, image.OpaqueWhiteout), whiteout); err != nil {
			return err
		}
	}
	if settled {
		c.names = c.view.Names()
	}
	return nil
}

// checkLinks refuses hard links to a file of a layer below that this layer
// replaces or hides: what they name depends on the order of entries.
func (c *contents) checkLinks() error {
	for _, n := range c.names {
		e := c.entries[n.Inode.Item]
		if e.kind != tar.TypeLink {
			continue
		}
		_, there := c.view.Has(e.link)
		for p := e.link; p != "." && !there; p = path.Dir(p) {
			dir, base := path.Split(p)
			ino, ok := c.view.Has(p)
			_, hidden := c.view.Has(dir + image.Whiteout + base)
			_, opaque := c.view.Has(dir + image.OpaqueWhiteout)
			there = ok && ino != nil && !ino.Dir || hidden || opaque
		}
		if there {
			return fmt.Errorf("%s: hard link to %s of a layer below, which this layer replaces or hides", n.Path, e.link)
		}
	}
	return nil
}

// writeTar writes the canonical form of an indexed layer.
func (c *contents) writeTar(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	buf := make([]byte, 256<<10)
	first := make([]string, len(c.entries)) // name of each file
	for _, n := range c.names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n.Path != "." {
			if err := layer.CheckPath(n.Path); err != nil {
				return err
			}
		}
		i := n.Inode.Item
		e := c.entries[i]
		var from io.ReaderAt = c.tar
		if e.sparse {
			from = c.holes
		}
		if err := writeEntry(ctx, tw, n.Path, first[i], e, io.NewSectionReader(from, e.offset, e.size), buf); err != nil {
			return err
		}
		if first[i] == "" {
			first[i] = n.Path
		}
	}
	return tw.Close()
}
