package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// An Entry is one file, directory or link.
type Entry struct {
	Path     string // slash separated, clean, relative: "usr/bin/gcc"
	Type     byte   // tar.TypeReg, TypeDir, TypeSymlink or TypeLink
	Mode     int64  // permission bits, 0o7777
	UID, GID int
	ModTime  int64 // seconds since 1970
	Size     int64
	// Linkname is a symbolic link's target as it stands, and the Path of the
	// file that a hard link names.
	Linkname string
	// Open returns the content of a regular file, and may be called more than
	// once. It may be nil when Size is 0.
	Open func() (io.ReadCloser, error)
}

// File returns a regular file that holds data, owned by 0:0.
func File(path string, mode int64, mtime int64, data []byte) Entry {
	return Entry{
		Path: path, Type: tar.TypeReg, Mode: mode, ModTime: mtime, Size: int64(len(data)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// Dir returns a directory owned by 0:0.
func Dir(path string, mode int64, mtime int64) Entry {
	return Entry{Path: path, Type: tar.TypeDir, Mode: mode, ModTime: mtime}
}

// Symlink returns a symbolic link owned by 0:0.
func Symlink(path, target string, mtime int64) Entry {
	return Entry{Path: path, Type: tar.TypeSymlink, Mode: 0o777, ModTime: mtime, Linkname: target}
}

// Link returns a hard link to the regular file target.
func Link(path, target string) Entry {
	return Entry{Path: path, Type: tar.TypeLink, Linkname: target}
}

const (
	maxPath    = 4096      // Linux PATH_MAX
	maxName    = 255       // NAME_MAX
	maxModTime = 1<<33 - 1 // what USTAR's 11 octal digits hold
	maxID      = 1<<31 - 1
)

// CheckPath reports why p is not a clean relative path.
func CheckPath(p string) error {
	switch {
	case p == "":
		return errors.New("empty path")
	case len(p) > maxPath:
		return fmt.Errorf("path of %d bytes: longer than %d", len(p), maxPath)
	case strings.IndexByte(p, 0) >= 0:
		return fmt.Errorf("path %q: holds a NUL", p)
	case p[0] == '/':
		return fmt.Errorf("path %q: absolute", p)
	case p == "." || p == ".." || strings.HasPrefix(p, "../"):
		return fmt.Errorf("path %q: not below the root", p)
	case path.Clean(p) != p:
		return fmt.Errorf("path %q: not clean", p)
	}
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if len(name) > maxName {
			return fmt.Errorf("path %q: a name longer than %d bytes", p, maxName)
		}
	}
	return nil
}

func (e *Entry) check() error {
	if err := CheckPath(e.Path); err != nil {
		return err
	}
	switch {
	case e.Mode&^0o7777 != 0 || e.Mode < 0:
		return fmt.Errorf("%s: mode %#o: more than permission bits", e.Path, e.Mode)
	case e.UID < 0 || e.UID > maxID || e.GID < 0 || e.GID > maxID:
		return fmt.Errorf("%s: owner %d:%d out of range", e.Path, e.UID, e.GID)
	case e.ModTime < 0 || e.ModTime > maxModTime:
		return fmt.Errorf("%s: time %d out of range", e.Path, e.ModTime)
	case e.Size < 0:
		return fmt.Errorf("%s: negative size", e.Path)
	case e.Type != tar.TypeReg && (e.Size != 0 || e.Open != nil):
		return fmt.Errorf("%s: only a regular file has content", e.Path)
	case e.Type == tar.TypeReg && e.Size > 0 && e.Open == nil:
		return fmt.Errorf("%s: no content", e.Path)
	}
	switch e.Type {
	case tar.TypeReg, tar.TypeDir:
		if e.Linkname != "" {
			return fmt.Errorf("%s: has a link target but is no link", e.Path)
		}
	case tar.TypeSymlink:
		if e.Linkname == "" || len(e.Linkname) > maxPath || strings.IndexByte(e.Linkname, 0) >= 0 {
			return fmt.Errorf("%s: symbolic link to %q", e.Path, e.Linkname)
		}
	case tar.TypeLink:
		if err := CheckPath(e.Linkname); err != nil {
			return fmt.Errorf("%s: hard link: %w", e.Path, err)
		}
	default:
		return fmt.Errorf("%s: entries of type %q can't be in a tree", e.Path, e.Type)
	}
	return nil
}
