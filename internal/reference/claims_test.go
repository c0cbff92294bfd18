package reference

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/verdict"
)

// hold opens a folder and holds it to a statement about artefacts.
func hold(t *testing.T, dir string, stated []Ours) (*Reference, error) {
	t.Helper()
	r, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return r, r.Hold(stated, nil, "the statement")
}

func stated(name, content string) Ours { return Ours{Name: name, Digest: digest.FromString(content)} }

// What a statement says of a name is what the file of this name is held to, and not
// what it says of any other.
func TestHoldByName(t *testing.T) {
	good := []Ours{stated("bin/a", "a"), stated("bin/b", "b")}
	for name, c := range map[string]struct {
		files    map[string]string
		stated   []Ours
		incident string
		missing  string
	}{
		"as stated":       {files: map[string]string{"bin/a": "a", "bin/b": "b"}, stated: good},
		"renamed":         {files: map[string]string{"a-linux": "a"}, stated: good},
		"swapped":         {files: map[string]string{"bin/a": "b", "bin/b": "a"}, stated: good, incident: "bin/a"},
		"another's bits":  {files: map[string]string{"bin/a": "evil", "bin/b": "b"}, stated: append([]Ours{stated("x", "evil")}, good...), incident: "bin/a"},
		"only in it":      {files: map[string]string{"bin/a": "a", "x": "evil"}, stated: append([]Ours{stated("x", "evil")}, good...), missing: "x"},
		"renamed, not by": {files: map[string]string{"bin/a": "a", "a-linux": "evil"}, stated: append([]Ours{stated("x", "evil")}, good...), missing: "x"},
	} {
		dir := t.TempDir()
		for f, text := range c.files {
			write(t, dir, f, []byte(text))
		}
		r, err := hold(t, dir, c.stated)
		var i *verdict.Incident
		switch {
		case c.incident != "":
			if !errors.As(err, &i) || i.What != c.incident {
				t.Errorf("%s: %v", name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := r.Compare(t.Context(), good, cause.Context{})
		if err != nil || strings.Join(got.Missing, " ") != c.missing || len(got.Ignored) > 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A list that says two things of one file says nothing that can be held.
func TestSumsContradict(t *testing.T) {
	a, b := digest.FromString("a").Encoded(), digest.FromString("b").Encoded()
	for text, bad := range map[string]bool{
		a + "  app\n" + b + "  other\n": false, a + "  app\n" + a + "  app\n": false, a + "  app\n" + b + "  app\n": true,
	} {
		_, err := Open(t.Context(), write(t, t.TempDir(), "SHA256SUMS", []byte(text)))
		var i *verdict.Incident
		if errors.As(err, &i) != bad || !bad && err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A link in a folder is what it leads to, or an error; it isn't left out.
func TestLinks(t *testing.T) {
	outside := write(t, t.TempDir(), "evil", []byte("evil"))
	for target, want := range map[string]string{
		"../lib/app": "", "../lib": "nothing", outside: "not in the reference", "missing": "no such file",
	} {
		dir := t.TempDir()
		write(t, dir, "lib/app", []byte("app"))
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.Symlink(target, filepath.Join(dir, "bin", "app"))); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), dir)
		switch want {
		case "", "nothing":
			n := map[string]int{"": 2, "nothing": 1}[want]
			if err != nil || len(r.Items) != n || r.Items[0].Digest != digest.FromString("app") {
				t.Errorf("%s: %+v, %v", target, r, err)
			}
		default:
			if err == nil || !strings.Contains(err.Error(), want) || want == "not in the reference" && fault.HintOf(err) == "" {
				t.Errorf("%s: %v", target, err)
			}
		}
	}
}

// tarOf is an archive of entries in an order.
func tarOf(t *testing.T, entries []tar.Header, content map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		data := content[h.Name]
		h.Mode = 0o644
		if h.Typeflag != tar.TypeSymlink && h.Typeflag != tar.TypeDir {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); h.Size > 0 && err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An archive of an image is one image for all who read it: those that go by index.json, and
// those that go by manifest.json; and all of it is there.
func TestImageArchive(t *testing.T) {
	const gz = "application/vnd.oci.image.layer.v1.tar+gzip"
	content := tarball(t, "some text ")
	dir, d := layoutOf(t, filepath.Join(t.TempDir(), "image"), pack(t, content, twice(layer.Gzip)), gz, `{"architecture":"amd64"}`)
	files := tree(t, dir)
	var blobs []string
	for name := range files {
		if strings.HasPrefix(name, "blobs/") {
			blobs = append(blobs, name)
		}
	}
	config, layerBlob := "blobs/sha256/"+digest.FromString(`{"architecture":"amd64"}`).Encoded(), ""
	for _, b := range blobs {
		if b != config && !strings.HasSuffix(b, d.Encoded()) {
			layerBlob = b
		}
	}
	evil := []byte("evil")
	evilBlob := "blobs/sha256/" + digest.FromBytes(evil).Encoded()
	docker := func(layers string) []byte {
		return []byte(`[{"Config":"` + config + `","RepoTags":null,"Layers":["` + layers + `"]}]`)
	}
	files["manifest.json"], files[evilBlob] = docker(layerBlob), evil
	files["./index.json"], files[".//index.json"], files["/index.json"] = files["index.json"], []byte(`{"schemaVersion":2}`), files["index.json"]
	regular := func(names ...string) (out []tar.Header) {
		for _, n := range names {
			out = append(out, tar.Header{Name: n, Typeflag: tar.TypeReg})
		}
		return out
	}
	all := append([]string{"oci-layout", "index.json", "manifest.json"}, blobs...)
	image := Ours{Name: "image", Digest: d, Image: true}
	for name, c := range map[string]struct {
		entries []tar.Header
		docker  []byte
		want    string // in the error; "" is none
	}{
		"whole":              {entries: regular(all...)},
		"without the second": {entries: regular(append([]string{"oci-layout", "index.json"}, blobs...)...)},
		"another dot":        {entries: regular(append([]string{"oci-layout", "./index.json"}, blobs...)...)},
		"folders":            {entries: append([]tar.Header{{Name: "blobs/", Typeflag: tar.TypeDir}}, regular(all...)...)},
		"another image":      {entries: regular(append(all, evilBlob)...), docker: docker(evilBlob), want: "another one than by the latter"},
		"one more image":     {entries: regular(all...), docker: append(docker(layerBlob)[:len(docker(layerBlob))-1], []byte(`,{"Config":"`+config+`","Layers":[]}]`)...), want: "another one than by the latter"},
		"two indexes":        {entries: regular(append(all, ".//index.json")...), want: "can be taken in two ways"},
		"an absolute one":    {entries: regular(append(all, "/index.json")...), want: "can be taken in two ways"},
		"a link":             {entries: append(regular(all...), tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "index.json"}), want: "can be taken in two ways"},
		"no layer":           {entries: regular("oci-layout", "index.json", config, "blobs/sha256/"+d.Encoded()), want: "is missing in it"},
		"no config":          {entries: regular("oci-layout", "index.json", layerBlob, "blobs/sha256/"+d.Encoded()), want: "is missing in it"},
		"no manifest":        {entries: regular("oci-layout", "index.json", layerBlob, config), want: "is missing in it"},
	} {
		if c.docker != nil {
			files["manifest.json"] = c.docker
		} else {
			files["manifest.json"] = docker(layerBlob)
		}
		at := write(t, t.TempDir(), "image.tar", tarOf(t, c.entries, files))
		r, err := Open(t.Context(), at)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := r.Compare(t.Context(), []Ours{image}, cause.Context{}); err != nil || len(got.Artefacts) != 1 || !got.Artefacts[0].Same {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// Of an index of two platforms one is enough, but not none.
	other := digest.FromString("another platform")
	nested := []byte(`{"schemaVersion":2,"manifests":[{"digest":"` + d.String() + `"},{"digest":"` + other.String() + `"}]}`)
	files["blobs/sha256/"+digest.FromBytes(nested).Encoded()] = nested
	files["index.json"] = []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + digest.FromBytes(nested).String() + `","size":1}]}`)
	files["manifest.json"] = docker(layerBlob)
	several := append([]string{"blobs/sha256/" + digest.FromBytes(nested).Encoded()}, all...)
	if _, err := Open(t.Context(), write(t, t.TempDir(), "image.tar", tarOf(t, regular(several...), files))); err != nil {
		t.Errorf("one platform of two: %v", err)
	}
	without := slices.DeleteFunc(several, func(name string) bool { return name == layerBlob || name == "manifest.json" })
	if _, err := Open(t.Context(), write(t, t.TempDir(), "image.tar", tarOf(t, regular(without...), files))); !errors.Is(err, errMissing) {
		t.Errorf("no platform of two: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, layerBlob)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "is missing in it") {
		t.Errorf("a folder without its layer: %v", err)
	}
}
