package normalize

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

const epoch = 1_710_000_000

func normalized(t testing.TB, in string, opt Options) (out string, res Result) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out")
	res, err := Normalize(t.Context(), in, out, opt)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 1 {
		t.Errorf("beside the output there is something else: %v %v", left, err)
	}
	return out, res
}

// snapshot is every file of a layout, or the bytes of an archive.
func snapshot(t testing.TB, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	if !isDir(name) {
		files["archive"] = string(readFile(t, name))
		return files
	}
	err := filepath.WalkDir(name, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(name, p)
			files[rel] = string(readFile(t, p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// load loads what index.json of an output names.
func load(t testing.TB, out string) []image.Image {
	t.Helper()
	in, err := openInput(t.Context(), out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all []image.Image
	for _, d := range in.roots {
		img, err := image.Load(t.Context(), documents{in}, d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, img)
	}
	return all
}

// layerTar returns the content of a layer of an output.
func layerTar(t testing.TB, out string, d ocispec.Descriptor) []byte {
	t.Helper()
	in, err := openInput(t.Context(), out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b, err := in.blob(d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, _, err := layer.NewDecompressor(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// inputs is one image in every form that is read.
func inputs(t testing.TB) map[string]string {
	t.Helper()
	tars := [][]byte{messy(t, true), messy(t, false), messy(t, true)}
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, nil, tars...), "tool:1")
	zstd := newFixture(t)
	zstd.root(t, zstd.image(t, "amd64", layer.Zstd, nil, tars...), "tool:1")
	plain := newFixture(t)
	plain.root(t, plain.image(t, "amd64", layer.None, nil, tars...), "tool:1")
	attested := newFixture(t)
	img := attested.image(t, "amd64", layer.Gzip, nil, tars...)
	attested.root(t, attested.index(t, img, attested.attestation(t, img)), "tool:1")
	archive := f.archive(t)
	gz, zst := archive+".gz", archive+".zst"
	writeFile(t, gz, compressed(t, layer.Gzip, readFile(t, archive)))
	writeFile(t, zst, compressed(t, layer.Zstd, readFile(t, archive)))
	return map[string]string{
		"layout": f.dir, "layout, zstd": zstd.dir, "layout, uncompressed": plain.dir, "layout, attested": attested.dir,
		"archive": archive, "archive.gz": gz, "archive.zst": zst,
		"docker save": dockerSave(t, "amd64", []string{"tool:1"}, tars...),
	}
}

func TestEveryFormGivesTheSameImage(t *testing.T) {
	for _, c := range []layer.Compression{layer.Gzip, layer.Zstd, layer.None} {
		var want map[string]string
		for name, in := range inputs(t) {
			for _, kind := range []Kind{Layout, Archive} {
				opt := Options{Compression: c, Epoch: epoch, Kind: kind}
				out, res := normalized(t, in, opt)
				got := snapshot(t, out)
				if kind == Layout {
					if want == nil {
						want = got
					}
					// docker save knows one more name: the tag as it was given.
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, %s: %s", name, c, diff)
					}
				}
				again, second := normalized(t, out, opt)
				if diff := cmp.Diff(got, snapshot(t, again)); diff != "" {
					t.Errorf("%s, %s, %s: normalized twice: %s", name, c, kind, diff)
				}
				if diff := cmp.Diff(res.Roots, second.Roots); diff != "" {
					t.Errorf("%s, %s, %s: normalized twice: %s", name, c, kind, diff)
				}
			}
		}
	}
}

func TestGoldenImage(t *testing.T) {
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, nil, messy(t, false)), "")
	for c, want := range map[layer.Compression]digest.Digest{
		layer.None: "sha256:9978f1a8f69507af623d4030e7f11981ff8896e06316f2491077b879c37bef7f",
		layer.Gzip: "sha256:8af75d8536377583392feae7f3ac06e9c180c2e948ea08930ffb43d357acb462",
		layer.Zstd: "sha256:433494cd22aea194dd453c52e61f8f604b270f1a9a67cf6502df0ca8e9b79c4b",
	} {
		_, res := normalized(t, f.dir, Options{Compression: c, Epoch: epoch})
		if got := res.Roots[0].Digest; got != want {
			t.Errorf("%s: %s, want %s", c, got, want)
		}
	}
}

func TestLayerIsCanonical(t *testing.T) {
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, nil, messy(t, false)), "")
	out, res := normalized(t, f.dir, Options{Epoch: epoch})
	type header struct {
		Name, Link string
		Type       string
		Mode       int64
		UID        int
		Time       int64
		PAX        map[string]string
	}
	var got []header
	content := map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(layerTar(t, out, load(t, out)[0].Manifest.Layers[0]))); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uname+h.Gname != "" || !h.AccessTime.IsZero() || h.ModTime.Nanosecond() != 0 {
			t.Errorf("%s: %+v", h.Name, h)
		}
		if h.Name == "dev/null" && (h.Devmajor != 1 || h.Devminor != 3) {
			t.Errorf("dev/null is %d:%d", h.Devmajor, h.Devminor)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		content[h.Name] = string(b)
		got = append(got, header{h.Name, h.Linkname, string(h.Typeflag), h.Mode, h.Uid, h.ModTime.Unix(), h.PAXRecords})
	}
	long := strings.Repeat("ü/", 40) + "f"
	capability := map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 \x00\x00"}
	want := []header{
		{"./", "", "5", 0o755, 1000, 1_700_000_000, nil},
		{"bin/", "", "5", 0o755, 1001, epoch, nil},
		{"bin/ping", "", "0", 0o755, 1000, epoch, capability},
		{"bin/ping6", "bin/ping", "1", 0o755, 1000, epoch, nil},
		{"bin/sh", "dash", "2", 0o777, 1000, epoch, nil},
		{"bin-old", "", "0", 0o644, 1001, 1_707_000_000, nil},
		{"dev/null", "", "3", 0o666, 1000, epoch, nil},
		{"dev/pipe", "", "6", 0o600, 1001, epoch, nil},
		{"etc/.wh.gone", "", "0", 0, 0, 0, nil},
		{"etc/conf", "", "0", 0o600, 1001, epoch, nil},
		{"tmp/.wh..wh..opq", "", "0", 0, 0, 0, nil},
		{long, "", "0", 0o644, 1001, epoch, map[string]string{"path": long}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := strings.Repeat("./bin/ping", 300); content["bin/ping"] != want {
		t.Error("bin/ping has other content")
	}
	wantDropped := []string{"extended attribute security.selinux of 1 files", "extended attribute user.note of 1 files"}
	if diff := cmp.Diff(wantDropped, res.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestConfigAndManifestAreCanonical(t *testing.T) {
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, map[string]string{"junk": "x"}, rawTar(t)), "")
	for epoch, created := range map[int64]string{0: ``, 1_700_000_000: `"created":"2023-11-14T22:13:20Z",`} {
		out, _ := normalized(t, f.dir, Options{Epoch: epoch})
		img := load(t, out)[0]
		want := `{` + created + `"architecture":"amd64","os":"linux","config":{"Env":["A=<1>"],"Labels":{"a":"2","z":"1"},"Shell":["/bin/sh"]},` +
			`"rootfs":{"type":"layers","diff_ids":["` + img.Config.RootFS.DiffIDs[0].String() + `"]}}`
		if diff := cmp.Diff(want, string(readFile(t, filepath.Join(out, "blobs/sha256", img.Manifest.Config.Digest.Encoded())))); diff != "" {
			t.Error(diff)
		}
		if img.Manifest.Annotations != nil || img.Manifest.Layers[0].Annotations != nil {
			t.Errorf("annotations stayed: %+v", img.Manifest)
		}
	}
}

// What this program writes itself is canonical already.
func TestOwnImagesStayAsTheyAre(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree := layer.NewTree()
	for _, e := range []layer.Entry{
		layer.File("b", 0o755, 5, []byte("x")), layer.Link("a", "b"), layer.File("d/f", 0o600, epoch, bytes.Repeat([]byte("y"), 3<<20)), layer.Symlink("d/l", "f", 1),
	} {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []layer.Compression{layer.None, layer.Gzip, layer.Zstd} {
		l, err := layer.Write(t.Context(), st, tree, c)
		if err != nil {
			t.Fatal(err)
		}
		img, err := image.Write(t.Context(), st, nil, []layer.Layer{l},
			image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Epoch: epoch, Env: []string{"A=1"}})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "own.tar")
		var b bytes.Buffer
		if err := image.WriteArchive(t.Context(), st, img.Desc, &b, "tool:1"); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, b.Bytes())
		out, _ := normalized(t, name, Options{Compression: c, Epoch: epoch})
		if !bytes.Equal(b.Bytes(), readFile(t, out)) {
			t.Errorf("%s: an archive of this program's is changed", c)
		}
	}
}

func TestIndex(t *testing.T) {
	f := newFixture(t)
	arm := f.image(t, "arm", layer.Gzip, nil, messy(t, false))
	arm.Platform.Variant = "v7" // which its config doesn't know
	amd := f.image(t, "amd64", layer.Zstd, nil, messy(t, true))
	f.root(t, f.index(t, arm, f.attestation(t, arm), amd, f.attestation(t, amd)), "tool:1")
	out, res := normalized(t, f.dir, Options{})
	if len(res.Roots) != 1 || res.Roots[0].MediaType != ocispec.MediaTypeImageIndex {
		t.Fatalf("roots %+v, want an index", res.Roots)
	}
	ix, err := image.LoadIndex(documents{dirSource(out)}, res.Roots[0])
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range ix.Manifests {
		platforms = append(platforms, image.PlatformString(*d.Platform))
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm/v7"}, platforms); diff != "" {
		t.Error(diff)
	}
	if len(res.Dropped) < 2 || !strings.HasPrefix(res.Dropped[0], "attestation sha256:") {
		t.Errorf("dropped %q, want the attestations", res.Dropped)
	}
	if res.Images[0].Layers[0].DiffID != res.Images[1].Layers[0].DiffID {
		t.Error("the same files in another order are another layer")
	}
	again, _ := normalized(t, out, Options{})
	if diff := cmp.Diff(snapshot(t, out), snapshot(t, again)); diff != "" {
		t.Error("normalized twice:", diff)
	}
}

// Signatures and other artifacts beside an image are left out; an index may
// lie in an index, and name the same image again.
func TestWhatIsNoImageIsLeftOut(t *testing.T) {
	f := newFixture(t)
	img := f.image(t, "amd64", layer.Gzip, nil, messy(t, true))
	signature := ocispec.Manifest{Config: f.putJSON(t, ocispec.MediaTypeImageConfig, object{"rootfs": object{"type": "layers"}})}
	signature.SchemaVersion = 2
	signature.Layers = []ocispec.Descriptor{f.put(t, "application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}"))}
	artifact := ocispec.Manifest{Config: f.put(t, "application/vnd.oci.empty.v1+json", []byte("{}"))}
	artifact.SchemaVersion = 2
	want, _ := normalized(t, func() string {
		f := newFixture(t)
		f.root(t, f.image(t, "amd64", layer.Gzip, nil, messy(t, true)), "tool:1")
		return f.dir
	}(), Options{})

	s, a := f.putJSON(t, ocispec.MediaTypeImageManifest, signature), f.putJSON(t, ocispec.MediaTypeImageManifest, artifact)
	f.root(t, f.index(t, f.index(t, img, img, s), img, s), "tool:1")
	f.root(t, a, "")
	got, res := normalized(t, f.dir, Options{})
	if diff := cmp.Diff(snapshot(t, want), snapshot(t, got)); diff != "" {
		t.Error(diff)
	}
	for _, d := range []ocispec.Descriptor{s, a} {
		if !slices.Contains(res.Dropped, d.Digest.String()+", which is no image") {
			t.Errorf("dropped %q, want %s", res.Dropped, d.Digest)
		}
	}
}

func TestNamesAreKept(t *testing.T) {
	in := dockerSave(t, "amd64", []string{"tool:1", "registry.example:5000/x/tool:latest"}, messy(t, true))
	out, res := normalized(t, in, Options{})
	if diff := cmp.Diff([]string{wholeName(t, "tool:1"), "registry.example:5000/x/tool:latest"}, res.Images[0].Names); diff != "" {
		t.Error(diff)
	}
	in2, err := openInput(t.Context(), out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer in2.Close()
	var names []string
	for _, d := range in2.roots {
		names = append(names, d.Annotations[ocispec.AnnotationRefName], d.Annotations[image.AnnotationName])
	}
	want := []string{"registry.example:5000/x/tool:latest", "registry.example:5000/x/tool:latest", "tool:1", wholeName(t, "tool:1")}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if !bytes.Contains(readFile(t, out), []byte(`"RepoTags":["registry.example:5000/x/tool:latest","tool:1"]`)) {
		t.Error("manifest.json doesn't have both tags")
	}
}

func TestOutputKind(t *testing.T) {
	f := newFixture(t)
	f.root(t, f.image(t, "amd64", layer.Gzip, nil, rawTar(t)), "")
	archive := f.archive(t)
	for _, test := range []struct {
		in, out string
		kind    Kind
		want    Kind // "": an error
	}{
		{f.dir, "x", "", Layout}, {f.dir, "x.tar", "", Archive}, {f.dir, "x", Archive, Archive}, {f.dir, "x.tar", Layout, Layout},
		{archive, "x", "", Archive}, {archive, "x/", "", Layout}, {archive, "empty", "", Layout},
		{archive, "x.tar.gz", "", ""}, {archive, "x.tgz", "", ""}, {archive, "x", "zip", ""}, {f.dir, "empty", Archive, ""}, {f.dir, "full", "", ""},
	} {
		dir := t.TempDir()
		for _, d := range []string{"empty", "full/x"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		res, err := Normalize(t.Context(), test.in, dir+"/"+test.out, Options{Kind: test.kind})
		if (err != nil) != (test.want == "") || res.Kind != test.want {
			t.Errorf("%s %q: %q, %v, want %q", test.out, test.kind, res.Kind, err, test.want)
			continue
		}
		if err == nil && isDir(filepath.Join(dir, test.out)) != (test.want == Layout) {
			t.Errorf("%s: not a %s", test.out, test.want)
		}
		left, _ := filepath.Glob(filepath.Join(dir, ".*"))
		if len(left) > 0 {
			t.Errorf("%s: left behind: %q", test.out, left)
		}
	}
}

func TestCanceled(t *testing.T) {
	in := inputs(t)
	for name := range in {
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		cancel(enough)
		out := filepath.Join(t.TempDir(), "out")
		if _, err := Normalize(ctx, in[name], out, Options{}); !errors.Is(err, enough) {
			t.Errorf("%s: %v, want the cause", name, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

// A layout has what an archive has, and nothing that no one reaches.
func TestLayoutHoldsWhatIsReached(t *testing.T) {
	f := newFixture(t)
	_, img := onBase(t, f, layer.Gzip)
	f.root(t, f.index(t, img, f.attestation(t, img)), "tool:1")
	layout, _ := normalized(t, f.dir, Options{})
	archive, _ := normalized(t, f.dir, Options{Kind: Archive})
	want := map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(readFile(t, archive))); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg && h.Name != "manifest.json" {
			want[h.Name] = string(b)
		}
	}
	if diff := cmp.Diff(want, snapshot(t, layout)); diff != "" {
		t.Error(diff)
	}
}
