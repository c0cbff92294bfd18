package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// Writer writes one blob. It is not safe for concurrent use. Every Writer
// must end in Commit, Abort or Suspend; further calls of these do nothing
// but fail, so `defer w.Abort()` is fine.
type Writer struct {
	s   *Store
	ctx context.Context
	f   *os.File // nil once it has ended
	h   hash.Hash
	n   int64
	// refused is why nothing can be written. The Writer hashes all the same: what the
	// store has already needs no writing.
	refused error
}

// Create starts a blob. Writes fail once ctx has ended. Where the store can't be
// written Commit fails, unless the blob is there.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	f, err := s.temp()
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		null, nerr := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if nerr != nil {
			return nil, err
		}
		return &Writer{s: s, ctx: ctx, f: null, h: sha256.New(), refused: err}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Writer{s: s, ctx: ctx, f: f, h: sha256.New()}, nil
}

// Resume starts the blob d, or goes on with what a Writer that ended in
// Suspend had of it: Len tells how much that is. While another Writer, of any
// process, is at work on d, Resume waits.
func (s *Store) Resume(ctx context.Context, d digest.Digest) (*Writer, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	name := s.file("ingest/part-" + d.Encoded())
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if errors.Is(err, fs.ErrPermission) && os.Chmod(name, 0o644) == nil { // an older version was ended as it committed
			f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		}
		if err != nil {
			return nil, s.writeError(err)
		}
		if err := lock(ctx, f); err != nil {
			f.Close()
			return nil, s.writeError(err)
		}
		if !sameFile(f, name) { // committed or removed while this one waited
			f.Close()
			continue
		}
		w := &Writer{s: s, ctx: ctx, f: f, h: sha256.New()}
		w.n, err = io.CopyBuffer(w.h, contextReader{ctx, f}, make([]byte, 256<<10))
		if err != nil {
			f.Close()
			return nil, s.writeError(err)
		}
		return w, nil
	}
}

// Len returns how many bytes of the blob there are.
func (w *Writer) Len() int64 { return w.n }

// Write hashes and writes p. After an error the Writer has ended in Abort,
// except when ctx ended: then it can still be suspended.
func (w *Writer) Write(p []byte) (int, error) {
	if w.f == nil {
		return 0, fs.ErrClosed
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.f.Write(p)
	w.h.Write(p[:n])
	w.n += int64(n)
	if err != nil {
		w.Abort()
		return n, w.s.writeError(err)
	}
	return n, nil
}

// Reset starts the blob again from nothing.
func (w *Writer) Reset() error {
	if w.f == nil {
		return fs.ErrClosed
	}
	if err := w.f.Truncate(0); err != nil && w.refused == nil {
		return w.s.writeError(err)
	}
	if _, err := w.f.Seek(0, io.SeekStart); err != nil {
		return w.s.writeError(err)
	}
	w.h.Reset()
	w.n = 0
	return nil
}

// Commit puts the blob into the store and returns its digest and size. Where
// it isn't the one expected ("" and -1: whatever came), nothing is kept and
// the error is a *MismatchError.
func (w *Writer) Commit(expect digest.Digest, size int64) (digest.Digest, int64, error) {
	if w.f == nil {
		return "", 0, fs.ErrClosed
	}
	got := digest.NewDigestFromBytes(digest.SHA256, w.h.Sum(nil))
	if expect != "" && expect != got || size >= 0 && size != w.n {
		w.Abort()
		return "", 0, &MismatchError{Expected: expect, Got: got, ExpectedSize: size, GotSize: w.n}
	}
	if err := w.ctx.Err(); err != nil {
		return "", 0, err
	}
	if have, err := w.s.Size(got); err == nil && have == w.n {
		return got, w.n, w.Abort()
	}
	if err := w.publish(w.s.Path(got), 0o444); err != nil {
		return "", 0, err
	}
	return got, w.n, nil
}

// Abort throws the blob away.
func (w *Writer) Abort() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	if w.refused != nil {
		return f.Close()
	}
	if renameOpen {
		defer f.Close()
	} else {
		f.Close()
	}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return w.s.writeError(err)
	}
	return nil
}

// Suspend keeps what a Writer of Resume has for the next Resume. One of
// Create is aborted, as nothing names it.
func (w *Writer) Suspend() error {
	if w.f == nil {
		return nil
	}
	if w.n == 0 || !isPart(w.f.Name()) {
		return w.Abort()
	}
	f := w.f
	w.f = nil
	return w.s.writeError(f.Close())
}

// publish syncs the file and renames it. The directory isn't synced: after a
// crash the file is whole or absent, which is all that a store promises. A part that
// others may want to go on with stays writable for as long as it has its name.
func (w *Writer) publish(name string, mode fs.FileMode) error {
	if w.refused != nil {
		_ = w.Abort()
		return w.refused
	}
	late := renameOpen && isPart(w.f.Name())
	var err error
	if !late {
		err = w.f.Chmod(mode)
	}
	err = errors.Join(err, w.f.Sync())
	if err == nil && !renameOpen {
		err = w.f.Close()
	}
	if err == nil {
		err = os.Rename(w.f.Name(), name)
	}
	if err != nil {
		w.Abort()
		return w.s.writeError(err)
	}
	if late {
		err = w.f.Chmod(mode)
	}
	if renameOpen {
		err = errors.Join(err, w.f.Close())
	}
	w.f = nil
	return w.s.writeError(err)
}

// PutBytes puts b into the store.
func (s *Store) PutBytes(ctx context.Context, b []byte) (digest.Digest, error) {
	d := digest.FromBytes(b)
	_, _, err := s.Put(ctx, bytes.NewReader(b), d, int64(len(b)))
	return d, err
}

// Put puts what r yields into the store. It reads no more than size bytes and
// one (size -1: to the end), and nothing where the store has expect already.
func (s *Store) Put(ctx context.Context, r io.Reader, expect digest.Digest, size int64) (digest.Digest, int64, error) {
	if expect != "" {
		if err := check(expect); err != nil {
			return "", 0, err
		}
		if n, err := s.Size(expect); err == nil && (size < 0 || n == size) {
			return expect, n, nil
		}
	}
	w, err := s.Create(ctx)
	if err != nil {
		return "", 0, err
	}
	defer w.Abort()
	if w.refused != nil && expect != "" { // which isn't there
		return "", 0, w.refused
	}
	src := r
	if size >= 0 {
		src = io.LimitReader(r, size)
	}
	if _, err := io.CopyBuffer(writeOnly{w}, contextReader{ctx, src}, make([]byte, 256<<10)); err != nil {
		if w.f != nil { // not written is said already
			err = fmt.Errorf("reading content: %w", err)
		}
		return "", 0, err
	}
	if size >= 0 && w.n == size {
		var one [1]byte
		if n, err := io.ReadFull(r, one[:]); n > 0 {
			return "", 0, &MismatchError{Expected: expect, ExpectedSize: size, GotSize: size + 1}
		} else if err != io.EOF {
			return "", 0, fmt.Errorf("reading content: %w", err)
		}
	}
	return w.Commit(expect, size)
}

// replace writes a file of the store's own atomically.
func (s *Store) replace(name string, content []byte) error {
	w, err := s.Create(context.Background())
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.publish(name, 0o644)
}

// writeOnly hides all methods of a Writer but Write.
type writeOnly struct{ io.Writer }

func (s *Store) writeError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return writeHint(fmt.Errorf("writing to store: %w", err))
}
