package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
)

// MismatchError says that content is not what was expected.
type MismatchError struct {
	Expected     digest.Digest // "" when any content would have done
	Got          digest.Digest // "" when reading stopped at ExpectedSize
	ExpectedSize int64         // -1 when any size would have done
	GotSize      int64         // a lower bound when Got is ""
}

func (e *MismatchError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("content has more than the expected %d bytes", e.ExpectedSize)
	}
	got := fmt.Sprintf("content is %s (%d bytes)", e.Got, e.GotSize)
	switch {
	case e.Expected == "" || e.Expected == e.Got:
		return fmt.Sprintf("%s, expected %d bytes", got, e.ExpectedSize)
	case e.ExpectedSize < 0:
		return fmt.Sprintf("%s, expected %s", got, e.Expected)
	}
	return fmt.Sprintf("%s, expected %s (%d bytes)", got, e.Expected, e.ExpectedSize)
}

// CorruptError says that a blob at rest no longer has the content that its
// name promises.
type CorruptError struct {
	Digest, Got digest.Digest
	Path        string
	Removed     bool
}

func (e *CorruptError) Error() string {
	done := ""
	if e.Removed {
		done = "; it has been removed"
	}
	return fmt.Sprintf("blob %s is corrupted: its content is %s%s", e.Digest, e.Got, done)
}

// writeHint adds what the user can do about a failed write.
func writeHint(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Hint(err, "the disk is full: free some space, or set TWICE_CACHE to a directory on another disk")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fault.Hint(err, "the cache can't be written: set TWICE_CACHE to a directory of your own")
	case errors.Is(err, errors.ErrUnsupported):
		return fault.Hint(err, "the file system has no locks: set TWICE_CACHE to a directory on a local disk")
	case err != nil && fault.HintOf(err) == "":
		return fault.Hint(err, "set TWICE_CACHE to a directory that can be written")
	}
	return err
}
