//go:build linux

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/craton-co/twice/internal/fault"
)

// state is a StateDir that this process has locked.
type state struct {
	dir  string
	lock *os.File
	fd   int // of dir, to ask for free space
	// empty removes what is in buildkit/ and can't be removed by this user
	empty func(context.Context, *state) error
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// openState makes dir, waits for its lock and checks that it can be used.
func openState(ctx context.Context, dir string, waiting func(pid int), empty func(context.Context, *state) error) (*state, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("engine state: %w", err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "root"), filepath.Join(dir, "buildkit")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, stateError(err)
		}
	}
	// The engine sees the directory without the links that lead to it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, stateError(err)
	}
	lock, err := lockState(ctx, filepath.Join(dir, "lock"), waiting)
	if err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: lock, fd: -1, empty: empty}
	if err = s.check(); err == nil {
		err = s.begin(ctx)
	}
	if err == nil {
		err = s.sweep()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func lockState(ctx context.Context, path string, waiting func(pid int)) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, stateError(err)
	}
	for first := true; ; first = false {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, stateError(fmt.Errorf("locking %s: %w", path, err))
		}
		if first && waiting != nil {
			b := make([]byte, 20)
			n, _ := f.ReadAt(b, 0)
			pid, _ := strconv.Atoi(string(bytes.TrimSpace(b[:n])))
			waiting(pid)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another engine: %w", context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, stateError(err)
	}
	return f, nil
}

func (s *state) check() error {
	fd, err := unix.Open(s.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stateError(&fs.PathError{Op: "open", Path: s.dir, Err: err})
	}
	s.fd = fd
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return stateError(&fs.PathError{Op: "statfs", Path: s.dir, Err: err})
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		return fault.Hint(fmt.Errorf("engine state: %s is on a file system that is mounted noexec", s.dir),
			"set TWICE_CACHE to a directory where programs may run")
	}
	return nil
}

// free returns the bytes that are left on the state's file system.
func (s *state) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(s.fd, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// sweep removes what an engine that was killed had imported in part: BuildKit
// would go on from there, which inputs that are read as a stream can't.
func (s *state) sweep() error {
	halves, err := filepath.Glob(s.path("buildkit/*/content/ingest/*"))
	if err != nil {
		return stateError(err)
	}
	for _, d := range halves {
		if err := os.RemoveAll(d); err != nil {
			return stateError(err)
		}
	}
	return nil
}

// reset removes BuildKit's cache.
func (s *state) reset(ctx context.Context) error {
	dir := s.path("buildkit")
	err := os.RemoveAll(dir)
	if errors.Is(err, fs.ErrPermission) && s.empty != nil {
		err = s.empty(ctx, s)
	}
	if err != nil {
		return stateError(err)
	}
	return stateError(os.MkdirAll(dir, 0o700))
}

// close gives the lock up. The lock file stays: removing it would race with
// a process that has opened it.
func (s *state) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
	s.lock.Close()
}

// openLog starts a new engine.log.
func (s *state) openLog() (*os.File, error) {
	path := s.path("engine.log")
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, stateError(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	return f, stateError(err)
}

// lastLines returns the last n lines of the log, shortened.
func (s *state) lastLines(n int) []string {
	f, err := os.Open(s.path("engine.log"))
	if err != nil {
		return nil
	}
	defer f.Close()
	const tail = 16 << 10
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, end-tail), io.SeekStart)
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, l := range lines {
		if len(l) > 300 {
			lines[i] = l[:300] + "…"
		}
	}
	return lines
}

// stateError says what to do about a state directory that can't be used.
func stateError(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("engine state: %w", err)
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Hint(err, "the disk is full: free some space, or set TWICE_CACHE to a directory on another disk")
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		return fault.Hint(err, "set TWICE_CACHE to a directory that can be written")
	}
	return err
}
