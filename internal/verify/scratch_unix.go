//go:build unix

package verify

import (
	"os"
	"syscall"
)

// tryLock takes an exclusive lock on a folder; it ends with the process.
func tryLock(dir string) (release func(), ok bool) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, false
	}
	return func() { _ = f.Close() }, true
}
