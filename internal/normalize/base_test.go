package normalize

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

var (
	baseTar = func(t testing.TB) []byte { return messy(t, false) }
	ownTar  = func(t testing.TB) []byte { return entries(t, "z=1", "bin/", "a=2") }
)

// onBase puts a base image and one on it, compressed as c says.
func onBase(t testing.TB, f *fixture, c layer.Compression) (base, img ocispec.Descriptor) {
	t.Helper()
	base = f.image(t, "amd64", c, nil, baseTar(t))
	img = f.image(t, "amd64", c, map[string]string{
		ocispec.AnnotationBaseImageDigest: base.Digest.String(),
		ocispec.AnnotationBaseImageName:   "registry.example/base:1",
		"junk":                            "x",
	}, baseTar(t), ownTar(t))
	return base, img
}

// checkBase checks that the first layer of the only image in out is blob.
func checkBase(t *testing.T, name, out string, res Result, blob []byte) {
	t.Helper()
	l := res.Images[len(res.Images)-1].Layers
	if !l[0].Base || l[1].Base {
		t.Errorf("%s: base layers: %v, %v, want the first", name, l[0].Base, l[1].Base)
	}
	if got := l[0].After.Digest; got != digest.FromBytes(blob) {
		t.Errorf("%s: the base's layer has become %s", name, got)
	}
	if got := readFile(t, filepath.Join(out, "blobs/sha256", l[0].After.Digest.Encoded())); !bytes.Equal(got, blob) {
		t.Errorf("%s: the base's layer has other bytes", name)
	}
	if diff := cmp.Diff([]string{"a=2", "bin/", "z=1"}, lines(t, layerTar(t, out, l[1].After))); diff != "" {
		t.Errorf("%s: the image's own layer: %s", name, diff)
	}
}

func TestBaseByAnnotation(t *testing.T) {
	for _, c := range []layer.Compression{layer.Gzip, layer.Zstd, layer.None} {
		blob := compressed(t, c, baseTar(t))

		// The base is a blob of the input that nothing else names.
		f := newFixture(t)
		_, img := onBase(t, f, c)
		f.root(t, img, "tool:1")
		out, res := normalized(t, f.dir, Options{})
		checkBase(t, "in the input", out, res, blob)
		want := map[string]string{
			ocispec.AnnotationBaseImageDigest: res.Images[0].Base.String(), ocispec.AnnotationBaseImageName: "registry.example/base:1",
		}
		if diff := cmp.Diff(want, load(t, out)[0].Manifest.Annotations); diff != "" {
			t.Error(diff)
		}
		again, _ := normalized(t, out, Options{})
		if diff := cmp.Diff(snapshot(t, out), snapshot(t, again)); diff != "" {
			t.Error("normalized twice:", diff)
		}

		// It is in a store.
		st := copyToStore(t, f)
		if err := os.Remove(filepath.Join(f.dir, "blobs/sha256", res.Images[0].Base.Encoded())); err != nil {
			t.Fatal(err)
		}
		out, res = normalized(t, f.dir, Options{Store: st})
		checkBase(t, "in the store", out, res, blob)

		// It is nowhere: the layer is one like any other.
		out, res = normalized(t, f.dir, Options{})
		if res.Images[0].Layers[0].Base || res.Images[0].Base != "" {
			t.Error("a base that is nowhere was found")
		}
		if got := load(t, out)[0].Manifest.Annotations[ocispec.AnnotationBaseImageDigest]; got == "" {
			t.Error("the annotation is gone")
		}
	}
}

func copyToStore(t testing.TB, f *fixture) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(f.dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := st.PutBytes(t.Context(), readFile(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// A base that has a name of its own in the input stays as it is altogether,
// whether an image names its manifest or its index.
func TestBaseThatIsAnImageOfTheInput(t *testing.T) {
	for _, byIndex := range []bool{false, true} {
		f := newFixture(t)
		base := f.image(t, "amd64", layer.Gzip, nil, baseTar(t))
		arm := f.image(t, "arm64", layer.Gzip, nil, ownTar(t))
		index := f.index(t, base, f.attestation(t, base), arm)
		named := base.Digest
		if byIndex {
			named = index.Digest
		}
		f.root(t, index, "base:1")
		f.root(t, f.image(t, "amd64", layer.Gzip, map[string]string{ocispec.AnnotationBaseImageDigest: named.String()}, baseTar(t), ownTar(t)), "tool:1")
		out, res := normalized(t, f.dir, Options{})
		checkBase(t, "named", out, res, compressed(t, layer.Gzip, baseTar(t)))
		if res.Roots[0].Digest != index.Digest {
			t.Errorf("the base's index has become %s", res.Roots[0].Digest)
		}
		if len(res.Dropped) > 0 {
			t.Errorf("dropped %q, of a base that stays", res.Dropped)
		}
		again, _ := normalized(t, out, Options{})
		if diff := cmp.Diff(snapshot(t, out), snapshot(t, again)); diff != "" {
			t.Error("normalized twice:", diff)
		}
	}
}

func TestBaseGiven(t *testing.T) {
	blob := compressed(t, layer.Zstd, baseTar(t))
	bases := newFixture(t)
	base := bases.image(t, "amd64", layer.Zstd, nil, baseTar(t))
	arm := bases.image(t, "arm64", layer.Zstd, nil, ownTar(t))
	bases.root(t, bases.index(t, arm, base), "base:1")
	single := newFixture(t)
	single.root(t, single.image(t, "amd64", layer.Zstd, nil, baseTar(t)), "base:1")

	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Zstd, nil, baseTar(t), ownTar(t)), "tool:1")
	gz := newFixture(t)
	gz.root(t, gz.image(t, "amd64", layer.Gzip, nil, baseTar(t), ownTar(t)), "tool:1")
	inputs := map[string]string{
		"layout": f.dir, "archive": f.archive(t), "docker save": dockerSave(t, "amd64", []string{"tool:1"}, baseTar(t), ownTar(t)),
		"compressed otherwise": gz.dir,
	}
	for name, in := range inputs {
		for baseName, opt := range map[string]Options{
			"index": {Base: bases.dir}, "layout": {Base: single.dir}, "archive": {Base: single.archive(t)},
			"digest": {Base: base.Digest.String(), Store: copyToStore(t, bases)},
		} {
			opt.Kind = Layout
			out, res := normalized(t, in, opt)
			checkBase(t, name+" on "+baseName, out, res, blob)
			if got := load(t, out)[0].Manifest.Annotations[ocispec.AnnotationBaseImageDigest]; got != res.Images[0].Base.String() || got == "" {
				t.Errorf("%s on %s: annotation %q", name, baseName, got)
			}
			for _, opt := range []Options{opt, {}} { // what was carried along finds it again
				again, _ := normalized(t, out, opt)
				if diff := cmp.Diff(snapshot(t, out), snapshot(t, again)); diff != "" {
					t.Errorf("%s on %s: normalized twice: %s", name, baseName, diff)
				}
			}
		}
	}
}

// docker save has lost the base's compressed bytes: a layer of the image stays
// as it is, or else is compressed with the same content.
func TestBaseOfDockerSave(t *testing.T) {
	base := dockerSave(t, "amd64", []string{"base:1"}, baseTar(t))
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Zstd, nil, baseTar(t), ownTar(t)), "tool:1")
	saved := dockerSave(t, "amd64", []string{"tool:1"}, baseTar(t), ownTar(t))
	for in, c := range map[string]layer.Compression{f.dir: layer.Zstd, saved: layer.Gzip} {
		opt := Options{Base: base, Kind: Layout}
		out, res := normalized(t, in, opt)
		checkBase(t, "on docker save", out, res, compressed(t, c, baseTar(t)))
		again, _ := normalized(t, out, opt)
		if diff := cmp.Diff(snapshot(t, out), snapshot(t, again)); diff != "" {
			t.Error("normalized twice:", diff)
		}
	}
}

func TestBaseRefuses(t *testing.T) {
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, nil, baseTar(t), ownTar(t)), "tool:1")
	other := newFixture(t)
	other.root(t, other.image(t, "amd64", layer.Gzip, nil, ownTar(t)), "")
	two := newFixture(t)
	two.root(t, two.image(t, "amd64", layer.Gzip, nil, ownTar(t)), "a:1")
	two.root(t, two.image(t, "amd64", layer.Gzip, nil, baseTar(t)), "b:1")
	for want, base := range map[string]string{
		"isn't built on it":    other.dir,
		"holds several images": two.dir,
		"no such file":         "none",
		"file does not exist":  digest.FromString("x").String(),
		"not an OCI layout":    t.TempDir(),
		"sha512:0: no such":    "sha512:0",
	} {
		_, err := Normalize(t.Context(), f.dir, filepath.Join(t.TempDir(), "out"), Options{Base: base})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if want != "isn't built on it" && fault.HintOf(err) == "" {
			t.Errorf("%v: no hint", err)
		}
	}
}

// docker save of tools that compress (kaniko, bazel) and of equal layers.
func TestDockerSaveVariants(t *testing.T) {
	plain := dockerSave(t, "amd64", []string{"tool:1"}, messy(t, true))
	want, _ := normalized(t, plain, Options{Kind: Layout})
	for _, c := range []layer.Compression{layer.Gzip, layer.Zstd} {
		blob := compressed(t, c, messy(t, true))
		config, err := image.Marshal(object{"os": "linux", "architecture": "amd64", "created": "2026-11-22T01:02:03Z",
			"config": object{"Env": []string{"A=<1>"}, "Labels": object{"z": "1", "a": "2"}, "Shell": []string{"/bin/sh"}},
			"rootfs": object{"type": "layers", "diff_ids": []digest.Digest{digest.FromBytes(messy(t, true))}}})
		if err != nil {
			t.Fatal(err)
		}
		in := fileOf(t, tarFiles(t, "config.json", string(config), "layer", string(blob),
			"manifest.json", `[{"Config":"config.json","RepoTags":["tool:1"],"Layers":["./layer"]}]`))
		got, _ := normalized(t, in, Options{Kind: Layout})
		if diff := cmp.Diff(snapshot(t, want), snapshot(t, got)); diff != "" {
			t.Errorf("%s: %s", c, diff)
		}
	}
	for name, doc := range map[string]string{
		"cannot unmarshal":  `{}`,
		"0 images":          `[]`,
		"config.json":       `[{"Config":"config.json"}]`,
		"in the archive":    `[{"Config":"../../etc/passwd"}]`,
		"parsing manifest.": `[`,
	} {
		_, err := Normalize(t.Context(), fileOf(t, tarFiles(t, "manifest.json", doc)), filepath.Join(t.TempDir(), "out"), Options{})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", doc, err, name)
		}
	}
}
