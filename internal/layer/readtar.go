package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Limits bounds what ReadTar accepts. A zero number means its default.
type Limits struct {
	Entries int   // how many; default 4 Mi
	File    int64 // bytes of one file; default 64 GiB
	Total   int64 // bytes of all files; default 256 GiB
	Devices bool  // pass on character and block devices and fifos; they are errors otherwise
	Rooted  bool  // take "/usr/bin" for "usr/bin"; an error otherwise
}

func (l Limits) filled() Limits {
	if l.Entries == 0 {
		l.Entries = 4 << 20
	}
	if l.File == 0 {
		l.File = 64 << 30
	}
	if l.Total == 0 {
		l.Total = 256 << 30
	}
	return l
}

// ReadTar reads an uncompressed tar that nobody vouches for. It calls fn for
// every entry with a header whose Name and, for a hard link, Linkname are clean
// relative paths without "./" or a trailing slash; the root directory itself is
// ".". The type is one of tar.TypeReg, TypeDir, TypeSymlink, TypeLink and, if
// allowed, TypeChar, TypeBlock and TypeFifo. fn need not read the content. A
// sparse file is read with its holes filled, and has a PAX record whose key
// starts with GNU.sparse.
//
// It does not look at how entries relate: duplicates, entries below links and
// hard links to nothing reach fn. Tree.Add refuses the last two.
func ReadTar(ctx context.Context, r io.Reader, limits Limits, fn func(h *tar.Header, r io.Reader) error) error {
	limits = limits.filled()
	tr := tar.NewReader(r)
	var entries int
	var total int64
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading tar: %w", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // git archive writes one, with the commit; it names no file
		}
		if entries++; entries > limits.Entries {
			return fmt.Errorf("reading tar: more than %d entries", limits.Entries)
		}
		if err := clean(h, limits); err != nil {
			return fmt.Errorf("reading tar: %w", err)
		}
		if total += h.Size; total > limits.Total {
			return fmt.Errorf("reading tar: more than %d bytes", limits.Total)
		}
		if err := fn(h, tr); err != nil {
			return err
		}
	}
}

// clean brings h to the form that ReadTar promises, or says why it can't.
func clean(h *tar.Header, limits Limits) error {
	name, err := cleanPath(h.Name, limits.Rooted)
	if err != nil {
		return err
	}
	h.Name = name
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if h.Typeflag == tar.TypeGNUSparse {
			h.PAXRecords = map[string]string{"GNU.sparse.major": "0"} // as the newer formats say it
		}
		h.Typeflag = tar.TypeReg
		if h.Size > limits.File {
			return fmt.Errorf("%s: %d bytes, more than %d", name, h.Size, limits.File)
		}
	case tar.TypeDir:
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > maxPath || strings.IndexByte(h.Linkname, 0) >= 0 {
			return fmt.Errorf("%s: symbolic link to %.80q", name, h.Linkname)
		}
	case tar.TypeLink:
		if h.Linkname, err = cleanPath(h.Linkname, limits.Rooted); err != nil {
			return fmt.Errorf("%s: hard link: %w", name, err)
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if !limits.Devices {
			return fmt.Errorf("%s: a device or fifo", name)
		}
	default:
		return fmt.Errorf("%s: unknown type %q", name, h.Typeflag)
	}
	if h.Typeflag != tar.TypeReg {
		h.Size = 0
	}
	if name == "." && h.Typeflag != tar.TypeDir {
		return errors.New("the root is not a directory")
	}
	if h.Uid < 0 || h.Uid > maxID || h.Gid < 0 || h.Gid > maxID {
		return fmt.Errorf("%s: owner %d:%d out of range", name, h.Uid, h.Gid)
	}
	return nil
}

func cleanPath(p string, rooted bool) (string, error) {
	if len(p) > maxPath {
		return "", fmt.Errorf("path of %d bytes: longer than %d", len(p), maxPath)
	}
	if rooted {
		p = strings.TrimLeft(p, "/")
		if p == "" {
			p = "."
		}
	}
	// path.Clean would take "a/../../b" and "a/.." for harmless.
	for rest := p; rest != ""; {
		var name string
		if name, rest, _ = strings.Cut(rest, "/"); name == ".." {
			return "", fmt.Errorf("path %q: climbs with \"..\"", p)
		}
	}
	if p == "" {
		return "", errors.New("empty path")
	}
	c := path.Clean(p)
	if c == "." {
		return c, nil
	}
	return c, CheckPath(c)
}
