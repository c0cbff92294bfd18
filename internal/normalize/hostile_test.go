package normalize

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

// An image with a hostile layer is refused, or becomes one whose layers have
// nothing that leaves the root; and so an archive with a hostile entry.
func TestHostileLayers(t *testing.T) {
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, a := range hostile.Tars("usr/", outside, hostile.File{Name: "etc/passwd", Content: "x"}) {
		f := newFixture(t)
		f.root(t, f.image(t, "amd64", layer.None, nil, a.Data), "")
		out := filepath.Join(t.TempDir(), "out")
		if _, err := Normalize(t.Context(), f.dir, out, Options{Compression: layer.None}); err != nil {
			continue
		}
		for _, l := range load(t, out)[0].Manifest.Layers {
			b := layerTar(t, out, l)
			var entries []layer.Entry
			r := tar.NewReader(bytes.NewReader(b))
			for {
				h, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", a.Name, err)
				}
				e := layer.Entry{Path: path.Clean(h.Name), Type: h.Typeflag, UID: h.Uid, GID: h.Gid, ModTime: h.ModTime.Unix(), Size: h.Size, Linkname: h.Linkname}
				entries = append(entries, e)
			}
			for _, bad := range hostile.Check(entries, hostile.Rules{Devices: true, Links: true, Setuid: true, Owners: true, Lower: true}) {
				t.Errorf("%s: %s", a.Name, bad)
			}
		}
	}
	for _, a := range hostile.Tars("blobs/sha256/", outside, hostile.File{Name: "oci-layout", Content: `{"imageLayoutVersion":"1.0.0"}`}, hostile.File{Name: "index.json", Content: `{"schemaVersion":2,"manifests":[]}`}) {
		out := filepath.Join(t.TempDir(), "out")
		if _, err := Normalize(t.Context(), fileOf(t, a.Data), out, Options{}); err == nil {
			t.Errorf("%s: an archive without an image passes", a.Name)
		}
		if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", a.Name, left, err)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
