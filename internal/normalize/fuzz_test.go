package normalize

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
)

// FuzzNormalize normalizes an archive, whatever it is, and what comes of it again.
func FuzzNormalize(f *testing.F) {
	small := entries(f, "b=1", "a=2")
	layout := newFixture(f)
	layout.root(f, layout.image(f, "amd64", layer.None, nil, small), "tool:1")
	mutate.Add(f, readFile(f, layout.archive(f)))
	mutate.Add(f, readFile(f, dockerSave(f, "amd64", []string{"tool:1"}, small)))
	mutate.Add(f, compressed(f, layer.Zstd, readFile(f, dockerSave(f, "amd64", nil, small))))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		in, out, again := filepath.Join(dir, "in.tar"), filepath.Join(dir, "out.tar"), filepath.Join(dir, "again.tar")
		if len(b) > 1<<20 {
			return
		}
		if err := os.WriteFile(in, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Normalize(t.Context(), in, out, Options{}); err != nil {
			if left, _ := filepath.Glob(filepath.Join(dir, "*out*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			return
		}
		if _, err := Normalize(t.Context(), out, again, Options{}); err != nil {
			t.Fatalf("what was normalized isn't an image: %v", err)
		}
		if diff := cmp.Diff(readFile(t, out), readFile(t, again)); diff != "" {
			t.Error("normalized twice:", diff)
		}
	})
}
