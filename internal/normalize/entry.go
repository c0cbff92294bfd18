package normalize

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

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

const (
	xattr      = "SCHILY.xattr."
	capability = "security.capability"

	// auxPrefix starts the names of AUFS's own files.
	auxPrefix = image.Whiteout + image.Whiteout
)

var whiteout = entry{kind: tar.TypeReg}

// newEntry takes from a header what is kept of it, and counts in dropped the
// extended attributes that are not.
func newEntry(h *tar.Header, epoch int64, dropped map[string]int) entry {
	e := entry{
		kind: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, size: h.Size, link: h.Linkname,
		mtime: max(0, min(h.ModTime.Unix(), epoch)),
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		e.mode = 0o777
	case tar.TypeChar, tar.TypeBlock:
		e.major, e.minor = h.Devmajor, h.Devminor
	}
	for k, v := range h.PAXRecords {
		name, ok := strings.CutPrefix(k, xattr)
		switch {
		case !ok:
		case name == capability && h.Typeflag != tar.TypeLink:
			e.capability = v
		default:
			dropped[name]++
		}
	}
	return e
}

// writeEntry writes an entry, as a hard link to file unless that is "". buf is
// for copying.
func writeEntry(ctx context.Context, tw *tar.Writer, name, file string, e entry, content io.Reader, buf []byte) error {
	h := &tar.Header{
		Name: name, Typeflag: e.kind, Linkname: e.link, Size: e.size, Mode: e.mode, Uid: e.uid, Gid: e.gid,
		ModTime: time.Unix(e.mtime, 0), Devmajor: e.major, Devminor: e.minor,
	}
	if file != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, file, 0
	} else if e.capability != "" {
		h.PAXRecords = map[string]string{xattr + capability: e.capability}
	}
	err := layer.WriteHeader(tw, h)
	if err == nil && h.Size > 0 {
		err = layer.CopyExactly(ctx, tw, content, h.Size, buf)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func isWhiteout(name string) bool {
	base := path.Base(name)
	return len(base) > len(image.Whiteout) && strings.HasPrefix(base, image.Whiteout)
}

// hiddenBy returns the path that a whiteout hides.
func hiddenBy(name string) string {
	dir, base := path.Split(name)
	return path.Join(dir, strings.TrimPrefix(base, image.Whiteout))
}

// isAux tells whether name is one of AUFS's own files, which no layer needs.
func isAux(name string) bool {
	if !strings.Contains(name, auxPrefix) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, auxPrefix) && part != image.OpaqueWhiteout {
			return true
		}
	}
	return false
}
