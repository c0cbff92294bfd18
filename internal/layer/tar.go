package layer

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"time"
)

const copyBuffer = 256 << 10

// WriteTar writes t as a canonical tar; see the package comment.
func WriteTar(ctx context.Context, w io.Writer, t *Tree) error {
	tw := tar.NewWriter(w)
	buf := make([]byte, copyBuffer)
	for _, e := range t.Entries() {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := writeEntry(ctx, tw, e, buf); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeEntry(ctx context.Context, tw *tar.Writer, e Entry, buf []byte) error {
	h := &tar.Header{
		Name: e.Path, Typeflag: e.Type, Linkname: e.Linkname, Mode: e.Mode,
		Uid: e.UID, Gid: e.GID, Size: e.Size, ModTime: time.Unix(e.ModTime, 0),
	}
	if err := WriteHeader(tw, h); err != nil {
		return err
	}
	if e.Type != tar.TypeReg || e.Size == 0 {
		return nil
	}
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	defer r.Close()
	if err := CopyExactly(ctx, tw, r, e.Size, buf); err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	return nil
}

// WriteHeader writes the canonical header for h, whose Name is a clean
// relative path ("." is the root). What it keeps is the name, type, permission bits, numeric
// owner, size, link, whole seconds of the time, the device numbers of a device, and
// h.PAXRecords as they are: the caller decides on extended attributes.
func WriteHeader(tw *tar.Writer, h *tar.Header) error {
	c := &tar.Header{
		Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Size: h.Size,
		Mode: h.Mode & 0o7777, Uid: h.Uid, Gid: h.Gid, ModTime: time.Unix(h.ModTime.Unix(), 0),
		PAXRecords: h.PAXRecords,
	}
	switch c.Typeflag {
	case tar.TypeDir:
		c.Name += "/"
	case tar.TypeChar, tar.TypeBlock:
		c.Devmajor, c.Devminor = h.Devmajor, h.Devminor
	}
	if len(c.PAXRecords) == 0 {
		c.Format = tar.FormatUSTAR
		if tw.WriteHeader(c) == nil {
			return nil
		}
		// It doesn't fit. An error of the writer itself comes back below.
	}
	c.Format = tar.FormatPAX
	return tw.WriteHeader(c)
}

// CopyExactly copies size bytes and reports a reader that has fewer or more.
func CopyExactly(ctx context.Context, w io.Writer, r io.Reader, size int64, buf []byte) error {
	var done int64
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.Read(buf)
		if done += int64(n); done > size {
			return fmt.Errorf("longer than the %d bytes announced", size)
		}
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			if done < size {
				return fmt.Errorf("%d bytes, %d announced: %w", done, size, io.ErrUnexpectedEOF)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
