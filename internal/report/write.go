package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
)

// ours are the names that a report's files have.
var ours = []string{Page, Verdict, Summary, SARIF, Diffoscope}

// Check says whether a report can be written to dir: it isn't there, is empty,
// or holds an earlier report and nothing else.
func Check(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the report's directory: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) || !e.Type().IsRegular() {
			return fault.Hint(fmt.Errorf("%s is not a report of Twice's: it has %s in it", dir, e.Name()),
				"name a directory that is new, empty, or an earlier report")
		}
	}
	if _, err := os.Stat(filepath.Join(dir, Verdict)); err != nil {
		return fault.Hint(fmt.Errorf("%s is not a report of Twice's: it has no %s", dir, Verdict),
			"name a directory that is new, empty, or an earlier report")
	}
	return nil
}

// Write makes dir a report with these files and no others, in one step: who
// looks at it sees the old report or the new one.
func Write(dir string, files []File) error {
	if err := Check(dir); err != nil {
		return err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(at), ".twice-report-*")
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	defer os.RemoveAll(tmp)
	next := filepath.Join(tmp, "report") // with the permissions that the user's umask gives
	if err := os.Mkdir(next, 0o777); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	for _, f := range files {
		if !slices.Contains(ours, f.Name) {
			return fmt.Errorf("writing report: %q is no name of a report's file", f.Name)
		}
		if err := os.WriteFile(filepath.Join(next, f.Name), f.Data, 0o666); err != nil {
			return fmt.Errorf("writing report: %w", err)
		}
	}
	if err := exchange(next, at); err != nil {
		return fault.Hint(fmt.Errorf("writing report: replacing %s: %w", dir, err), "name a directory that can be renamed: no mount point")
	}
	return nil
}

// Read takes the verdict from a report or from a verdict.json, and from the
// same place what other tools added.
func Read(name string) (*verdict.Verdict, []File, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name = filepath.Join(name, Verdict)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.Hint(fmt.Errorf("reading report: %w", err), "`twice verify --report DIR` writes one")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading report: %w", err)
	}
	v, err := verdict.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	var more []File
	for _, a := range v.Attachments {
		if a.Name != Diffoscope {
			continue
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(name), a.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("reading report: %w", err)
		}
		if err == nil {
			more = append(more, File{a.Name, data})
		}
	}
	return v, more, nil
}
