package normalize

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// An entry is what a layer says of an inode; its content stays where it is.
type entry struct {
	kind         byte
	mode         int64
	uid, gid     int
	mtime        int64
	size         int64
	offset       int64 // of the content in the layer, or in holes if sparse
	sparse       bool
	link         string
	major, minor int64
	capability   string // security.capability
}

// contents is an indexed layer.
type contents struct {
	tar     *io.SectionReader
	holes   *spool // content of sparse files; nil: none
	entries []entry
	view    layer.View
	names   []layer.Name   // what is left of view in the end
	dropped map[string]int // extended attributes: on how many entries
}

const xattr = "SCHILY.xattr."

// scan indexes a layer. tmp is where sparse files go.
func scan(ctx context.Context, r *io.SectionReader, epoch int64, tmp string) (*contents, error) {
	c := &contents{tar: r, dropped: map[string]int{}}
	at := &cursor{r: r}
	err := layer.ReadTar(ctx, at, layer.Limits{Devices: true, Rooted: true}, func(h *tar.Header, content io.Reader) error {
		for name := range strings.SplitSeq(h.Name, "/") {
			if strings.HasPrefix(name, auxPrefix) && name != image.OpaqueWhiteout {
				return nil // of an overlay file system long gone
			}
		}
		return c.add(h, at.pos, content, epoch, tmp)
	})
	if err == nil {
		c.names = c.view.Names()
		err = c.settleWhiteouts()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.view = layer.View{}
	return c, nil
}

// auxPrefix starts the names of AUFS's own files.
const auxPrefix = image.Whiteout + image.Whiteout

func (c *contents) Close() error {
	if c.holes == nil {
		return nil
	}
	return c.holes.Close()
}

func (c *contents) add(h *tar.Header, offset int64, content io.Reader, epoch int64, tmp string) error {
	if isWhiteout(h.Name) && h.Typeflag != tar.TypeDir {
		return c.set(h.Name, whiteout)
	}
	if h.Typeflag == tar.TypeLink {
		if ino := c.view.Lookup(h.Linkname); ino != nil {
			if ino.Dir {
				return fmt.Errorf("%s: hard link to the directory %s", h.Name, h.Linkname)
			}
			return c.view.Set(h.Name, ino)
		}
		// Its file is in a layer below.
	}
	e := entry{
		kind: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, size: h.Size, offset: offset, link: h.Linkname,
		mtime: max(0, min(h.ModTime.Unix(), epoch)),
	}
	switch h.Typeflag {
	case tar.TypeReg:
		if isSparse(h) {
			if err := c.fill(&e, h, content, tmp); err != nil {
				return err
			}
		} else if offset+h.Size > c.tar.Size() {
			return fmt.Errorf("%s: %w", h.Name, io.ErrUnexpectedEOF)
		}
	case tar.TypeSymlink:
		e.mode = 0o777
	case tar.TypeChar, tar.TypeBlock:
		e.major, e.minor = h.Devmajor, h.Devminor
	}
	if h.Typeflag != tar.TypeLink {
		c.attributes(&e, h)
	}
	return c.set(h.Name, e)
}

func (c *contents) set(name string, e entry) error {
	ino := &layer.Inode{Item: len(c.entries), Dir: e.kind == tar.TypeDir}
	if e.kind == tar.TypeSymlink {
		ino.Symlink = e.link
	}
	c.entries = append(c.entries, e)
	return c.view.Set(name, ino)
}

func (c *contents) attributes(e *entry, h *tar.Header) {
	for k, v := range h.PAXRecords {
		name, ok := strings.CutPrefix(k, xattr)
		switch {
		case !ok:
		case name == "security.capability":
			e.capability = v
		default:
			c.dropped[name]++
		}
	}
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

var whiteout = entry{kind: tar.TypeReg}

func isWhiteout(name string) bool {
	base := path.Base(name)
	return len(base) > len(image.Whiteout) && strings.HasPrefix(base, image.Whiteout)
}

// settleWhiteouts removes the whiteouts of what the layer itself has: there, an
// unpacker that takes entries as they come would depend on their order.
func (c *contents) settleWhiteouts() error {
	settled := false
	for _, n := range c.names {
		if !isWhiteout(n.Path) || n.Inode.Dir || path.Base(n.Path) == image.OpaqueWhiteout {
			continue
		}
		dir, base := path.Split(n.Path)
		hidden := path.Join(dir, strings.TrimPrefix(base, image.Whiteout))
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
