package reference

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/verdict"
)

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func ours(name, path string) Ours {
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return Ours{Name: name, Digest: digest.FromBytes(data), Open: func(context.Context) (string, error) { return path, nil }}
}

// tarball is a tar of one file of some length.
func tarball(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := strings.Repeat(text, 5000)
	if err := w.WriteHeader(&tar.Header{Name: "app/app", Mode: 0o755, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t *testing.T, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func twice(c layer.Compression) func(io.Writer) (io.WriteCloser, error) {
	return func(w io.Writer) (io.WriteCloser, error) { return layer.NewCompressor(w, c) }
}

func compareWith(t *testing.T, path string, list ...Ours) *verdict.Reference {
	t.Helper()
	r, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Compare(t.Context(), list, cause.Context{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A released file is found by its name, or by what it is.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "made/app", []byte("\x7fELFthe program"))
	same := write(t, dir, "rel/app", []byte("\x7fELFthe program"))
	other := write(t, dir, "rel/app-linux", []byte("\x7fELFthe pro9ram"))
	list := []Ours{ours("bin/app", a), ours("app-1.tar.gz", write(t, dir, "made/app-1.tar.gz", pack(t, tarball(t, "x"), twice(layer.Gzip))))}
	if got := compareWith(t, same, list...); len(got.Artefacts) != 1 || !got.Artefacts[0].Same || got.Kind != File || got.Artefacts[0].Name != "bin/app" {
		t.Errorf("%+v", got)
	}
	got := compareWith(t, other, list...)
	if len(got.Artefacts) != 1 || got.Artefacts[0].Same || got.Artefacts[0].Difference == nil || len(got.Artefacts[0].Causes) == 0 {
		t.Errorf("%+v", got)
	}
	r, err := Open(t.Context(), write(t, dir, "rel/notes.zip", []byte("PK")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Compare(t.Context(), list, cause.Context{}); err == nil || !strings.Contains(err.Error(), "nothing in the reference") {
		t.Error(err)
	}
}

// Another compressor is told from another content, and both are named.
func TestCompressors(t *testing.T) {
	dir := t.TempDir()
	content := tarball(t, "some text ")
	for name, c := range map[string]struct {
		file string
		open func(io.Writer) (io.WriteCloser, error)
		want string
	}{
		"standard":  {"a.tar.gz", func(w io.Writer) (io.WriteCloser, error) { return stdgzip.NewWriterLevel(w, 6) }, "gzip by Go's standard library, level 6"},
		"klauspost": {"b.tar.gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 2) }, "gzip by klauspost/compress, level 2"},
		"named": {"c.tar.gz", func(w io.Writer) (io.WriteCloser, error) {
			z, err := stdgzip.NewWriterLevel(w, 9)
			z.Name, z.ModTime, z.OS = "x.tar", time.Unix(1700000000, 0), 3
			return z, err
		}, "gzip by an unknown compressor, at its best level, on Unix"},
		"zstd": {"d.tar.zst", func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
		}, "zstd by klauspost/compress, best"},
		"zip": {"e.zip", func(w io.Writer) (io.WriteCloser, error) { return zipped(w) }, fmt.Sprintf("zip, %d bytes of content in %d", len(content), len(content))},
	} {
		kind := layer.Gzip
		if strings.HasSuffix(c.file, "zst") {
			kind = layer.Zstd
		}
		mine := pack(t, content, twice(kind))
		if name == "zip" {
			mine = pack(t, content, func(w io.Writer) (io.WriteCloser, error) { return deflated(w) })
		}
		list := ours(c.file, write(t, dir, "made/"+c.file, mine))
		got := compareWith(t, write(t, dir, "rel/"+c.file, pack(t, content, c.open)), list).Artefacts[0]
		if got.Same || !got.SameContent || got.TheirsPacked != c.want {
			t.Errorf("%s: %+v", name, got)
		}
		if name != "zip" && got.OursPacked != "by Twice: "+layer.CompressorVersion {
			t.Errorf("%s: ours is %s", name, got.OursPacked)
		}
		if name == "zip" {
			continue
		}
		other := pack(t, tarball(t, "other text"), c.open)
		got = compareWith(t, write(t, dir, "other/"+c.file, other), list).Artefacts[0]
		if got.SameContent || got.Difference == nil {
			t.Errorf("%s, other content: %+v", name, got)
		}
	}
}

type inZip struct {
	z *zip.Writer
	io.Writer
}

func (z inZip) Close() error { return z.z.Close() }

func zipOf(w io.Writer, method uint16) (io.WriteCloser, error) {
	z := zip.NewWriter(w)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "app.tar", Method: method})
	return inZip{z, f}, err
}

func zipped(w io.Writer) (io.WriteCloser, error)   { return zipOf(w, zip.Store) }
func deflated(w io.Writer) (io.WriteCloser, error) { return zipOf(w, zip.Deflate) }

// A claim that does not hold is an incident, and nothing is compared.
func TestIncident(t *testing.T) {
	data := []byte("\x7fELFthe program")
	good, bad := digest.FromBytes(data).Encoded(), digest.FromString("other").Encoded()
	for name, c := range map[string]struct {
		files map[string]string
		open  string
		by    string // empty: no incident
	}{
		"nothing claimed":        {map[string]string{}, "app", ""},
		"good sums":              {map[string]string{"SHA256SUMS": good + "  app\n"}, "app", ""},
		"bad sums":               {map[string]string{"SHA256SUMS": bad + "  app\n"}, "app", "SHA256SUMS"},
		"bad sums, of another":   {map[string]string{"SHA256SUMS": bad + "  other\n"}, "app", ""},
		"binary mode, CRLF":      {map[string]string{"sha256sums.txt": "# sums\r\n" + strings.ToUpper(bad) + " *app\r\n"}, "app", "sha256sums.txt"},
		"the file's own":         {map[string]string{"app.sha256": bad + "\n"}, "app", "app.sha256"},
		"the file's own, a line": {map[string]string{"app.sha256": bad + "  dist/app\n"}, "app", "app.sha256"},
		"its own, and good":      {map[string]string{"app.sha256": good}, "app", ""},
		"a directory":            {map[string]string{"SHA256SUMS": bad + "  ./app\n"}, ".", "SHA256SUMS"},
		"a directory, deeper":    {map[string]string{"bin/tool": "x", "SHA256SUMS": good + "  app\n" + bad + "  bin/tool\n"}, ".", "SHA256SUMS"},
		"a good directory":       {map[string]string{"SHA256SUMS": good + "  app\n" + bad + "  not-here\n"}, ".", ""},
		"the sums themselves":    {map[string]string{"SHA256SUMS": bad + "  app\n"}, "SHA256SUMS", "SHA256SUMS"},
	} {
		dir := t.TempDir()
		write(t, dir, "app", data)
		for f, text := range c.files {
			write(t, dir, f, []byte(text))
		}
		_, err := Open(t.Context(), filepath.Join(dir, c.open))
		var i *verdict.Incident
		switch {
		case c.by == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.by != "" && (!errors.As(err, &i) || i.By != c.by || i.Claimed.Encoded() != bad || i.Claimed == i.Found):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Digests alone say same or not.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "made/app", []byte("program"))
	list := write(t, dir, "SHA256SUMS", []byte(digest.FromString("program").Encoded()+"  app\n"+digest.FromString("x").Encoded()+"  README\n"))
	got := compareWith(t, list, ours("bin/app", a))
	if len(got.Artefacts) != 1 || !got.Artefacts[0].Same || got.Kind != Sums {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff([]string{"README"}, got.Ignored); d != "" {
		t.Error(d)
	}
	got = compareWith(t, list, ours("bin/app", write(t, dir, "made/other", []byte("other"))))
	if len(got.Artefacts) != 0 || len(got.Missing) != 0 {
		// bin/app by name, with another content
		if got.Artefacts[0].Same {
			t.Errorf("%+v", got)
		}
	}
	if _, err := Open(t.Context(), write(t, dir, "bad/SHA256SUMS", []byte(digest.FromString("x").Encoded()+"  ../made/app\n"))); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Error(err)
	}
}

func earlier() *verdict.Verdict {
	d := digest.FromString
	v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Unix(1700000000, 0).UTC(), Twice: "v1",
		Subject: verdict.Subject{Spec: ".", Name: "app", Version: "1.0.0", Commit: "abc", Epoch: 5},
		Inputs:  verdict.Inputs{Source: d("source"), Vendor: d("vendor"), Builder: d("builder"), Plan: d("plan"), Lock: d("lock"), Rustc: "1.95.0"},
		Artefacts: []verdict.Artefact{{Name: "bin/app", Kind: verdict.Bin, A: d("app"), B: d("app"), Same: true, SizeA: 3, SizeB: 3},
			{Name: "image", Kind: verdict.Image, A: d("image"), B: d("image"), Same: true, SizeA: 3, SizeB: 3}}}
	v.Settle()
	return v
}

// Of an earlier verdict the inputs come first, then the digests.
func TestVerdict(t *testing.T) {
	dir := t.TempDir()
	data, err := earlier().JSON()
	if err != nil {
		t.Fatal(err)
	}
	p := write(t, dir, "verdict.json", data)
	r, err := Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if in := r.Input(earlier()); in != nil {
		t.Errorf("%+v", in)
	}
	for name, change := range map[string]func(*verdict.Verdict){
		"source": func(v *verdict.Verdict) { v.Inputs.Source = digest.FromString("s") },
		"commit": func(v *verdict.Verdict) { v.Subject.Commit = "def"; v.Inputs.Plan = digest.FromString("p") },
		"vendored crates": func(v *verdict.Verdict) {
			v.Inputs.Vendor = digest.FromString("v")
			v.Inputs.Plan = digest.FromString("p")
		},
		"toolchain": func(v *verdict.Verdict) { v.Inputs.Rustc = "1.96.0"; v.Inputs.Builder = digest.FromString("b") },
		"plan":      func(v *verdict.Verdict) { v.Inputs.Plan = digest.FromString("p") },
	} {
		v := earlier()
		change(v)
		if in := r.Input(v); in == nil || in.Name != name || in.Ours == in.Theirs {
			t.Errorf("%s: %+v", name, in)
		}
	}
	got, err := r.Compare(t.Context(), []Ours{{Name: "bin/app", Digest: digest.FromString("app")}}, cause.Context{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"image"}, got.Missing); d != "" || !got.Artefacts[0].Same {
		t.Errorf("%+v", got)
	}

	var i *verdict.Incident
	lie := bytes.Replace(data, []byte(digest.FromString("app").Encoded()), []byte(digest.FromString("lie").Encoded()), 1)
	if _, err := Open(t.Context(), write(t, dir, "lie.json", lie)); !errors.As(err, &i) || i.By != "the verdict itself" {
		t.Errorf("a verdict that contradicts itself: %v", err)
	}
	other := bytes.Replace(data, []byte(`"schema": 1`), []byte(`"schema": 9`), 1)
	if _, err := Open(t.Context(), write(t, dir, "schema.json", other)); err == nil || errors.As(err, &i) && i.What == "schema.json" {
		t.Errorf("another schema: %v", err)
	}
	write(t, dir, "SHA256SUMS", []byte(digest.FromString("x").Encoded()+"  verdict.json\n"))
	if _, err := Open(t.Context(), p); !errors.As(err, &i) || i.By != "SHA256SUMS" {
		t.Errorf("a verdict that its sums deny: %v", err)
	}
}

// An image is compared by the digest of its manifest, and each of its blobs is
// held to its name.
func TestImage(t *testing.T) {
	manifest := []byte(`{"schemaVersion":2}`)
	m := digest.FromBytes(manifest)
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d}]}`, m, len(manifest))
	list := Ours{Name: "image", Digest: m, Image: true}
	for _, form := range []string{"directory", "archive"} {
		for _, damage := range []bool{false, true} {
			files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": []byte(index), "blobs/sha256/" + m.Encoded(): manifest}
			if damage {
				files["blobs/sha256/"+m.Encoded()] = []byte(`{"schemaVersion":3}`)
			}
			dir := t.TempDir()
			at := filepath.Join(dir, "image")
			if form == "directory" {
				for name, data := range files {
					write(t, at, name, data)
				}
			} else {
				var b bytes.Buffer
				w := tar.NewWriter(&b)
				for name, data := range files {
					if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
						t.Fatal(err)
					}
					if _, err := w.Write(data); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				at = write(t, dir, "image.tar", b.Bytes())
			}
			if damage {
				var i *verdict.Incident
				if _, err := Open(t.Context(), at); !errors.As(err, &i) || i.Claimed != m {
					t.Errorf("%s, damaged: %v", form, err)
				}
				continue
			}
			if got := compareWith(t, at, list); got.Kind != Image || len(got.Artefacts) != 1 || !got.Artefacts[0].Same {
				t.Errorf("%s: %+v", form, got)
			}
			if got := compareWith(t, dir, list); got.Kind != Directory || !slices.ContainsFunc(got.Artefacts, func(c verdict.Compared) bool { return c.Same }) {
				t.Errorf("%s, in a directory: %+v", form, got)
			}
		}
	}
}

// layoutOf is an image of one layer.
func layoutOf(t *testing.T, dir string, layerBytes []byte, mediaType, config string) (string, digest.Digest) {
	t.Helper()
	blob := func(data []byte) string {
		d := digest.FromBytes(data)
		write(t, dir, "blobs/sha256/"+d.Encoded(), data)
		return fmt.Sprintf(`"digest":%q,"size":%d`, d, len(data))
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":%q,%s}]}`,
		blob([]byte(config)), mediaType, blob(layerBytes))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s}]}`, blob(manifest))
	write(t, dir, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	write(t, dir, "index.json", []byte(index))
	return dir, digest.FromBytes(manifest)
}

// An image whose layers were only compressed otherwise has the same content;
// one whose configuration differs has not.
func TestImageCompressor(t *testing.T) {
	const gz, zs = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd"
	content := tarball(t, "some text ")
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(content))
	mine, d := layoutOf(t, filepath.Join(t.TempDir(), "mine"), pack(t, content, twice(layer.Gzip)), gz, config)
	list := Ours{Name: "image", Digest: d, Image: true, Open: func(context.Context) (string, error) { return mine, nil }}
	best := func(w io.Writer) (io.WriteCloser, error) { return stdgzip.NewWriterLevel(w, 9) }
	for name, c := range map[string]struct {
		layer     []byte
		mediaType string
		config    string
		same      bool
	}{
		"another level":  {pack(t, content, best), gz, config, true},
		"another format": {pack(t, content, twice(layer.Zstd)), zs, config, true},
		"another config": {pack(t, content, best), gz, strings.Replace(config, "amd64", "arm64", 1), false},
		"another layer":  {pack(t, tarball(t, "other text"), best), gz, config, false},
	} {
		theirs, _ := layoutOf(t, filepath.Join(t.TempDir(), "theirs"), c.layer, c.mediaType, c.config)
		got := compareWith(t, theirs, list).Artefacts[0]
		if got.Same || got.SameContent != c.same {
			t.Errorf("%s: %+v", name, got)
		}
		if c.same && (!strings.Contains(got.OursPacked, "by Twice") || !strings.HasPrefix(got.TheirsPacked, "layer[0] by another compressor")) {
			t.Errorf("%s: %q, %q", name, got.OursPacked, got.TheirsPacked)
		}
	}
}
