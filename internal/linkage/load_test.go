package linkage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

func TestLoad(t *testing.T) {
	b := newBench(t)
	foo := b.lib("foo", 2)
	bin := b.cc(usesFoo, "p", "-lfoo")
	interp := interpreter(t, bin)
	ld, err := os.ReadFile(interp)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	libc, err := os.ReadFile("/lib/" + b.multiarch + "/libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	lower, upper := layer.NewTree(), layer.NewTree()
	for _, e := range []layer.Entry{
		layer.Symlink("lib", "usr/lib", 0), layer.Symlink("lib64", "usr/lib64", 0),
		layer.File("usr"+interp, 0o755, 0, ld), layer.File("usr/lib/"+b.multiarch+"/libc.so.6", 0o755, 0, libc),
		layer.File("opt/x/libfoo.so.1", 0o755, 0, foo), layer.File("opt/x/README", 0o644, 0, []byte("no library")),
	} {
		if err := lower.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := upper.Add(layer.File("opt/x/.wh.libfoo.so.1", 0o644, 0, nil)); err != nil {
		t.Fatal(err)
	}
	make := func(trees ...*layer.Tree) image.Image {
		var layers []layer.Layer
		for _, tree := range trees {
			l, err := layer.Write(t.Context(), st, tree, layer.Gzip)
			if err != nil {
				t.Fatal(err)
			}
			layers = append(layers, l)
		}
		img, err := image.Write(t.Context(), st, nil, layers, image.Config{
			Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Env: []string{"LD_LIBRARY_PATH=/nowhere:/opt/x"}})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	with, without := make(lower), make(lower, upper)
	base, err := Load(t.Context(), st, with)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(bytes.NewReader(bin), base, nil); err != nil {
		t.Error(err)
	}
	empty, err := Load(t.Context(), st, without)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(bytes.NewReader(bin), empty, nil); says(err) != "it needs libfoo.so.1, which the base does not have" {
		t.Errorf("a whiteout: %v", err)
	}
	// The second time the layers are not read.
	for _, l := range with.Manifest.Layers {
		if err := os.Remove(filepath.FromSlash(st.Path(l.Digest))); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(t.Context(), st, with)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(base, again, cmp.AllowUnexported(Version{}), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".index" }, cmp.Ignore())); d != "" {
		t.Error(d)
	}
}
