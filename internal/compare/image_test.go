package compare

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutOf is an image layout as a list of files.
func layoutOf(t testing.TB, config string, layers ...[]byte) []file2 {
	t.Helper()
	var files []file2
	put := func(p []byte) ocispec.Descriptor {
		d := digest.FromBytes(p)
		files = append(files, file2{"blobs/sha256/" + d.Encoded(), string(p), 0})
		return ocispec.Descriptor{Digest: d, Size: int64(len(p))}
	}
	encode := func(v any) []byte {
		p, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: put([]byte(config))}
	for _, l := range layers {
		m.Layers = append(m.Layers, put(l))
	}
	manifest := put(encode(m))
	manifest.MediaType = ocispec.MediaTypeImageManifest
	inner := put(encode(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{manifest}}))
	inner.MediaType = ocispec.MediaTypeImageIndex
	return append(files,
		file2{"index.json", string(encode(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{inner}})), 0},
		file2{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`, 0})
}

func dirOf(t testing.TB, files ...file2) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImages(t *testing.T) {
	one := tarOf(t, file2{"app/notes", "a\nb\n", 0}, file2{"app/rest", "x", 0})
	other := tarOf(t, file2{"app/notes", "a\nc\n", 0}, file2{"app/rest", "x", 0})
	const config = `{"created":"2026-01-01","os":"linux"}`
	base := layoutOf(t, config, gz(t, one, 6), zst(t, one))
	for _, c := range []struct {
		name  string
		files []file2
		want  string
		parts []string
	}{
		{"the same", layoutOf(t, config, gz(t, one, 6), zst(t, one)), "same", nil},
		{"an entry of a layer", layoutOf(t, config, gz(t, one, 6), zst(t, other)), `image/layer[1]/app/notes:2 len 2 count 1 "b\n" "c\n" `,
			[]string{"layer[1]", "manifest", "index", "index"}},
		{"the compression of a layer", layoutOf(t, config, gz(t, one, 1), zst(t, one)), "the contents are the same; the compression differs",
			[]string{"layer[0]", "manifest", "index", "index"}},
		{"the config", layoutOf(t, strings.Replace(config, "01-01", "02-03", 1), gz(t, one, 6), zst(t, one)),
			`image/config:/created len 12 count 1 "\"2026-01-01\"" "\"2026-02-03\"" `, []string{"config", "manifest", "index", "index"}},
		{"a layer more", layoutOf(t, config, gz(t, one, 6), zst(t, one), zst(t, one)), `image/manifest:/layers/2 len 0 count 1`, []string{"manifest", "index", "index"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := Paths(t.Context(), "image", dirOf(t, base...), dirOf(t, c.files...), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			arch := diffBytes(t, "image", tarOf(t, base...), tarOf(t, c.files...))
			for how, f := range map[string]*Finding{"directory": dir, "archive": arch} {
				if got := first(t, f); !strings.Contains(got, c.want) {
					t.Errorf("%s: got  %s\nwant %s", how, got, c.want)
				}
				if f == nil {
					continue
				}
				if d := cmp.Diff(c.parts, names(f)); d != "" || f.Kind != Image {
					t.Errorf("%s: %s %s", how, f.Kind, d)
				}
			}
		})
	}
}

func TestBrokenLayouts(t *testing.T) {
	base := layoutOf(t, "{}", []byte("l1"))
	// A digest that would be a path.
	evil := append([]file2{}, base...)
	evil[len(evil)-2].content = `{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:../../../etc/passwd","size":1}]}`
	f, err := Paths(t.Context(), "image", dirOf(t, base...), dirOf(t, evil...), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if f == nil || !strings.Contains(f.Note, "compared as files, not as an image") {
		t.Errorf("%+v", f)
	}
}

func TestDirectories(t *testing.T) {
	a := dirOf(t, file2{"bin/x", "\x00one", 0}, file2{"only/a", "", 0}, file2{"same", "s", 0}, file2{"mode", "m", 0})
	b := dirOf(t, file2{"bin/x", "\x00two", 0}, file2{"same", "s", 0}, file2{"mode", "m", 0}, file2{"zonly", "b", 0})
	for path, target := range map[string]string{filepath.Join(a, "link"): "x", filepath.Join(b, "link"): "y"} {
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(b, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := Paths(t.Context(), "out", a, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range f.Differences(100) {
		got = append(got, strings.TrimSpace(d.Path+" "+d.Note))
	}
	want := []string{"out/bin/x:+0x1", `out/link link target is "x" in A, "y" in B`, "out/mode mode is 0644 in A, 0755 in B",
		"out/only only in A", "out/only/a only in A", "out/zonly only in B"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if f, err := Paths(t.Context(), "out", a, a, Limits{}); err != nil || f != nil {
		t.Errorf("%v, %v", f, err)
	}
}
