package inputs

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

// A bundle's repositories are the one thing that is unpacked to a disk.
func TestHostileRepositories(t *testing.T) {
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, a := range hostile.Tars("repo/", outside, hostile.File{Name: "repo/HEAD", Content: "ref: refs/heads/x\n"}) {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		_ = layer.ReadTar(t.Context(), bytes.NewReader(a.Data), layer.Limits{Devices: true, Rooted: true}, func(h *tar.Header, r io.Reader) error { return unpackEntry(root, h, r) })
		if err := root.Close(); err != nil {
			t.Error(err)
		}
		err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, name)
			if err == nil && !d.IsDir() && (!d.Type().IsRegular() || !bundledGit.MatchString(filepath.ToSlash(rel))) {
				t.Errorf("%s: %s was written, a file of type %s", a.Name, rel, d.Type())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
