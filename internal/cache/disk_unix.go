//go:build unix

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

type inode struct{ dev, ino uint64 }

// onDisk is what a file takes, and whether it has more names than one.
func onDisk(info fs.FileInfo) (size int64, id inode, several bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Size(), inode{}, false
	}
	return st.Blocks * 512, inode{uint64(st.Dev), st.Ino}, st.Nlink > 1 && !info.IsDir()
}

// Free is how many bytes are left, for this user, on the file system of the nearest
// directory above path that exists.
func Free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := statfs(path, &s); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

func statfs(path string, s *unix.Statfs_t) error {
	for {
		err := unix.Statfs(path, s)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
			return err
		}
		path = filepath.Dir(path)
	}
}
