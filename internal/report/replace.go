package report

import (
	"errors"
	"io/fs"
	"os"
)

// replace is exchange in two steps, where one is not to be had: for a moment
// there is no report.
func replace(next, at string) error {
	old := next + ".old"
	err := os.Rename(at, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	had := err == nil
	if err := os.Rename(next, at); err != nil {
		if had {
			err = errors.Join(err, os.Rename(old, at))
		}
		return err
	}
	return nil
}
