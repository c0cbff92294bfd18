package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

func blobNames(img Image) []string {
	names := []string{BlobPath(img.Desc.Digest), BlobPath(img.Manifest.Config.Digest)}
	for _, l := range img.Manifest.Layers {
		names = append(names, BlobPath(l.Digest))
	}
	return names
}

// wholeName is what a short name stands for.
func wholeName(t testing.TB, name string) string {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

func TestWriteLayout(t *testing.T) {
	st := newStore(t)
	base := baseImage(t, st)
	img := write(t, st, &base, []layer.Layer{writeLayer(t, st, layer.Gzip, "x")}, Config{})
	dir := filepath.Join(t.TempDir(), "out")
	if err := WriteLayout(t.Context(), st, img.Desc, dir, "tool:1.0"); err != nil {
		t.Fatal(err)
	}
	for _, name := range blobNames(img) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if BlobPath(digest.FromBytes(b)) != name {
			t.Errorf("%s has other content", name)
		}
	}
	if layout, err := os.ReadFile(filepath.Join(dir, "oci-layout")); err != nil || string(layout) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout: %s, %v", layout, err)
	}
	var ix ocispec.Index
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ix); err != nil {
		t.Fatal(err)
	}
	want := img.Desc
	want.Annotations = map[string]string{ocispec.AnnotationRefName: "tool:1.0", AnnotationName: wholeName(t, "tool:1.0")}
	if diff := cmp.Diff([]ocispec.Descriptor{want}, ix.Manifests); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err == nil {
		t.Error("a layout has a manifest.json")
	}

	err = WriteLayout(t.Context(), st, img.Desc, dir, "")
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("writing into a directory that isn't empty: %v, want an error with a hint", err)
	}
	err = WriteLayout(t.Context(), st, img.Desc, t.TempDir(), "Not A Name")
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("a bad name: %v, want an error with a hint", err)
	}
}

func TestArchiveIsCanonical(t *testing.T) {
	const golden = "sha256:0ebaea121e4feb14105572e9d6e68157cb7c134fe171e33969c8dfdf5e3cd00b"
	st := newStore(t)
	base := baseImage(t, st)
	img := write(t, st, &base, []layer.Layer{writeLayer(t, st, layer.Gzip, "x")}, Config{Epoch: 1})
	var b, again bytes.Buffer
	if err := WriteArchive(t.Context(), st, img.Desc, &b, "registry.example:5000/a/tool"); err != nil {
		t.Fatal(err)
	}
	desc := img.Desc
	desc.Annotations = map[string]string{"junk": "x"}
	if err := WriteArchive(t.Context(), st, desc, &again, "registry.example:5000/a/tool"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("written twice, the archives differ")
	}
	if got := digest.FromBytes(b.Bytes()); got != golden {
		t.Errorf("digest %s, want %s", got, golden)
	}
	files := map[string]string{}
	for tr := tar.NewReader(&b); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
	}
	want := `[{"Config":"` + BlobPath(img.Manifest.Config.Digest) + `","RepoTags":["registry.example:5000/a/tool:latest"],"Layers":["` +
		BlobPath(img.Manifest.Layers[0].Digest) + `","` + BlobPath(img.Manifest.Layers[1].Digest) + `"]}]`
	if diff := cmp.Diff(want, files["manifest.json"]); diff != "" {
		t.Error(diff)
	}
	for _, name := range append(blobNames(img), "index.json", "oci-layout") {
		if files[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestArchiveOfAnIndex(t *testing.T) {
	st := newStore(t)
	arm := write(t, st, nil, nil, Config{Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}})
	base := baseImage(t, st)
	desc, err := WriteIndex(t.Context(), st, []Image{arm, base})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Tree(st, []ocispec.Descriptor{desc}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tree.Get("manifest.json"); ok {
		t.Error("docker load would take one platform for all")
	}
	for _, name := range append(append(blobNames(arm), blobNames(base)...), BlobPath(desc.Digest)) {
		if _, ok := tree.Get(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCorruptLayerIsNotWritten(t *testing.T) {
	st := newStore(t)
	img := baseImage(t, st)
	name := st.Path(img.Manifest.Layers[0].Digest)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	replace(t, name, b)
	err = WriteArchive(t.Context(), st, img.Desc, io.Discard, "")
	if err == nil || !strings.Contains(err.Error(), "its content has the digest") {
		t.Errorf("%v, want an error about the digest", err)
	}
	dir := t.TempDir()
	if err := WriteLayout(t.Context(), st, img.Desc, dir, ""); err == nil {
		t.Error("a corrupt layer passes into a layout")
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
		t.Error("an incomplete layout has an index.json")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := WriteArchive(t.Context(), st, img.Desc, io.Discard, ""); err == nil {
		t.Error("a missing layer passes")
	}
}
