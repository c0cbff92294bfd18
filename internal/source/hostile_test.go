package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

func TestHostileArchives(t *testing.T) {
	outside := tempDir(t)
	untouched := hostile.Outside(outside)
	for _, at := range []string{"a-1.0.0/", ""} {
		for _, a := range hostile.Tars(at, outside, hostile.File{Name: at + "Cargo.toml", Content: manifestA}) {
			name := filepath.Join(tempDir(t), "a.tar")
			if err := os.WriteFile(name, a.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			var entries []layer.Entry
			if s, err := Open(t.Context(), name, Options{}); err == nil {
				entries = s.Tree.Entries()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			for _, bad := range hostile.Check(entries, hostile.Rules{}) {
				t.Errorf("%s, in %q: %s", a.Name, at, bad)
			}
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
