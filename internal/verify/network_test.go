package verify

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/verdict"
)

func TestReadNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		build, dependencies string // what the files have
		kept                *verdict.Dependencies
		want                int64
		bad                 bool
	}{
		"none":                    {"0\n", "", nil, 0, false},
		"nothing is said":         {"", "", nil, 0, false},
		"some":                    {"12\n", "", nil, 12, false},
		"of dependencies too":     {"12\n", "3\n", &verdict.Dependencies{Crates: 1}, 15, false},
		"compiled once more":      {"12\n", "3\n", &verdict.Dependencies{Why: "it opened a file of the sources"}, 12, false},
		"written by somebody":     {"none at all", "", nil, 0, true},
		"another's of the step's": {"1", "\x1b[31m", &verdict.Dependencies{Crates: 1}, 0, true},
	} {
		out := t.TempDir()
		if err := os.Mkdir(filepath.Join(out, "kept"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"network": c.build, "kept/network": c.dependencies} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(out, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readNetwork(out, c.kept)
		if got != c.want || (err != nil) != c.bad || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}
