package resolve

import (
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/remotestore"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// toolchainStore is the directory of a store that says of an image with a
// compiler that it is a pin's toolchain.
func toolchainStore(t *testing.T, key digest.Digest, compiler string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "theirs")
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := layer.NewTree()
	for _, files := range distComponents {
		for p, text := range files {
			if p == "bin/rustc" {
				text = compiler
			}
			if err := tree.Add(layer.File(ToolchainPrefix+"/"+p, 0o755, 0, []byte(text))); err != nil {
				t.Fatal(err)
			}
		}
	}
	l, err := layer.Write(t.Context(), st, tree, layer.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	im, err := image.Write(t.Context(), st, nil, []layer.Layer{l}, image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := RememberToolchain(t.Context(), Tools{Store: st}, key, im.Desc); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A store elsewhere may say of anything that it is the toolchain: only the files
// with the lock's digest are, and what isn't comes from the tarballs.
func TestClaimedToolchain(t *testing.T) {
	d := newDist(t, "1.95.0", "2026-04-16", "1.95.0 (0123abcd 2026-04-14)")
	(*dist)(nil).install(t)
	pin, err := Toolchain(t.Context(), d.tools(t), d.channel, []string{"rustfmt"}, []string{hostTriple})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		compiler string
		server   *dist
		ok       bool
	}{
		"the toolchain, no server":       {"the compiler", nil, true},
		"another compiler":               {"a hostile compiler", d, true},
		"another compiler and no server": {"a hostile compiler", nil, false},
	} {
		tools := c.server.tools(t)
		if tools.Remote, err = remotestore.Open(t.Context(), remotestore.Options{
			From: toolchainStore(t, pin.Tree, c.compiler), Warn: func(text string) { t.Log(text) }}); err != nil {
			t.Fatal(err)
		}
		tools.Remote.Attach(tools.Fetcher)
		tree, done, err := ToolchainTree(t.Context(), tools, pin.Pin)
		if !c.ok {
			if err == nil {
				t.Errorf("%s: it was taken", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := layer.TreeDigest(tree); err != nil || got != pin.Tree {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		done()
	}
}
