package image

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
)

func TestLoad(t *testing.T) {
	st := newStore(t)
	want := baseImage(t, st)
	got, err := Load(t.Context(), st, ocispec.Descriptor{MediaType: want.Desc.MediaType, Digest: want.Desc.Digest, Size: want.Desc.Size})
	if err != nil {
		t.Fatal(err)
	}
	if got.Manifest.Annotations == nil {
		got.Manifest.Annotations = map[string]string{} // JSON has no empty map
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadVerifies(t *testing.T) {
	st := newStore(t)
	img := baseImage(t, st)
	desc := img.Desc
	desc.Size++
	if _, err := Load(t.Context(), st, desc); err == nil || !strings.Contains(err.Error(), "its descriptor says") {
		t.Errorf("another size: %v", err)
	}
	desc = img.Desc
	desc.Size = MaxManifest + 1
	if _, err := Load(t.Context(), st, desc); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a size over the limit: %v", err)
	}
	desc = img.Desc
	desc.Digest = digest.FromString("none")
	if _, err := Load(t.Context(), st, desc); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob that isn't there: %v", err)
	}
	for _, d := range []digest.Digest{img.Desc.Digest, img.Manifest.Config.Digest} {
		name := st.Path(d)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte(nil), good...)
		bad[len(bad)/2] ^= 1
		replace(t, name, bad)
		if _, err := Load(t.Context(), st, img.Desc); err == nil {
			t.Errorf("a changed blob passes: %s", d)
		}
		replace(t, name, good)
	}
}

func replace(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := errors.Join(os.Remove(name), os.WriteFile(name, b, 0o444)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

const (
	d0 = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1}`
	l0 = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1}`
)

func TestParseManifestRefuses(t *testing.T) {
	if _, err := ParseManifest([]byte(`{"schemaVersion":2,"config":` + d0 + `,"layers":[` + l0 + `]}`)); err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]string{
		``:                   "unexpected end",
		`[]`:                 "cannot unmarshal",
		`{"schemaVersion":2`: "unexpected end",
		`{"schemaVersion":1,"config":` + d0 + `}`:                                                       "schema version 1",
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":` + d0 + `}`: "media type",
		`{"schemaVersion":2,"config":` + d0 + `,"manifests":[]}`:                                        "fields of an index",
		`{"schemaVersion":2,"config":` + d0 + `,"fsLayers":[]}`:                                         "fields of an index",
		`{"schemaVersion":2}`: "config: ",
		`{"schemaVersion":2,"config":` + strings.Replace(d0, "0000\"", "\"", 1) + `}`:                               "invalid checksum digest length",
		`{"schemaVersion":2,"config":` + strings.Replace(d0, "sha256", "md5", 1) + `}`:                              "config: ",
		`{"schemaVersion":2,"config":` + strings.Replace(d0, "sha256:", "sha512:"+strings.Repeat("0", 64), 1) + `}`: "config: ",
		`{"schemaVersion":2,"config":` + strings.Replace(d0, `"size":1`, `"size":-1`, 1) + `}`:                      "size -1",
		`{"schemaVersion":2,"config":` + strings.Replace(d0, `"size":1`, `"size":9999999999999`, 1) + `}`:           "size 9999999999999",
		`{"schemaVersion":2,"config":` + d0 + `,"layers":[{}]}`:                                                     "layer 1: ",
		`{"schemaVersion":2,"config":` + d0 + `,"layers":[` + strings.Repeat(l0+",", 1024) + l0 + `]}`:              "more than 1024",
		strings.Repeat(" ", MaxManifest+1):                                                                          "more than",
	} {
		if _, err := ParseManifest([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %q", doc, err, want)
		}
	}
}

func TestParseIndexRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		`{"schemaVersion":2,"manifests":[],"layers":[]}`:                                         "fields of a manifest",
		`{"schemaVersion":2,"manifests":[],"config":{}}`:                                         "fields of a manifest",
		`{"schemaVersion":1}`:                                                                    "schema version 1",
		`{"schemaVersion":2,"mediaType":"application/json"}`:                                     "media type",
		`{"schemaVersion":2,"manifests":[{}]}`:                                                   "manifest 1: ",
		`{"schemaVersion":2,"manifests":[` + strings.Repeat(l0+",", 4096) + l0 + `],"padded":1}`: "more than 4096",
	} {
		if _, err := ParseIndex([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %q", doc, err, want)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		`{}`: "rootfs type",
		`{"os":"linux","architecture":"amd64","rootfs":{"type":"x"}}`:                                                         "rootfs type",
		`{"rootfs":{"type":"layers"}}`:                                                                                        "no platform",
		`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["x"]}}`:                                   "diff ID 1",
		`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[` + strings.Repeat(`"",`, 1024) + `""]}}`: "more than 1024",
		strings.Repeat(" ", MaxConfig+1):                                                                                      "more than",
	} {
		if _, err := ParseConfig([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %q", doc, err, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	st := newStore(t)
	img := baseImage(t, st)
	put := func(v any) ocispec.Descriptor {
		b, err := Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.PutBytes(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return Describe(ocispec.MediaTypeImageManifest, b)
	}
	artifact := img.Manifest
	artifact.Config.MediaType = "application/vnd.in-toto+json"
	if _, err := Load(t.Context(), st, put(artifact)); !errors.Is(err, ErrNotImage) {
		t.Errorf("an artifact: %v", err)
	}
	signature := img.Manifest
	signature.Layers = []ocispec.Descriptor{{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: img.Desc.Digest, Size: 1}}
	if _, err := Load(t.Context(), st, put(signature)); !errors.Is(err, ErrNotImage) {
		t.Errorf("a signature: %v", err)
	}
	more := img.Manifest
	more.Layers = append(more.Layers, writeLayer(t, st, layer.None, "x").Desc)
	if _, err := Load(t.Context(), st, put(more)); err == nil || !strings.Contains(err.Error(), "2 layers, but its config has 1") {
		t.Errorf("more layers than diff IDs: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	mutate.Add(f, []byte(`{"schemaVersion":2,"config":`+d0+`,"layers":[`+l0+`]}`))
	mutate.Add(f, []byte(`{"schemaVersion":2,"manifests":[`+l0+`]}`))
	mutate.Add(f, []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":["A=1"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseManifest(b); err == nil {
			again(t, m, ParseManifest)
			if _, err := ParseIndex(b); err == nil {
				t.Error("a manifest and an index")
			}
		}
		if ix, err := ParseIndex(b); err == nil {
			again(t, ix, ParseIndex)
		}
		if c, err := ParseConfig(b); err == nil {
			got, err := CanonicalConfig(b, c.RootFS.DiffIDs, 0)
			if err != nil {
				return // Docker's fields may be wrong where OCI's are right
			}
			twice, err := CanonicalConfig(got, c.RootFS.DiffIDs, 0)
			if err != nil || string(got) != string(twice) {
				t.Errorf("canonical config isn't: %v %s", err, cmp.Diff(string(got), string(twice)))
			}
		}
	})
}

// again checks that a document that was parsed is one that can be parsed.
func again[T any](t *testing.T, v T, parse func([]byte) (T, error)) {
	t.Helper()
	b, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(b)
	if len(b) > MaxManifest {
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	c, err := Marshal(got)
	if err != nil || string(b) != string(c) {
		t.Errorf("%v: %s", err, cmp.Diff(string(b), string(c)))
	}
}
