package normalize

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// A fixture is an image as some tool might have written it: nothing in it is canonical.
type fixture struct {
	dir   string // an OCI layout
	roots []ocispec.Descriptor
}

func newFixture(t testing.TB) *fixture {
	return &fixture{dir: t.TempDir()}
}

func (f *fixture) put(t testing.TB, mediaType string, b []byte) ocispec.Descriptor {
	t.Helper()
	d := image.Describe(mediaType, b)
	writeFile(t, filepath.Join(f.dir, "blobs", "sha256", d.Digest.Encoded()), b)
	return d
}

// putJSON puts a document, indented: not canonical.
func (f *fixture) putJSON(t testing.TB, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	return f.put(t, mediaType, b)
}

type object = map[string]any

// image puts an image of uncompressed tars, each compressed as c says.
func (f *fixture) image(t testing.TB, arch string, c layer.Compression, annotations map[string]string, tars ...[]byte) ocispec.Descriptor {
	t.Helper()
	diffIDs := []digest.Digest{}
	layers := []ocispec.Descriptor{}
	for _, plain := range tars {
		diffIDs = append(diffIDs, digest.FromBytes(plain))
		d := f.put(t, c.MediaType(), compressed(t, c, plain))
		d.Annotations = map[string]string{"junk": "layer"}
		layers = append(layers, d)
	}
	config := f.putJSON(t, ocispec.MediaTypeImageConfig, object{
		"created": "2026-11-22T01:02:03.456789Z", "author": "somebody", "docker_version": "28", "container": "0123", "os": "linux", "architecture": arch,
		"config":           object{"Hostname": "builder", "Env": []string{"A=<1>"}, "Labels": object{"z": "1", "a": "2"}, "Shell": []string{"/bin/sh"}},
		"container_config": object{"Hostname": "builder"},
		"history":          []object{{"created": "2026-11-22T01:02:03Z", "created_by": "RUN something"}},
		"rootfs":           object{"type": "layers", "diff_ids": diffIDs},
	})
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers, Annotations: annotations}
	m.SchemaVersion = 2
	d := f.putJSON(t, ocispec.MediaTypeImageManifest, m)
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	return d
}

func (f *fixture) index(t testing.TB, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	ix := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests, Annotations: map[string]string{"junk": "index"}}
	ix.SchemaVersion = 2
	return f.putJSON(t, ocispec.MediaTypeImageIndex, ix)
}

// attestation puts what BuildKit attaches to an image.
func (f *fixture) attestation(t testing.TB, to ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	d := f.image(t, "unknown", layer.None, nil, []byte("statement"))
	d.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": to.Digest.String()}
	return d
}

// root adds desc to index.json under a name, and writes that.
func (f *fixture) root(t testing.TB, desc ocispec.Descriptor, name string) {
	t.Helper()
	if desc.Annotations == nil {
		desc.Annotations = map[string]string{}
	}
	desc.Annotations["org.opencontainers.image.created"] = "2026-11-22T01:02:03Z"
	if name != "" {
		desc.Annotations[ocispec.AnnotationRefName] = name
		desc.Annotations[image.AnnotationName] = wholeName(t, name)
	}
	f.roots = append(f.roots, desc)
	ix := ocispec.Index{Manifests: f.roots}
	ix.SchemaVersion = 2
	b, err := json.Marshal(ix)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(f.dir, "index.json"), b)
	writeFile(t, filepath.Join(f.dir, "oci-layout"), []byte(`{"imageLayoutVersion": "1.0.0"}`))
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

// archive writes the fixture as a tar, in an odd order.
func (f *fixture) archive(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, glob := range []string{"oci-layout", "blobs/sha256/*", "index.json"} {
		names, err := filepath.Glob(filepath.Join(f.dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content := readFile(t, name)
			rel, err := filepath.Rel(f.dir, name)
			if err != nil {
				t.Fatal(err)
			}
			addFile(t, tw, "./"+rel, content)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "image.tar")
	writeFile(t, name, b.Bytes())
	return name
}

func addFile(t testing.TB, tw *tar.Writer, name string, content []byte) {
	t.Helper()
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: time.Unix(1_790_000_000, 5), Uname: "me", Format: tar.FormatPAX}
	if err := tw.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(content); err != nil {
		t.Fatal(err)
	}
}

// dockerSave writes an archive as docker save did before it knew OCI: layers
// uncompressed in directories, equal ones linked.
func dockerSave(t testing.TB, arch string, tags []string, tars ...[]byte) string {
	t.Helper()
	diffIDs := []digest.Digest{}
	var layers []string
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	at := map[digest.Digest]string{}
	for i, plain := range tars {
		d := digest.FromBytes(plain)
		diffIDs = append(diffIDs, d)
		id := strings.Repeat(string(rune('a'+i)), 64)
		name := id + "/layer.tar"
		if first, ok := at[d]; ok {
			if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "../" + first}); err != nil {
				t.Fatal(err)
			}
		} else {
			at[d] = name
			addFile(t, tw, name, plain)
		}
		addFile(t, tw, id+"/VERSION", []byte("1.0"))
		layers = append(layers, name)
	}
	config, err := json.Marshal(object{
		"created": "2026-11-22T01:02:03.456789Z", "os": "linux", "architecture": arch, "container": "0123",
		"config": object{"Hostname": "builder", "Env": []string{"A=<1>"}, "Labels": object{"z": "1", "a": "2"}, "Shell": []string{"/bin/sh"}},
		"rootfs": object{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := digest.FromBytes(config).Encoded() + ".json"
	addFile(t, tw, name, config)
	manifest, err := json.Marshal([]object{{"Config": name, "RepoTags": tags, "Layers": layers}})
	if err != nil {
		t.Fatal(err)
	}
	addFile(t, tw, "manifest.json", manifest)
	addFile(t, tw, "repositories", []byte("{}"))
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "saved.tar")
	writeFile(t, out, b.Bytes())
	return out
}

// messy is a layer with everything that a canonical one lacks, in canonical
// order if sorted.
func messy(t testing.TB, sorted bool, more ...*tar.Header) []byte {
	t.Helper()
	hs := []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./bin/ping", Mode: 0o755, Size: 3000, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 \x00\x00", "SCHILY.xattr.user.note": "x", "SCHILY.xattr.security.selinux": "y"}},
		{Typeflag: tar.TypeLink, Name: "./bin/ping6", Linkname: "./bin/ping"},
		{Typeflag: tar.TypeSymlink, Name: "./bin/sh", Linkname: "dash", Mode: 0o777},
		{Typeflag: tar.TypeReg, Name: "./bin-old", Mode: 0o644, Size: 10},
		{Typeflag: tar.TypeChar, Name: "./dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeFifo, Name: "./dev/pipe", Mode: 0o600},
		{Typeflag: tar.TypeReg, Name: "./etc/.wh.gone", Mode: 0o600},
		{Typeflag: tar.TypeReg, Name: "./etc/conf", Mode: 0o600, Size: 700},
		{Typeflag: tar.TypeReg, Name: "./tmp/.wh..wh..opq", Mode: 0o600},
		{Typeflag: tar.TypeReg, Name: "./" + strings.Repeat("ü/", 40) + "f", Mode: 0o644, Size: 1},
	}
	if !sorted {
		hs[1], hs[5] = hs[5], hs[1]
		hs[9], hs[11] = hs[11], hs[9]
	}
	return rawTar(t, append(hs, more...)...)
}

// rawTar writes headers with owners, names and times of some machine, and
// content that depends on the name.
func rawTar(t testing.TB, hs ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i, h := range hs {
		h.Uid, h.Gid, h.Uname, h.Gname = 1000+i%2, 1000, "me", "us"
		h.ModTime = time.Unix(1_700_000_000+int64(i)*7_000_000, 123_456_789)
		h.AccessTime, h.ChangeTime = time.Unix(1_790_000_000, 1), time.Unix(1_790_000_000, 2)
		h.Format = tar.FormatPAX
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(tw, &repeat{s: h.Name}, h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// repeat reads s again and again.
type repeat struct {
	s  string
	at int
}

func (r *repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.s[r.at%len(r.s)]
		r.at++
	}
	return len(p), nil
}

// tarFiles is a tar of names and contents.
func tarFiles(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		addFile(t, tw, files[i], []byte(files[i+1]))
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t testing.TB, c layer.Compression, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := layer.NewCompressor(&out, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
