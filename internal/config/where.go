package config

import (
	"fmt"
	"slices"

	"github.com/craton-co/twice/internal/tomldoc"
)

// Where says on which line of the file something stands, "twice.toml:12". It is
// named by keys (strings) and by places in arrays (ints, from 0). What isn't in the
// file is where the table that lacks it begins; without a file, or where that
// isn't there either, it is the file's name alone.
func (f *File) Where(at ...any) string {
	if p, ok := f.Profiles[f.Using]; ok && len(at) > 0 && p.replaces(at[0]) {
		at = append([]any{"profile", f.Using}, at...)
	}
	doc, err := tomldoc.Parse(Name, f.Text)
	if err != nil || f.Text == nil {
		return Name
	}
	line := 0
	v := doc.Root
	for _, x := range at {
		switch x := x.(type) {
		case string:
			v = v.Get(x)
		case int:
			if v == nil || x < 0 || x >= len(v.Array) {
				v = nil
			} else {
				v = v.Array[x]
			}
		}
		if v == nil {
			break
		}
		line = v.Line
	}
	if line == 0 {
		return Name
	}
	return fmt.Sprintf("%s:%d", Name, line)
}

// WhereBase is Where of an image's base.
func (f *File) WhereBase(im Image) string {
	if p, ok := f.Profiles[f.Using]; ok && p.Base != "" && im.Base != "scratch" {
		return f.Where("profile", f.Using, "base")
	}
	return f.Where("image", im.Nth, "base")
}

// replaces tells whether a table of the file has another one in the profile.
func (p Profile) replaces(table any) bool {
	switch table {
	case "toolchain":
		return p.Toolchain != nil
	case "builder":
		return p.Builder != nil
	case "cuda":
		return p.CUDA != nil
	}
	return false
}

// reject makes the error of a value at a place, as Where takes it.
type reject func(at []any, format string, a ...any) error

// in is a place below another.
func in(at []any, more ...any) []any { return slices.Concat(at, more) }

// place is a place from the file's root.
func place(at ...any) []any { return at }
