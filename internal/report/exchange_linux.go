package report

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// exchange puts a directory where another one is, or nothing. The old one is
// at next then.
func exchange(next, at string) error {
	err := unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, at, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.ENOENT):
		return os.Rename(next, at)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // a file system that can't
		return replace(next, at)
	}
	return err
}
