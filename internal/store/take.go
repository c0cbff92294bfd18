package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
)

// maxUnsized bounds a blob of another store whose size nobody knows.
const maxUnsized = 64 << 30

// OpenOther opens the store in dir for Take and Recall. Unlike Open it makes and
// removes nothing: the directory may be anybody's.
func OpenOther(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := s.checkVersion(); err != nil {
		return nil, err
	}
	return s, s.checkLayout()
}

// Take puts blob d of another store into this one, if its content is d's; a
// *MismatchError says that it isn't. size is -1 where nobody knows it. The error
// wraps fs.ErrNotExist where the other store has no such blob.
//
// The blob becomes a hard link where nobody but this user can write to the
// file, else a clone of it or a copy: what was checked can't be changed by who
// owns the other store.
func (s *Store) Take(ctx context.Context, from *Store, d digest.Digest, size int64) error {
	if err := check(d); err != nil {
		return err
	}
	if n, err := s.Size(d); err == nil && (size < 0 || n == size) {
		return nil
	}
	f, err := openRegular(from.Path(d))
	if err != nil {
		return fmt.Errorf("blob %s: %w", d, bare(err))
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("blob %s: %w", d, bare(err))
	}
	if size >= 0 && fi.Size() != size || fi.Size() > maxUnsized {
		return &MismatchError{Expected: d, ExpectedSize: size, GotSize: fi.Size()}
	}
	if onlyOurs(fi) {
		if done, err := s.link(ctx, f, d); done || err != nil {
			return err
		}
	}
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.fill(f); err != nil {
		return err
	}
	_, _, err = w.Commit(d, size)
	return err
}

// link gives the file f, which is from.Path(d), the name of d in s too. It is
// not done where there can't be one.
func (s *Store) link(ctx context.Context, f *os.File, d digest.Digest) (done bool, err error) {
	tmp, err := s.temp()
	if err != nil {
		return false, err
	}
	name := tmp.Name() + "-link"
	_ = os.Remove(tmp.Name())
	_ = tmp.Close()
	if os.Link(f.Name(), name) != nil {
		return false, nil
	}
	defer os.Remove(name) // a rename to another name of the same file does nothing
	if !sameFile(f, name) {
		return false, nil // something else, or a link, has that name
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, contextReader{ctx, f}, make([]byte, 1<<20))
	if err != nil {
		return false, fmt.Errorf("reading blob %s: %w", d, err)
	}
	if got := digest.NewDigest(digest.SHA256, h); got != d {
		return false, &MismatchError{Expected: d, Got: got, ExpectedSize: -1, GotSize: n}
	}
	err = os.Rename(name, s.Path(d))
	if errors.Is(err, fs.ErrNotExist) { // another process took it for a leftover
		_, err = f.Seek(0, io.SeekStart)
		return false, err
	}
	return err == nil, s.writeError(err)
}

// fill makes f's content that of the blob: a clone where the file system has
// that, which is hashed, else a copy.
func (w *Writer) fill(f *os.File) error {
	if clone(w.f, f) {
		n, err := io.CopyBuffer(w.h, contextReader{w.ctx, w.f}, make([]byte, 1<<20))
		w.n = n
		return w.s.writeError(err)
	}
	_, err := io.CopyBuffer(writeOnly{w}, contextReader{w.ctx, f}, make([]byte, 1<<20))
	if err != nil && w.f != nil {
		err = fmt.Errorf("reading content: %w", err)
	}
	return err
}

// openRegular opens a file for reading, without waiting for who writes to a pipe.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
