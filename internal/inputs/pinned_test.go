package inputs

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// The maintainers' way to pin what new locks, toolchains or a new compressor give:
//
//	TWICE_TEST_NETWORK=1 go test ./internal/inputs -run TestPinnedLayersAreWhatIsMade -update
var update = flag.Bool("update", false, "rewrite internal/compose/pinned.json")

// builtin is a layer of our own locks.
type builtin struct {
	name string
	def  images.Definition // or else
	in   compose.Input
	c    layer.Compression
}

// builtins are all that pinned.json is to list: each image with each group that
// steps have by themselves, layers of other targets as the builder has them, and
// the toolchain.
func builtins(t *testing.T, tools resolve.Tools) []builtin {
	t.Helper()
	var out []builtin
	for _, name := range images.Names() {
		if name == resolve.EngineImage { // it is unpacked and never a layer
			continue
		}
		def, err := images.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		c := layer.Compression(def.Compression)
		if strings.HasPrefix(name, "cross-") || strings.HasPrefix(name, "rust-std-") {
			c = layer.Zstd
		}
		out = append(out, builtin{name: name, def: def, c: c})
		if _, ok := def.Groups[resolve.GitGroup]; ok {
			with, err := def.With(resolve.GitGroup)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, builtin{name: name + " with git", def: with, c: c})
		}
	}
	pin, err := resolve.BuiltinToolchain()
	if err != nil {
		t.Fatal(err)
	}
	in, _ := rust(tools, &resolve.Project{Lock: &lock.Lock{Toolchain: pin}})
	return append(out, builtin{name: in.Name, in: in, c: layer.Zstd})
}

func (b builtin) pin() (compose.Pin, bool) {
	if b.in.Key != "" {
		return compose.PinOfInput(b.in, b.c)
	}
	return compose.PinOf(b.def, b.c)
}

// A lock that moves takes its pin along: without one a machine that has a remote
// store makes the layer all the same.
func TestEveryBuiltinLayerIsPinned(t *testing.T) {
	if *update {
		t.Skip("they are about to be")
	}
	for _, b := range builtins(t, resolve.Tools{}) {
		if p, ok := b.pin(); !ok || p.Name != b.name {
			t.Errorf("%s: no pin is known (%q)", b.name, p.Name)
		}
	}
}

// What is pinned is what composing gives, from an empty store.
func TestPinnedLayersAreWhatIsMade(t *testing.T) {
	if os.Getenv("TWICE_TEST_NETWORK") != "1" {
		t.Skip("needs Debian's archive; set TWICE_TEST_NETWORK=1")
	}
	if !*update && os.Getenv("TWICE_TEST_LONG") != "1" {
		t.Skip("makes every image; set TWICE_TEST_LONG=1")
	}
	r, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	tools := resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st}}
	var made []compose.Pin
	for _, b := range builtins(t, tools) {
		p, err := makePin(t.Context(), tools, b)
		if err != nil {
			t.Fatalf("%s: %v", b.name, err)
		}
		made = append(made, p)
	}
	if *update {
		text, err := json.MarshalIndent(made, "", "  ")
		if err == nil {
			err = os.WriteFile("../compose/pinned.json", append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile("../compose/pinned.json")
	if err != nil {
		t.Fatal(err)
	}
	var listed []compose.Pin
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&listed); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(listed, made) {
		t.Errorf("pinned.json lists %+v, made are %+v", listed, made)
	}
}

// makePin makes a layer and says what it is.
func makePin(ctx context.Context, tools resolve.Tools, b builtin) (compose.Pin, error) {
	var im image.Image
	var err error
	if b.in.Key != "" {
		im, err = compose.Single(ctx, tools.Store, b.in, b.c)
	} else {
		b.def.Compression = string(b.c)
		if err = tools.Fetcher.Fetch(ctx, compose.Items(b.def, tools.Resolver)); err == nil {
			im, err = compose.Builder(ctx, tools.Store, b.def, nil)
		}
	}
	if err != nil {
		return compose.Pin{}, err
	}
	p, _ := b.pin()
	p.Name, p.Digest, p.Size, p.DiffID = b.name, im.Manifest.Layers[0].Digest, im.Manifest.Layers[0].Size, im.Config.RootFS.DiffIDs[0]
	return p, nil
}
