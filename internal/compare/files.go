package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Paths compares two files, or two directories, and gives nil when they are
// the same. The name is that of the artefact: it starts every Path in the
// result. A path that is empty or does not exist is a side that has no such artefact.
func Paths(ctx context.Context, name, a, b string, lim Limits) (*Finding, error) {
	c := newRun(ctx, lim.of(regular(a)+regular(b)))
	defer c.close()
	f, err := c.paths(name, a, b)
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", name, err)
	}
	return f, nil
}

// Readers compares two byte sequences.
func Readers(ctx context.Context, name string, a io.ReaderAt, sizeA int64, b io.ReaderAt, sizeB int64, lim Limits) (*Finding, error) {
	c := newRun(ctx, lim.of(sizeA+sizeB))
	defer c.close()
	f, err := c.blobs(name, name, blob{a, sizeA}, blob{b, sizeB}, 0)
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", name, err)
	}
	return f, nil
}

func (c *run) paths(name, a, b string) (*Finding, error) {
	ia, err := stat(a)
	if err != nil {
		return nil, err
	}
	ib, err := stat(b)
	if err != nil {
		return nil, err
	}
	switch {
	case ia == nil && ib == nil:
		return nil, fmt.Errorf("neither %q nor %q exists", a, b)
	case ia == nil:
		return onlyIn("B", name, name, kindOf(ib), ib.Size()), nil
	case ib == nil:
		return onlyIn("A", name, name, kindOf(ia), ia.Size()), nil
	case ia.IsDir() && ib.IsDir():
		return c.dirs(name, a, b)
	case ia.IsDir() != ib.IsDir() && (ia.Mode().IsRegular() || ib.Mode().IsRegular()):
		return c.mixed(name, a, b, ia, ib)
	case !ia.Mode().IsRegular() || !ib.Mode().IsRegular():
		if ia.Mode().Type() != ib.Mode().Type() {
			return note(name, name, Raw, ia.Size(), ib.Size(),
				fmt.Sprintf("%s in A, %s in B", typeName(ia.Mode()), typeName(ib.Mode()))), nil
		}
		return nil, fmt.Errorf("%s is neither a file nor a directory", a)
	}
	return c.files(name, name, a, b, 0)
}

// regular is the size of a file; of a directory so much that it sets no limit.
func regular(path string) int64 {
	i, err := stat(path)
	switch {
	case err != nil || i == nil:
		return 0
	case i.Mode().IsRegular():
		return i.Size()
	}
	return 1 << 40
}

// stat follows a link that the caller named; nil means that there is nothing.
func stat(path string) (fs.FileInfo, error) {
	if path == "" {
		return nil, nil
	}
	i, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return i, err
}

func kindOf(i fs.FileInfo) Kind {
	if i.IsDir() {
		return Directory
	}
	return Raw
}

func typeName(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a file"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a special file"
}

func (c *run) files(name, path, a, b string, depth int) (*Finding, error) {
	fa, err := openBlob(a)
	if err != nil {
		return nil, err
	}
	defer fa.r.(io.Closer).Close()
	fb, err := openBlob(b)
	if err != nil {
		return nil, err
	}
	defer fb.r.(io.Closer).Close()
	return c.blobs(name, path, fa, fb, depth)
}

func openBlob(path string) (blob, error) {
	// Without O_NONBLOCK a named pipe would keep us waiting.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return blob{}, err
	}
	i, err := f.Stat()
	if err == nil && !i.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return blob{}, err
	}
	return blob{f, i.Size()}, nil
}

// note is a leaf that has no bytes to show.
func note(name, path string, k Kind, sizeA, sizeB int64, text string) *Finding {
	return &Finding{Name: name, Kind: k, SizeA: sizeA, SizeB: sizeB, Note: text,
		Ranges: []Difference{{Path: path, Count: 1, SizeA: sizeA, SizeB: sizeB, Note: text}}}
}

func onlyIn(side, name, path string, k Kind, size int64) *Finding {
	a, b := size, int64(-1)
	if side == "B" {
		a, b = b, a
	}
	return note(name, path, k, a, b, "only in "+side)
}
