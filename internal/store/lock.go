package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A lock is on an open file, so a process that dies gives it up. A file may
// be removed between its opening and its locking: who locks a file in ingest/
// checks with sameFile that it is still the one with that name.

// temp makes a locked file in ingest/.
func (s *Store) temp() (*os.File, error) {
	for {
		f, err := os.CreateTemp(s.file("ingest"), "tmp-*")
		if err != nil {
			return nil, s.writeError(err)
		}
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			return nil, s.writeError(err)
		}
		if ok && sameFile(f, f.Name()) {
			return f, nil
		}
		f.Close()
	}
}

// lock waits until it has f's lock or ctx ends.
func lock(ctx context.Context, f *os.File) error {
	for {
		if ok, err := tryLock(f); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Store) lockIndex(ctx context.Context) (unlock func() error, err error) {
	f, err := os.OpenFile(s.file(lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, s.writeError(err)
	}
	if err := lock(ctx, f); err != nil {
		f.Close()
		return nil, s.writeError(err)
	}
	return f.Close, nil
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

func isPart(name string) bool { return strings.HasPrefix(filepath.Base(name), "part-") }
