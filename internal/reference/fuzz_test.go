package reference

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
	digest "github.com/opencontainers/go-digest"
)

// A reference is somebody else's file: whatever is in it is opened or refused.
func FuzzOpen(f *testing.F) {
	mutate.Add(f, []byte("program"))
	mutate.Add(f, []byte(digest.FromString("x").Encoded()+"  reference\n"))
	mutate.Add(f, []byte(`{"verdict": "REPRODUCIBLE", "schema": 1}`))
	mutate.Add(f, []byte("PK\x03\x04"))
	var tgz bytes.Buffer
	w, err := layer.NewCompressor(&tgz, layer.Gzip)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte("content")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	mutate.Add(f, tgz.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		p := filepath.Join(dir, "reference")
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), p)
		if err == nil {
			_, _ = r.Compare(t.Context(), []Ours{{Name: "bin/reference", Digest: digest.FromString("other")}}, cause.Context{})
		}
		_, _ = Packer(t.Context(), p)
	})
}

// What reads a list takes nothing for a claim that isn't one.
func FuzzSums(f *testing.F) {
	mutate.Add(f, []byte(digest.FromString("x").Encoded()+"  a b\r\n\n# comment\n"+digest.FromString("y").Encoded()+" *./c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range parseSums(data) {
			if err := s.digest.Validate(); err != nil || s.name == "" {
				t.Errorf("%q %v: %v", s.name, s.digest, err)
			}
		}
	})
}
