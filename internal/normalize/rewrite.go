package normalize

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/craton-co/twice/internal/layer"
)

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
		if err := c.writeEntry(ctx, tw, n, first[i], buf); err != nil {
			return fmt.Errorf("%s: %w", n.Path, err)
		}
		if first[i] == "" {
			first[i] = n.Path
		}
	}
	return tw.Close()
}

// writeEntry writes an entry, as a hard link if first isn't "".
func (c *contents) writeEntry(ctx context.Context, tw *tar.Writer, n layer.Name, first string, buf []byte) error {
	e := c.entries[n.Inode.Item]
	h := &tar.Header{
		Name: n.Path, Typeflag: e.kind, Linkname: e.link, Size: e.size, Mode: e.mode, Uid: e.uid, Gid: e.gid,
		ModTime: time.Unix(e.mtime, 0), Devmajor: e.major, Devminor: e.minor,
	}
	if first != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
	} else if e.capability != "" {
		h.PAXRecords = map[string]string{xattr + "security.capability": e.capability}
	}
	if err := layer.WriteHeader(tw, h); err != nil {
		return err
	}
	if h.Size == 0 {
		return nil
	}
	var from io.ReaderAt = c.tar
	if e.sparse {
		from = c.holes
	}
	return layer.CopyExactly(ctx, tw, io.NewSectionReader(from, e.offset, e.size), e.size, buf)
}
