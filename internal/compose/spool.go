package compose

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

// A spool holds the content of files in one unlinked file, which the kernel
// frees with the process whatever happens. Written by one goroutine, then read
// by any number.
type spool struct {
	f      *os.File
	w      *bufio.Writer
	off    int64
	remove string // the file's name, where an open file can't be unlinked
}

func newSpool(st *store.Store) (*spool, error) {
	dir := filepath.Join(st.Dir(), "spool")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "spool-")
	if err != nil {
		return nil, err
	}
	s := &spool{f: f, w: bufio.NewWriterSize(f, 1<<20)}
	if err := os.Remove(f.Name()); err != nil {
		s.remove = f.Name()
	}
	return s, nil
}

// add copies size bytes of r. The content can be opened after flush.
func (s *spool) add(r io.Reader, size int64) (open func() (io.ReadCloser, error), err error) {
	n, err := io.CopyN(s.w, r, size)
	if err != nil {
		return nil, spaceHint(fmt.Errorf("after %d of %d bytes: %w", n, size, err))
	}
	off := s.off
	s.off += size
	return func() (io.ReadCloser, error) {
		return section{io.NewSectionReader(s.f, off, size)}, nil
	}, nil
}

func (s *spool) flush() error { return spaceHint(s.w.Flush()) }

func (s *spool) Close() error {
	err := s.f.Close()
	if s.remove != "" {
		err = errors.Join(err, os.Remove(s.remove))
	}
	return err
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// spools are those of the workers of one composition.
type spools struct {
	mu  sync.Mutex
	all []*spool
}

func (s *spools) open(st *store.Store) (*spool, error) {
	sp, err := newSpool(st)
	if err != nil {
		return nil, spaceHint(fmt.Errorf("making a spool file: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, sp)
	return sp, nil
}

// Close frees the content of every file that was spooled.
func (s *spools) Close() error {
	var err error
	for _, sp := range s.all {
		err = errors.Join(err, sp.Close())
	}
	return err
}

func spaceHint(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Hint(err, "composing an image needs about three times its size free in the cache directory")
	}
	return err
}
