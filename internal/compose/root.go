package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// stampName is the file in a finished root that says what it was made of.
const stampName = ".twice-root"

// EngineRoot unpacks the files that def and its lock describe into dir, which
// is there in whole or not at all: it is made beside its place and renamed.
// If dir is there already and made of the same packages, nothing is done; if
// of others, it is replaced. Owners are set only by root.
func EngineRoot(ctx context.Context, st *store.Store, def images.Definition, dir string) error {
	stamp := []byte(baseKey(def) + "\n")
	if isStamped(dir, stamp) {
		return nil
	}
	if err := makeRoot(ctx, st, def, filepath.Clean(dir), stamp); err != nil {
		return fmt.Errorf("unpacking image %s into %s: %w", def.Name, dir, err)
	}
	return nil
}

func isStamped(dir string, stamp []byte) bool {
	b, err := os.ReadFile(filepath.Join(dir, stampName))
	return err == nil && bytes.Equal(b, stamp)
}

func makeRoot(ctx context.Context, st *store.Store, def images.Definition, dir string, stamp []byte) error {
	if fi, err := os.Lstat(dir); err == nil {
		if _, err := os.Lstat(filepath.Join(dir, stampName)); !fi.IsDir() || err != nil && !isEmptyDir(dir) {
			return fault.Hint(errors.New("something else is in its place"), "remove it, or choose another state directory")
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	t, closer, err := Tree(ctx, st, def)
	if err != nil {
		return err
	}
	defer closer.Close()
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := writeTree(ctx, root, t); err != nil {
		return err
	}
	if err := root.WriteFile(stampName, stamp, 0o644); err != nil {
		return err
	}
	if err := root.Chmod(".", 0o755); err != nil {
		return err
	}
	return replaceDir(tmp, dir, stamp)
}

// replaceDir moves tmp to dir. Of two processes that do so at once, one wins,
// and the other finds the same content there.
func replaceDir(tmp, dir string, stamp []byte) error {
	err := os.Rename(tmp, dir)
	if err == nil {
		return nil
	}
	if isStamped(dir, stamp) {
		return nil
	}
	old := tmp + ".old"
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.RemoveAll(old)
	if err := os.Rename(tmp, dir); err != nil && !isStamped(dir, stamp) {
		return err
	}
	return nil
}

func isEmptyDir(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == io.EOF
}

// writeTree writes t below root. Parents come before what they hold and no
// parent is a link, so no name is ever followed anywhere; os.Root sees to it
// that a mistake there is an error.
func writeTree(ctx context.Context, root *os.Root, t *layer.Tree) error {
	entries := t.Entries()
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeEntry(root, e); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	// Directories last and deepest first: a mode may forbid writing, and
	// writing changes times.
	for _, e := range slices.Backward(entries) {
		if e.Type != tar.TypeDir {
			continue
		}
		if err := setMeta(root, e); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return nil
}

func writeEntry(root *os.Root, e layer.Entry) error {
	switch e.Type {
	case tar.TypeDir:
		return root.Mkdir(e.Path, 0o700)
	case tar.TypeSymlink:
		if err := root.Symlink(e.Linkname, e.Path); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			return root.Lchown(e.Path, e.UID, e.GID)
		}
		return nil
	case tar.TypeLink:
		return root.Link(e.Linkname, e.Path)
	}
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if e.Size > 0 {
		var r io.ReadCloser
		if r, err = e.Open(); err == nil {
			_, err = io.Copy(f, r)
			r.Close()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = fault.Hint(err, "free some space there, or choose another state directory")
	}
	if err != nil {
		return err
	}
	return setMeta(root, e)
}

func setMeta(root *os.Root, e layer.Entry) error {
	if os.Geteuid() == 0 {
		if err := root.Lchown(e.Path, e.UID, e.GID); err != nil {
			return err
		}
	}
	mode := fs.FileMode(e.Mode & 0o777)
	for bit, m := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if e.Mode&bit != 0 {
			mode |= m
		}
	}
	if err := root.Chmod(e.Path, mode); err != nil {
		return err
	}
	t := time.Unix(e.ModTime, 0)
	return root.Chtimes(e.Path, t, t)
}
