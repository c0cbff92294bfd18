package normalize

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

func TestRefuses(t *testing.T) {
	f := func(change func(f *fixture)) string {
		f := newFixture(t)
		change(f)
		return f.dir
	}
	blob := func(f *fixture, d digest.Digest) string { return filepath.Join(f.dir, "blobs/sha256", d.Encoded()) }
	for _, test := range []struct{ name, in, want string }{
		{"nothing", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"not a layout", t.TempDir(), "not an OCI layout"},
		{"not an archive", fileOf(t, rawTar(t, &tar.Header{Typeflag: tar.TypeReg, Name: "x"})), "not an image archive"},
		{"not a tar", fileOf(t, []byte(strings.Repeat("x", 2000))), "reading tar"},
		{"another version", f(func(f *fixture) {
			f.root(t, f.image(t, "amd64", layer.Gzip, nil), "")
			writeFile(t, filepath.Join(f.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"2.0.0"}`))
		}), `version "2.0.0"`},
		{"no image", f(func(f *fixture) {
			d := f.image(t, "amd64", layer.Gzip, nil)
			f.root(t, f.attestation(t, d), "")
		}), "holds no image"},
		{"corrupt layer", f(func(f *fixture) {
			d := f.put(t, "x", compressed(t, layer.Gzip, messy(t, true)))
			f.root(t, f.image(t, "amd64", layer.Gzip, nil, messy(t, true)), "")
			b := readFile(t, blob(f, d.Digest))
			b[len(b)-20] ^= 1
			writeFile(t, blob(f, d.Digest), b)
		}), "its content has the digest"},
		{"corrupt layer, uncompressed", f(func(f *fixture) {
			d := f.put(t, "x", messy(t, true))
			f.root(t, f.image(t, "amd64", layer.None, nil, messy(t, true)), "")
			b := readFile(t, blob(f, d.Digest))
			b[len(b)-1] ^= 1
			writeFile(t, blob(f, d.Digest), b)
		}), "its content has the digest"},
		{"wrong diff ID", f(func(f *fixture) {
			a, b := compressed(t, layer.Gzip, rawTar(t)), compressed(t, layer.Gzip, messy(t, false))
			img := f.image(t, "amd64", layer.Gzip, nil, rawTar(t))
			m := bytes.ReplaceAll(readFile(t, blob(f, img.Digest)), []byte(digest.FromBytes(a)), []byte(digest.FromBytes(b)))
			m = bytes.ReplaceAll(m, []byte(`"size": `+strconv.Itoa(len(a))), []byte(`"size": `+strconv.Itoa(len(b))))
			f.put(t, "x", b)
			f.root(t, f.put(t, ocispec.MediaTypeImageManifest, m), "")
		}), "the config says"},
		{"climbing entry", f(func(f *fixture) {
			f.root(t, f.image(t, "amd64", layer.Gzip, nil, rawTar(t, &tar.Header{Typeflag: tar.TypeReg, Name: "../x"})), "")
		}), "climbs"},
		{"entry below a file", f(func(f *fixture) {
			f.root(t, f.image(t, "amd64", layer.Gzip, nil, rawTar(t,
				&tar.Header{Typeflag: tar.TypeReg, Name: "x"}, &tar.Header{Typeflag: tar.TypeReg, Name: "x/y"})), "")
		}), "not a directory"},
		{"windows", f(func(f *fixture) {
			img := f.image(t, "amd64", layer.Gzip, nil)
			img.MediaType = ocispec.MediaTypeImageManifest
			var m ocispec.Manifest
			m.SchemaVersion = 2
			m.Config = f.putJSON(t, ocispec.MediaTypeImageConfig, object{"os": "windows", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": []string{}}})
			f.root(t, f.putJSON(t, ocispec.MediaTypeImageManifest, m), "")
		}), "for Windows"},
		{"unknown layer", f(func(f *fixture) {
			img := f.image(t, "amd64", layer.Gzip, nil, messy(t, true))
			m := bytes.ReplaceAll(readFile(t, blob(f, img.Digest)), []byte("tar+gzip"), []byte("tar+gzip+encrypted"))
			f.root(t, f.put(t, ocispec.MediaTypeImageManifest, m), "")
		}), "unknown media type"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		_, err := Normalize(t.Context(), test.in, out, Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Errorf("%s: left behind: %v", test.name, left)
		}
	}
	if _, err := Normalize(t.Context(), "x", "y", Options{Epoch: -1}); err == nil {
		t.Error("a negative epoch passes")
	}
	if _, err := Normalize(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x"), Options{}); fault.HintOf(err) == "" {
		t.Errorf("%v: no hint", err)
	}
}

func fileOf(t testing.TB, b []byte) string {
	name := filepath.Join(t.TempDir(), "x.tar")
	writeFile(t, name, b)
	return name
}
