//go:build linux

package embedded

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// BuildKit writes most of its state without waiting for the disk. A process
// that is killed loses nothing by that, a machine that stops does: then files
// of an imported image may be empty, and nobody would notice. So while an
// engine runs, and until all that it wrote is on the disk, the file "unsynced"
// holds the boot in which that was; found in another boot it means that the
// state is not to be trusted.

// syncTimeout is how long Close waits for the disk.
const syncTimeout = time.Second

func bootID() []byte {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return []byte("unknown")
	}
	return bytes.TrimSpace(b)
}

// begin removes a state that is not to be trusted, and marks it as in use.
func (s *state) begin(ctx context.Context) error {
	path := s.path("unsynced")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return stateError(err)
	}
	boot := bootID()
	if err == nil && !bytes.Equal(old, boot) {
		if err := s.reset(ctx); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return stateError(err)
	}
	defer f.Close()
	if _, err := f.Write(boot); err != nil {
		return stateError(err)
	}
	return stateError(f.Sync())
}

// end takes the mark away if all is on the disk in time.
func (s *state) end() {
	fd, err := unix.Dup(s.fd)
	if err != nil {
		return
	}
	synced := make(chan error, 1)
	go func() {
		synced <- unix.Syncfs(fd)
		unix.Close(fd)
	}()
	select {
	case err := <-synced:
		if err == nil {
			os.Remove(s.path("unsynced"))
		}
	case <-time.After(syncTimeout):
	}
}
