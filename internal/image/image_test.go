package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

var amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// writeLayer writes a layer of empty-ish files: "path" or "path=content".
func writeLayer(t testing.TB, st *store.Store, c layer.Compression, files ...string) layer.Layer {
	t.Helper()
	tree := layer.NewTree()
	for _, f := range files {
		p, content, _ := strings.Cut(f, "=")
		if err := tree.Add(layer.File(p, 0o644, 0, []byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	l, err := layer.Write(t.Context(), st, tree, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t testing.TB, st *store.Store, base *Image, layers []layer.Layer, cfg Config) Image {
	t.Helper()
	img, err := Write(t.Context(), st, base, layers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func baseImage(t testing.TB, st *store.Store) Image {
	return write(t, st, nil, []layer.Layer{writeLayer(t, st, layer.Gzip, "etc/base=1")}, Config{
		User: "65532", WorkingDir: "/home", Env: []string{"PATH=/bin", "A=1"}, Entrypoint: []string{"/base"}, Cmd: []string{"arg"},
		ExposedPorts: []string{"80/tcp"}, Labels: map[string]string{"x": "1", "y": "2"}, Platform: amd64,
	})
}

func text(t testing.TB, st *store.Store, d ocispec.Descriptor) string {
	t.Helper()
	b, err := st.ReadBytes(d.Digest, MaxConfig)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGoldenImage(t *testing.T) {
	st := newStore(t)
	img := write(t, st, nil, []layer.Layer{writeLayer(t, st, layer.None, "bin/tool=<x>")}, Config{
		Entrypoint: []string{"/bin/tool", "<&>"}, Env: []string{"Z=1", "A=2"}, ExposedPorts: []string{"9/udp", "8/tcp"},
		Labels: map[string]string{"b": "2", "a": "1"}, Platform: amd64, Epoch: 1_700_000_000,
		Annotations: map[string]string{"org.example": "x"},
	})
	wantConfig := `{"created":"2023-11-14T22:13:20Z","architecture":"amd64","os":"linux","config":{"ExposedPorts":{"8/tcp":{},"9/udp":{}},` +
		`"Env":["Z=1","A=2"],"Entrypoint":["/bin/tool","<&>"],"Labels":{"a":"1","b":"2"}},` +
		`"rootfs":{"type":"layers","diff_ids":["sha256:926f25ee865b2960a95629d07b0c03baf857a10a6fb988558953c53f5fcf5ea9"]}}`
	if diff := cmp.Diff(wantConfig, text(t, st, img.Manifest.Config)); diff != "" {
		t.Error(diff)
	}
	wantManifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:7423402d20c7258446714ea922d80dbacc6702c259997e74be646610836e7b2e","size":314},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:926f25ee865b2960a95629d07b0c03baf857a10a6fb988558953c53f5fcf5ea9","size":2560}],` +
		`"annotations":{"org.example":"x"}}`
	if diff := cmp.Diff(wantManifest, text(t, st, img.Desc)); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyImageHasEmptyLists(t *testing.T) {
	st := newStore(t)
	img := write(t, st, nil, nil, Config{Platform: amd64})
	want := `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`
	if diff := cmp.Diff(want, text(t, st, img.Manifest.Config)); diff != "" {
		t.Error(diff)
	}
	if m := text(t, st, img.Desc); !strings.HasSuffix(m, `"layers":[]}`) {
		t.Errorf("manifest %s", m)
	}
}

func TestOnABase(t *testing.T) {
	st := newStore(t)
	base := baseImage(t, st)
	base.Desc.Annotations = map[string]string{ocispec.AnnotationRefName: "registry.example/base:1"}
	own := writeLayer(t, st, layer.Zstd, "bin/tool")
	img := write(t, st, &base, []layer.Layer{own}, Config{
		Env: []string{"B=3", "A=2"}, Entrypoint: []string{"/bin/tool"}, ExposedPorts: []string{"81/tcp"}, Labels: map[string]string{"y": "3"},
		Annotations: map[string]string{"k": "v"},
	})
	want := ocispec.ImageConfig{
		User: "65532", WorkingDir: "/home", Env: []string{"PATH=/bin", "A=2", "B=3"}, Entrypoint: []string{"/bin/tool"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "81/tcp": {}}, Labels: map[string]string{"x": "1", "y": "3"},
	}
	if diff := cmp.Diff(want, img.Config.Config); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ocispec.Descriptor{base.Manifest.Layers[0], own.Desc}, img.Manifest.Layers); diff != "" {
		t.Error(diff)
	}
	wantAnnotations := map[string]string{
		ocispec.AnnotationBaseImageDigest: base.Desc.Digest.String(),
		ocispec.AnnotationBaseImageName:   "registry.example/base:1",
		"k":                               "v",
	}
	if diff := cmp.Diff(wantAnnotations, img.Manifest.Annotations); diff != "" {
		t.Error(diff)
	}
	if base.Config.Config.Env[1] != "A=1" || len(base.Config.Config.Labels) != 2 || len(base.Config.RootFS.DiffIDs) != 1 {
		t.Error("the base was changed")
	}
	if got := write(t, st, &base, nil, Config{}).Config.Config; cmp.Diff(base.Config.Config, got) != "" {
		t.Error("a config that says nothing changes the base's: ", cmp.Diff(base.Config.Config, got))
	}
	cmd := write(t, st, &base, nil, Config{Cmd: []string{"other"}}).Config.Config
	if diff := cmp.Diff([][]string{{"/base"}, {"other"}}, [][]string{cmd.Entrypoint, cmd.Cmd}); diff != "" {
		t.Error(diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	st := newStore(t)
	base := baseImage(t, st)
	for want, cfg := range map[string]Config{
		"but its base is for linux/amd64": {Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}},
		"before 1970":                     {Epoch: -1},
	} {
		if _, err := Write(t.Context(), st, &base, nil, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := Write(t.Context(), st, nil, nil, Config{}); err == nil || !strings.Contains(err.Error(), "no platform") {
		t.Errorf("no platform: %v", err)
	}
	if _, err := Write(t.Context(), st, &base, []layer.Layer{{}}, Config{}); err == nil || !strings.Contains(err.Error(), "layer: ") {
		t.Errorf("a layer that isn't one: %v", err)
	}
}

// What Write writes is what CanonicalConfig makes of it.
func TestCanonicalConfigKeepsItsOwn(t *testing.T) {
	st := newStore(t)
	base := baseImage(t, st)
	for _, epoch := range []int64{0, 1_700_000_000} {
		img := write(t, st, &base, nil, Config{Epoch: epoch})
		was := text(t, st, img.Manifest.Config)
		got, err := CanonicalConfig([]byte(was), img.Config.RootFS.DiffIDs, epoch)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(was, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCanonicalConfigDrops(t *testing.T) {
	in := `{"os":"linux","created":"2026-01-01T00:00:00Z","author":"me","container":"c","docker_version":"1","architecture":"arm64","variant":"v8",
		"config":{"Hostname":"h","Domainname":"","AttachStdin":false,"Image":"sha256:0","Env":["A=1"],
			"Healthcheck":{"Test":["CMD","x"],"Interval":5},"Shell":["/bin/sh"],"OnBuild":["RUN x"]},
		"container_config":{"Hostname":"h"},"history":[{"created":"2026-01-01T00:00:00Z","created_by":"x"}],
		"rootfs":{"type":"layers","diff_ids":[]},"moby.buildkit.buildinfo.v1":"x"}`
	want := `{"architecture":"arm64","os":"linux","variant":"v8","config":{"Env":["A=1"],"Healthcheck":{"Test":["CMD","x"],"Interval":5},` +
		`"OnBuild":["RUN x"],"Shell":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":null}}`
	got, err := CanonicalConfig([]byte(in), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteIndex(t *testing.T) {
	st := newStore(t)
	var images []Image
	for _, p := range []ocispec.Platform{
		{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "arm", Variant: "v6"}, amd64,
	} {
		images = append(images, write(t, st, nil, nil, Config{Platform: p}))
	}
	desc, err := WriteIndex(t.Context(), st, images)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := LoadIndex(st, desc)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range ix.Manifests {
		got = append(got, PlatformString(*d.Platform))
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm/v6", "linux/arm/v7"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := WriteIndex(t.Context(), st, append(images, images[0])); err == nil || !strings.Contains(err.Error(), "two images for linux/arm/v7") {
		t.Errorf("the same platform twice: %v", err)
	}
	if _, err := WriteIndex(t.Context(), st, nil); err == nil {
		t.Error("an index of nothing")
	}

	// Load finds an image in an index by platform.
	desc.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}
	img, err := Load(t.Context(), st, desc)
	if err != nil {
		t.Fatal(err)
	}
	if img.Desc.Digest != images[1].Desc.Digest {
		t.Errorf("loaded the image for %s", PlatformString(*img.Desc.Platform))
	}
	desc.Platform = nil
	if _, err := Load(t.Context(), st, desc); err == nil || !strings.Contains(err.Error(), "an index of 3 images") {
		t.Errorf("no platform named: %v", err)
	}
}
