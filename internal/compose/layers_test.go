package compose

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

func TestBuilder(t *testing.T) {
	ctx := context.Background()
	text := "[config]\nuser = \"65532\"\nworking-dir = \"/home\"\nenv = [\"PATH=/bin\"]\n"
	a := deb{name: "a", version: "1", files: []tar.Header{file("./bin/a", "a")}}
	tool := layer.NewTree()
	if err := tool.Add(layer.File("bin/rustc", 0o700, 77, []byte("rustc"))); err != nil {
		t.Fatal(err)
	}
	input := Input{Name: "toolchain", Prefix: "usr/local", Tree: func(context.Context) (*layer.Tree, error) { return tool, nil }}

	var digests, diffIDs []digest.Digest
	for range 2 { // each from an empty store
		st := testStore(t)
		def := define(t, st, text, a)
		img, err := Builder(ctx, st, def, nil, input)
		if err != nil {
			t.Fatal(err)
		}
		if img.Config.Config.User != "65532" || img.Config.Config.WorkingDir != "/home" || img.Config.Config.Env[0] != "PATH=/bin" || img.Config.Architecture != "amd64" {
			t.Errorf("configuration %+v", img.Config)
		}
		if n := len(img.Manifest.Layers); n != 2 || img.Manifest.Layers[0].MediaType != ocispec.MediaTypeImageLayerZstd {
			t.Errorf("%d layers, the first %s", n, img.Manifest.Layers[0].MediaType)
		}
		var files []string
		err = image.Files(ctx, st, img, func(h *tar.Header, _ io.Reader) error {
			files = append(files, h.Name)
			return nil
		})
		if err != nil || !strings.Contains(strings.Join(files, " "), "usr/bin/a") || !strings.Contains(strings.Join(files, " "), "usr/local/bin/rustc") {
			t.Errorf("files %q, %v", files, err)
		}
		digests = append(digests, img.Desc.Digest)
		diffIDs = img.Config.RootFS.DiffIDs

		// Again: neither the packages nor the toolchain are read.
		if err := os.Remove(st.Path(def.Lock.Packages[0].Digest())); err != nil {
			t.Fatal(err)
		}
		key, err := layer.TreeDigest(tool)
		if err != nil {
			t.Fatal(err)
		}
		known := Input{Name: "toolchain", Prefix: "usr/local", Key: key, Tree: func(context.Context) (*layer.Tree, error) {
			return nil, errors.New("the toolchain was read")
		}}
		again, err := Builder(ctx, st, def, nil, known)
		if err != nil || again.Desc.Digest != img.Desc.Digest {
			t.Errorf("again: %s, %v; want %s", again.Desc.Digest, err, img.Desc.Digest)
		}

		// A layer that is gone is made again, which takes the packages.
		if err := os.Remove(st.Path(img.Manifest.Layers[0].Digest)); err != nil {
			t.Fatal(err)
		}
		if _, err := Builder(ctx, st, def, nil, known); err == nil || !strings.Contains(err.Error(), "not in the store") {
			t.Errorf("without layer and package: %v", err)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("two empty stores gave %s and %s", digests[0], digests[1])
	}
	// The bytes that this composer makes. If they change, so must Version.
	want := []digest.Digest{
		"sha256:d92f5394dce770cab0998200defae9b00837cd085b3bc05247a1417fb7b73ed0",
		"sha256:49e04142eda71c598e71b2010e917e80e6b2df48e2b66afda37b9986c836610b",
	}
	if d := cmp.Diff(want, diffIDs); d != "" {
		t.Error(d)
	}
}

// The key must tell apart whatever changes the layer, and nothing else.
func TestBaseKey(t *testing.T) {
	st := testStore(t)
	a := deb{name: "a", version: "1", files: []tar.Header{file("./bin/a", "a")}}
	make := func(text string, change func(*images.Definition)) digest.Digest {
		def := define(t, st, text, a)
		if change != nil {
			change(&def)
		}
		return baseKey(def)
	}
	same := make("", nil)
	for name, key := range map[string]digest.Digest{
		"the configuration": make("[config]\nuser = \"1\"\n", nil),
		"a group unasked":   make("[group.git]\npackages = [\"git\"]\n", nil),
		"the pool path":     make("", func(d *images.Definition) { d.Lock.Packages[0].Path = "pool/main/y/a.deb" }),
		"the index":         make("", func(d *images.Definition) { d.Lock.Index.Size = 7 }),
	} {
		if key != same {
			t.Errorf("%s changes the key", name)
		}
	}
	for name, key := range map[string]digest.Digest{
		"the package":     make("", func(d *images.Definition) { d.Lock.Packages[0].SHA256 = strings.Repeat("0", 64) }),
		"the date":        make("", func(d *images.Definition) { d.Lock.Date = d.Lock.Date.AddDate(0, 0, 1) }),
		"what is dropped": make("drop = [\"usr/share/doc\"]\n", nil),
		"the database":    make("database = \"status\"\n", nil),
		"a link":          make("[links]\n\"x\" = \"usr\"\n", nil),
		"a file":          make("[[file]]\npath = \"x\"\nmode = 1\ncontent = \"\"\n", nil),
		"a group": make("[group.git]\npackages = [\"git\"]\n", func(d *images.Definition) {
			with, err := d.With("git")
			if err != nil {
				t.Fatal(err)
			}
			*d = with
		}),
	} {
		if key == same {
			t.Errorf("%s does not change the key", name)
		}
	}
}

// Layers of trees with the same digest are the same bytes, whatever owners,
// times and modes the trees came with.
func TestInputsAreCanonical(t *testing.T) {
	ctx := context.Background()
	trees := []*layer.Tree{layer.NewTree(), layer.NewTree()}
	for i, tree := range trees {
		for _, e := range []layer.Entry{
			layer.Dir("lib", int64(0o700+0o55*i), int64(i)), layer.File("lib/a", int64(0o600+0o44*i), int64(i), []byte("a")),
			layer.File("run", int64(0o744+0o11*i), int64(i), nil), layer.Symlink("link", "lib/a", int64(i)), layer.Link("hard", "lib/a"),
		} {
			e.UID = i
			if err := tree.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	var images []digest.Digest
	for _, tree := range trees {
		img, err := Single(ctx, testStore(t), Input{Name: "source", Epoch: 1_700_000_000, Tree: func(context.Context) (*layer.Tree, error) { return tree, nil }}, layer.Zstd)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img.Desc.Digest)
	}
	if images[0] != images[1] {
		t.Errorf("%s and %s", images[0], images[1])
	}
	out, err := canonical(trees[1], "usr/local", 9)
	check(t, list(t, out), err, `
d0755 @0 usr
d0755 @0 usr/local
-0644 @9 usr/local/hard "a"
d0755 @9 usr/local/lib
h0644 @9 usr/local/lib/a -> usr/local/hard
l0777 @9 usr/local/link -> lib/a
-0755 @9 usr/local/run
`)
	st := testStore(t)
	scratch, err := Scratch(ctx, st, trees[1], layer.None)
	if err != nil || len(scratch.Manifest.Layers) != 1 || scratch.Desc.Digest == images[1] {
		t.Errorf("scratch image %+v, %v", scratch.Desc, err)
	}
}
