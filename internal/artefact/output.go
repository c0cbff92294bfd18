package artefact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/craton-co/twice/internal/fault"
)

// maxOutput is how many files and folders a build may leave.
const maxOutput = 1 << 20

// CheckOutput refuses a directory that a build left if there is anything but
// folders and files in it, of names that fit on a line. A build script can write to /out, and a link from
// there would lead whoever reads it to a file of this machine; a fifo would
// have them wait.
func CheckOutput(dir string) error {
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxOutput {
			return fmt.Errorf("more than %d files", maxOutput)
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() || d.Type().IsRegular() {
			if strings.ContainsAny(rel, "\n\r") || !utf8.ValidString(rel) {
				return fmt.Errorf("%.200q is a name that a list of checksums can't have on a line", filepath.ToSlash(rel))
			}
			return nil
		}
		what := "a device, fifo or socket"
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			what = fmt.Sprintf("a symbolic link to %.200q", target)
		}
		return fmt.Errorf("%.200q is %s", filepath.ToSlash(rel), what)
	})
	if err == nil {
		return nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		p.Path = strings.TrimPrefix(p.Path, dir)
		return fmt.Errorf("reading the build's output: %w", err)
	}
	return fault.Hint(fmt.Errorf("the build's output: %w", err), "only folders and files with names of one line can be handed over; what else is there was made by a build script: `twice audit` says what they do")
}
