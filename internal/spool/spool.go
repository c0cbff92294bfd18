// Package spool keeps the content of files that came out of archives until
// somebody has written them elsewhere.
//
// A spool is one file without a name: it is unlinked as soon as it is open, so
// nothing is left behind when the process dies. Contents are written at
// increasing offsets and read through sections of it, which costs one open
// file however many contents there are, and no memory.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/craton-co/twice/internal/fault"
)

// A Spool may be used by several goroutines at once.
type Spool struct {
	file *os.File
	name string // of the file, if it still has one
	next atomic.Int64
}

// small is the size up to which a content is collected in memory and written at once.
const small = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, small); return &b }}

// New makes a spool in dir, or in the system's temporary directory when dir
// can't be written.
func New(dir string) (*Spool, error) {
	f, err := os.CreateTemp(dir, "spool-*")
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EROFS) {
		f, err = os.CreateTemp("", "twice-spool-*")
	}
	if err != nil {
		return nil, fmt.Errorf("making a spool file: %w", err)
	}
	s := &Spool{file: f}
	if os.Remove(f.Name()) != nil {
		s.name = f.Name() // a system that can't unlink open files
	}
	return s, nil
}

// Put copies exactly size bytes from r and returns what opens them. It is an
// error if r has fewer; what r has beyond them is not read.
func (s *Spool) Put(ctx context.Context, r io.Reader, size int64) (func() (io.ReadCloser, error), error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if size == 0 {
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil }, nil
	}
	at := s.next.Add(size) - size
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for done := int64(0); done < size; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := io.ReadFull(r, (*buf)[:min(small, size-done)])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if _, err := s.file.WriteAt((*buf)[:n], at+done); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				err = fault.Hint(err, "free some space where the store is, or set TWICE_CACHE to a larger file system")
			}
			return nil, fmt.Errorf("writing spool: %w", err)
		}
		done += int64(n)
	}
	return func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(s.file, at, size)), nil
	}, nil
}

// Size is how many bytes were put.
func (s *Spool) Size() int64 { return s.next.Load() }

// Close drops the contents. What was opened can't be read any more.
func (s *Spool) Close() error {
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	return err
}
