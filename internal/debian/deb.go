package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on a package's control archive.
const (
	maxControl      = 64 << 20
	maxControlFiles = 1000
)

// A Deb is an open .deb file.
type Deb struct {
	Control   []byte            // the control file as it stands
	MD5Sums   []byte            // md5sums: "<hex>  usr/bin/gcc\n"; may be empty
	Conffiles []string          // absolute paths
	Fields    map[string]string // of Control; a folded field's lines are joined by a blank

	data member
	r    io.ReaderAt
}

// ReadDeb reads the control archive of a .deb of that size.
func ReadDeb(ctx context.Context, r io.ReaderAt, size int64) (*Deb, error) {
	d, err := readDeb(ctx, r, size)
	if err != nil {
		return nil, fmt.Errorf("reading .deb: %w", err)
	}
	return d, nil
}

func readDeb(ctx context.Context, r io.ReaderAt, size int64) (*Deb, error) {
	members, err := arMembers(r, size)
	if err != nil {
		return nil, err
	}
	d := &Deb{r: r, Fields: map[string]string{}}
	var control member
	for i, m := range members {
		switch {
		case i == 0:
			var b [4]byte
			if m.name != "debian-binary" || m.size > int64(len(b)) {
				return nil, errors.New("its first member is not debian-binary")
			}
			if _, err := r.ReadAt(b[:m.size], m.offset); err != nil || string(b[:m.size]) != "2.0\n" {
				return nil, fmt.Errorf("format %q: only 2.0 is known", b[:m.size])
			}
		case control.name == "" && strings.HasPrefix(m.name, "control.tar"):
			control = m
		case d.data.name == "" && strings.HasPrefix(m.name, "data.tar"):
			d.data = m
		case strings.HasPrefix(m.name, "_"): // dpkg ignores these; signatures
		default:
			return nil, fmt.Errorf("unexpected member %q", m.name)
		}
	}
	if control.name == "" || d.data.name == "" {
		return nil, errors.New("no control.tar or no data.tar")
	}
	if err := d.readControl(ctx, control); err != nil {
		return nil, fmt.Errorf("%s: %w", control.name, err)
	}
	return d, nil
}

// Data returns the uncompressed data.tar: the package's files. It may be called
// more than once.
func (d *Deb) Data(ctx context.Context) (io.ReadCloser, error) {
	r, err := decompress(ctx, d.data, d.r)
	if err != nil {
		return nil, fmt.Errorf("reading .deb: %s: %w", d.data.name, err)
	}
	return r, nil
}

func (d *Deb) readControl(ctx context.Context, m member) error {
	r, err := decompress(ctx, m, d.r)
	if err != nil {
		return err
	}
	defer r.Close()
	limited := &io.LimitedReader{R: r, N: maxControl}
	tr := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if n == maxControlFiles {
			return fmt.Errorf("more than %d files", maxControlFiles)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if h.Typeflag != tar.TypeReg || name != "control" && name != "md5sums" && name != "conffiles" {
			continue // maintainer scripts, triggers, shlibs, …
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		switch name {
		case "control":
			d.Control = b
		case "md5sums":
			d.MD5Sums = b
		case "conffiles":
			d.Conffiles = strings.Fields(string(b))
		}
	}
	if limited.N <= 0 {
		return fmt.Errorf("more than %d bytes", int64(maxControl))
	}
	return d.parseControl()
}

func (d *Deb) parseControl() error {
	var name string
	var value []byte
	paragraphsSeen := 0
	flush := func() error {
		if name == "" {
			return nil
		}
		if _, ok := d.Fields[name]; ok {
			return fmt.Errorf("control: field %.80q twice", name)
		}
		d.Fields[name] = string(value)
		name = ""
		return nil
	}
	err := paragraphs(bytes.NewReader(d.Control), func(n, v []byte) error {
		if n == nil {
			value = append(append(value, ' '), v...)
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		name, value = string(n), append(value[:0], v...)
		return nil
	}, func() error {
		if paragraphsSeen++; paragraphsSeen > 1 {
			return errors.New("a second paragraph")
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if !isPackageName(d.Fields["Package"]) || d.Fields["Version"] == "" || !isPackageName(d.Fields["Architecture"]) {
		return errors.New("control: no Package, Version or Architecture")
	}
	return nil
}
