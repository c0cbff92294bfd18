package normalize

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// randomLayer returns entries over few names, half of the time in canonical
// order. With paths, some lead through symbolic links.
func randomLayer(r *rand.Rand, paths bool) []string {
	names := []string{"a", "b", "a-b", ".wh.a", ".wh.b", ".wh..wh..opq", "+", ".wh.+", "c"}
	name := func() string {
		n := names[r.IntN(len(names))]
		for range r.IntN(3) {
			n = path.Join(names[r.IntN(3)], n)
		}
		return n
	}
	var in []string
	for i := range 1 + r.IntN(6) {
		switch r.IntN(6) {
		case 0:
			if paths {
				in = append(in, name()+" -> "+name())
			} else {
				in = append(in, "b/s -> "+name())
			}
		case 1:
			in = append(in, name()+" => "+name())
		case 2, 3:
			in = append(in, name()+"/")
		default:
			in = append(in, fmt.Sprintf("%s=%d", name(), i))
		}
	}
	if r.IntN(2) == 0 {
		key := func(s string) string {
			return strings.TrimSuffix(strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == '=' })[0], "/")
		}
		slices.SortStableFunc(in, func(a, b string) int { return layer.ComparePaths(key(a), key(b)) })
	}
	return in
}

// Whatever can be streamed comes out as if it had been sorted, and what came
// out stays as it is.
func TestRandomLayers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	streams := 0
	for range 800 {
		in := randomLayer(r, true)
		b := entries(t, in...)
		c, err := scan(t.Context(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), epoch, os.TempDir())
		if err != nil {
			if _, err := rewriteStream(t.Context(), io.Discard, bytes.NewReader(b), epoch); !errors.Is(err, errUnordered) {
				t.Fatalf("%q: sorted it is refused, streamed: %v", in, err)
			}
			continue
		}
		c.Close()
		got, streamed := rewritten(t, b)
		again, _ := rewritten(t, got)
		if !bytes.Equal(got, again) {
			t.Errorf("rewritten twice: %s", cmp.Diff(lines(t, got), lines(t, again)))
		}
		if t.Failed() {
			t.Fatalf("%q", in)
		}
		if streamed {
			streams++
		}
	}
	if streams < 80 {
		t.Errorf("only %d of 800 layers were streamed", streams)
	}
}

// dirBlobs is a layout as image reads it.
type dirBlobs struct {
	documents
	dir string
}

func (d dirBlobs) Open(dg digest.Digest) (*os.File, error) {
	return os.Open(filepath.Join(d.dir, "blobs", "sha256", dg.Encoded()))
}

// merged is what a container finds: type, link target and content of each path.
func merged(t testing.TB, dir string) (map[string]string, error) {
	t.Helper()
	roots, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	blobs := dirBlobs{documents{dirSource(dir)}, dir}
	img, err := image.Load(t.Context(), blobs, roots.roots[0])
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = image.Files(t.Context(), blobs, img, func(h *tar.Header, r io.Reader) error {
		b, err := io.ReadAll(r)
		if h.Typeflag == tar.TypeLink {
			got[h.Name] = got[h.Linkname]
		} else {
			got[h.Name] = fmt.Sprintf("%c %s %s", h.Typeflag, h.Linkname, b)
		}
		return err
	})
	return got, err
}

// A container finds the same in an image before and after. (A layer with a path
// through a link that a lower layer has and it replaces itself is beyond what
// can be told from one layer.)
func TestRandomImages(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range 150 {
		layers := [][]string{randomLayer(r, false), randomLayer(r, false), randomLayer(r, false)}
		f := newFixture(t)
		f.root(t, f.image(t, "amd64", layer.None, nil, entries(t, layers[0]...), entries(t, layers[1]...), entries(t, layers[2]...)), "")
		want, err := merged(t, f.dir)
		if err != nil {
			continue
		}
		out := filepath.Join(f.dir, "out")
		if _, err := Normalize(t.Context(), f.dir, out, Options{Compression: layer.None}); err != nil {
			continue
		}
		got, err := merged(t, out)
		if err != nil {
			continue // a directory that was only implied, below a file of a lower layer
		}
		// A directory that was only implied may have got an entry.
		maps.DeleteFunc(got, func(p, what string) bool { return want[p] == "" && strings.HasPrefix(what, "5") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", layers, diff)
		}
		compared++
	}
	if compared < 25 {
		t.Errorf("only %d of 150 images were compared", compared)
	}
}
