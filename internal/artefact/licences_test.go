package artefact

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
)

// What the build collected goes along where that is asked for, and NVIDIA's notice
// where a toolkit was in the builder.
func TestLicences(t *testing.T) {
	out := t.TempDir()
	if err := os.MkdirAll(filepath.Join(out, "licences", "itoa-1.0.18"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "licences", "itoa-1.0.18", "LICENSE-MIT"), []byte("MIT"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ask  bool
		cuda *lock.CUDA
		want string
	}{
		{false, nil, ""},
		{true, nil, "x x/itoa-1.0.18 x/itoa-1.0.18/LICENSE-MIT"},
		{true, &lock.CUDA{Pin: cuda.Pin{Wheels: []cuda.File{{Name: cuda.LibClang, Version: "18.1.1"}}}}, "x x/itoa-1.0.18 x/itoa-1.0.18/LICENSE-MIT"},
		{true, &lock.CUDA{Pin: cuda.Pin{Form: cuda.Wheels, Version: "12.9"}}, "x x/NVIDIA-NOTICE.txt x/itoa-1.0.18 x/itoa-1.0.18/LICENSE-MIT"},
	} {
		b := Build{Out: out, Project: &resolve.Project{Source: &source.Source{Epoch: 7}, Lock: &lock.Lock{CUDA: c.cuda},
			Config: &config.File{Archive: config.Archive{ThirdParty: c.ask}}}}
		tree := layer.NewTree()
		if err := b.addLicences(tree, "x"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range tree.Entries() {
			got = append(got, e.Path)
			if e.ModTime != 7 {
				t.Errorf("%s: time %d", e.Path, e.ModTime)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
		if e, ok := tree.Get("x/NVIDIA-NOTICE.txt"); ok {
			r, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil || !strings.Contains(string(text), "provided by NVIDIA Corporation") || !strings.Contains(string(text), "cuda 12.9 (wheels)") {
				t.Errorf("%s, %v", text, err)
			}
		}
	}
}
