// Package archive writes release archives whose bytes are a function of paths,
// types, modes and content.
//
// tar.gz and tar.zst are the tar of package layer in its canonical form and
// compression: every entry has the time epoch and the owner 0:0.
//
// zip has the entries in the same order, directories included. No entry has an
// extra field or a comment. Times are the epoch in UTC, as DOS has them: no
// earlier than 1980-01-01, no later than 2107, even seconds. Files are
// deflated by klauspost/compress/flate at level 5 (stored when empty), with a
// data descriptor after the content; modes stand in the external attributes as
// on Unix. A symbolic link is an entry whose content is the target; a hard
// link is another copy of its file.
package archive

import (
	"archive/tar"
	"archive/zip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

const flateLevel = 5

// Write writes t as an archive of the format "tar.gz", "tar.zst" or "zip".
// epoch is in seconds since 1970.
func Write(ctx context.Context, w io.Writer, format string, t *layer.Tree, epoch int64) error {
	t, err := retimed(t, epoch)
	if err == nil {
		switch format {
		case "tar.gz":
			err = writeTar(ctx, w, t, layer.Gzip)
		case "tar.zst":
			err = writeTar(ctx, w, t, layer.Zstd)
		case "zip":
			err = writeZip(ctx, w, t, epoch)
		default:
			err = fault.Hint(fmt.Errorf("unknown format %q", format), "the formats are tar.gz, tar.zst and zip")
		}
	}
	if err != nil {
		return fmt.Errorf("writing archive: %w", err)
	}
	return nil
}

// retimed returns t with all times epoch and all owners 0:0, supplied
// directories included.
func retimed(t *layer.Tree, epoch int64) (*layer.Tree, error) {
	c := layer.NewTree()
	for _, e := range t.Entries() {
		e.ModTime, e.UID, e.GID = epoch, 0, 0
		if err := c.Add(e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func writeTar(ctx context.Context, w io.Writer, t *layer.Tree, c layer.Compression) error {
	zw, err := layer.NewCompressor(w, c)
	if err != nil {
		return err
	}
	err = layer.WriteTar(ctx, zw, t)
	if cerr := zw.Close(); err == nil {
		err = cerr
	}
	return err
}

func writeZip(ctx context.Context, w io.Writer, t *layer.Tree, epoch int64) error {
	zw := zip.NewWriter(w)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flateLevel)
	})
	date, clock := dosTime(epoch)
	buf := make([]byte, 256<<10)
	for _, e := range t.Entries() {
		if e.Type == tar.TypeLink {
			path := e.Path
			e, _ = t.Get(e.Linkname)
			e.Path = path
		}
		if err := writeZipEntry(ctx, zw, e, date, clock, buf); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return zw.Close()
}

func writeZipEntry(ctx context.Context, zw *zip.Writer, e layer.Entry, date, clock uint16, buf []byte) error {
	//lint:ignore SA1019 Modified would add an extra field
	h := &zip.FileHeader{Name: e.Path, ModifiedDate: date, ModifiedTime: clock}
	switch e.Type {
	case tar.TypeDir:
		h.Name += "/"
		h.SetMode(fileMode(e.Mode) | fs.ModeDir)
		_, err := zw.CreateHeader(h)
		return err
	case tar.TypeSymlink:
		h.SetMode(fileMode(e.Mode) | fs.ModeSymlink)
		w, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, e.Linkname)
		return err
	}
	h.SetMode(fileMode(e.Mode))
	if e.Size > 0 {
		h.Method = zip.Deflate
	}
	w, err := zw.CreateHeader(h)
	if err != nil || e.Size == 0 {
		return err
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return layer.CopyExactly(ctx, w, r, e.Size, buf)
}

// fileMode returns Unix permission bits as package fs has them.
func fileMode(mode int64) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// dosTime returns epoch in UTC as MS-DOS stores it.
func dosTime(epoch int64) (date, clock uint16) {
	t := time.Unix(epoch, 0).UTC()
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	if t.Before(first) {
		t = first
	} else if t.After(last) {
		t = last
	}
	date = uint16(t.Day() | int(t.Month())<<5 | (t.Year()-1980)<<9)
	clock = uint16(t.Second()/2 | t.Minute()<<5 | t.Hour()<<11)
	return date, clock
}
