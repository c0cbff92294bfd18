package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// rawLayer writes entries in the order given: "dir/", "file=content", "link -> target", "name => hard link target".
func rawLayer(t testing.TB, st *store.Store, c layer.Compression, entries ...string) layer.Layer {
	t.Helper()
	var plain, b bytes.Buffer
	tw := tar.NewWriter(&plain)
	for _, e := range entries {
		h := &tar.Header{Mode: 0o644, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg}
		content := ""
		if name, target, ok := strings.Cut(e, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeSymlink
		} else if name, target, ok := strings.Cut(e, " => "); ok {
			h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeLink
		} else if strings.HasSuffix(e, "/") {
			h.Name, h.Typeflag = e, tar.TypeDir
		} else {
			h.Name, content, _ = strings.Cut(e, "=")
			h.Size = int64(len(content))
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, content)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	zw, err := layer.NewCompressor(&b, c)
	if err != nil {
		t.Fatal(err)
	}
	zw.Write(plain.Bytes())
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := st.PutBytes(t.Context(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return layer.Layer{
		Desc:   ocispec.Descriptor{MediaType: c.MediaType(), Digest: d, Size: int64(b.Len())},
		DiffID: digest.FromBytes(plain.Bytes()),
	}
}

// files lists what Files yields, in its order.
func files(t testing.TB, st *store.Store, img Image) []string {
	t.Helper()
	var got []string
	err := Files(t.Context(), st, img, func(h *tar.Header, r io.Reader) error {
		content, err := io.ReadAll(r)
		switch h.Typeflag {
		case tar.TypeDir:
			got = append(got, h.Name+"/")
		case tar.TypeSymlink:
			got = append(got, h.Name+" -> "+h.Linkname)
		case tar.TypeLink:
			got = append(got, h.Name+" => "+h.Linkname)
		default:
			got = append(got, h.Name+"="+string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFilesMergesLayers(t *testing.T) {
	for _, test := range []struct {
		name   string
		layers [][]string
		want   []string
	}{
		{"one layer", [][]string{{"./", "./a/", "./a/f=1"}}, []string{"./", "a/", "a/f=1"}},
		{"upper wins", [][]string{{"f=1", "g=1"}, {"f=2"}}, []string{"g=1", "f=2"}},
		{"last of one layer wins", [][]string{{"f=1", "f=2"}}, []string{"f=2"}},
		{"whiteout", [][]string{{"d/", "d/f=1", "d/g=1"}, {"d/", "d/.wh.f"}}, []string{"d/g=1", "d/"}},
		{"whiteout of a directory", [][]string{{"d/", "d/f=1", "e=1"}, {".wh.d"}}, []string{"e=1"}},
		{"whiteout doesn't hide its own layer", [][]string{{"f=1"}, {"f=2", ".wh.f"}}, []string{"f=2"}},
		{"whiteout of nothing", [][]string{{"f=1"}, {".wh.x", "a/.wh.y"}}, []string{"f=1"}},
		{"opaque directory", [][]string{{"d/", "d/f=1", "d/g=1"}, {"d/", "d/h=2", "d/.wh..wh..opq"}}, []string{"d/", "d/h=2"}},
		{"directory by file and back", [][]string{{"d/", "d/f=1"}, {"d=2"}, {"d/", "d/g=3"}}, []string{"d/", "d/g=3"}},
		{"through a link of a lower layer", [][]string{{"usr/", "usr/lib/", "lib -> usr/lib", "usr/lib/f=1"}, {"lib/f=2", "lib/g=2"}},
			[]string{"usr/", "usr/lib/", "lib -> usr/lib", "usr/lib/f=2", "usr/lib/g=2"}},
		{"hard links", [][]string{{"f=1", "a => f", "z => a"}}, []string{"a=1", "f => a", "z => a"}},
		{"hard link to a lower layer's file", [][]string{{"f=1"}, {"g => f"}}, []string{"f=1", "g => f"}},
		{"hard link outlives its file", [][]string{{"f=1", "g => f", "h => f"}, {"f=2"}}, []string{"g=1", "h => g", "f=2"}},
	} {
		st := newStore(t)
		var layers []layer.Layer
		for i, entries := range test.layers {
			layers = append(layers, rawLayer(t, st, []layer.Compression{layer.Gzip, layer.None, layer.Zstd}[i], entries...))
		}
		img := write(t, st, nil, layers, Config{Platform: amd64})
		if diff := cmp.Diff(test.want, files(t, st, img)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestFilesVerifies(t *testing.T) {
	st := newStore(t)
	l := rawLayer(t, st, layer.Gzip, "f=1")
	called := func(*tar.Header, io.Reader) error { return errors.New("called") }

	wrong := l
	wrong.DiffID = digest.FromString("x")
	err := Files(t.Context(), st, write(t, st, nil, []layer.Layer{wrong}, Config{Platform: amd64}), called)
	if err == nil || !strings.Contains(err.Error(), "the config says") {
		t.Errorf("another diff ID: %v", err)
	}

	img := write(t, st, nil, []layer.Layer{l}, Config{Platform: amd64})
	name := st.Path(l.Desc.Digest)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, name, append(b, "trailing"...))
	if err := Files(t.Context(), st, img, called); err == nil || err.Error() == "called" {
		t.Errorf("a changed blob: %v", err)
	}

	for _, entries := range [][]string{{"f=1", "f/g=1"}, {"a => none"}, {"d/", "a => d"}, {"../x=1"}} {
		img := write(t, st, nil, []layer.Layer{rawLayer(t, st, layer.None, entries...)}, Config{Platform: amd64})
		if err := Files(t.Context(), st, img, called); err == nil || err.Error() == "called" {
			t.Errorf("%q: %v", entries, err)
		}
	}
}
