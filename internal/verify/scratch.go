package verify

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/fault"
)

// newScratch makes a folder for one run, and removes those of runs that were
// killed: each run holds a lock on its folder for as long as it lives.
func newScratch(parent string) (dir string, done func(), err error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", nil, scratchError(err)
	}
	old, err := filepath.Glob(filepath.Join(parent, "run-*"))
	if err != nil {
		return "", nil, err
	}
	for _, d := range old {
		if release, ok := tryLock(d); ok {
			_ = os.RemoveAll(d)
			release()
		}
	}
	if dir, err = os.MkdirTemp(parent, "run-"); err != nil {
		return "", nil, scratchError(err)
	}
	release, ok := tryLock(dir)
	if !ok {
		return "", nil, fmt.Errorf("making a scratch folder: %s is in use", dir)
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		release()
	}, nil
}

func scratchError(err error) error {
	return fault.Hint(fmt.Errorf("making a scratch folder: %w", err), "set TWICE_CACHE to a directory that can be written")
}
