package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// newScratch makes a folder for one run, and removes those of runs that were
// killed: each run holds a lock on its folder for as long as it lives.
func newScratch(parent string) (dir string, done func(), err error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, scratchError(err)
	}
	old, err := os.ReadDir(parent)
	if err != nil {
		return "", nil, scratchError(err)
	}
	for _, e := range old {
		if !strings.HasPrefix(e.Name(), "run-") {
			continue
		}
		d := filepath.Join(parent, e.Name())
		if release, ok := tryLock(d); ok {
			_ = os.RemoveAll(d)
			release()
		}
	}
	// Who starts at the same time may take it for a dead run's, until it is locked.
	for range 10 {
		if dir, err = os.MkdirTemp(parent, "run-"); err != nil {
			return "", nil, scratchError(err)
		}
		release, ok := tryLock(dir)
		if !ok {
			continue
		}
		if _, err := os.Lstat(dir); err != nil {
			release()
			continue
		}
		return dir, func() {
			_ = os.RemoveAll(dir)
			release()
		}, nil
	}
	return "", nil, scratchError(fmt.Errorf("%s can't be locked", dir))
}

func scratchError(err error) error {
	return fault.Hint(fmt.Errorf("making a scratch folder: %w", err), "set TWICE_CACHE to a directory that can be written")
}
