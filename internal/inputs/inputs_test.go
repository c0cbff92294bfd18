package inputs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	toolchain "github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
)

const cargoLock = `version = 4

[[package]]
name = "app"
version = "0.1.0"
`

func imageNames(t *testing.T, p *resolve.Project) []string {
	t.Helper()
	names, err := p.ImageNames()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// locked is a project as UseLock leaves it without a twice.lock.
func locked(t *testing.T) *resolve.Project {
	t.Helper()
	p := &resolve.Project{
		CargoLockText: cargoLock,
		Config: &config.File{
			Builder: config.Builder{Image: "builder-rust"},
			Builds:  []config.Build{{Name: "app", Target: resolve.DefaultTarget}},
			Images:  []config.Image{{Base: "runtime-cc", Labels: map[string]string{"a": "b"}}, {Base: "runtime-cc"}},
		},
		Lock: &lock.Lock{},
	}
	var err error
	if p.CargoLock, err = cargo.ParseLock([]byte(cargoLock)); err != nil {
		t.Fatal(err)
	}
	if p.Lock.Toolchain, err = resolve.BuiltinToolchain(); err != nil {
		t.Fatal(err)
	}
	p.Lock.Inputs = p.Config.InputsDigest()
	for _, name := range imageNames(t, p) {
		def, err := images.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Lock.Images = append(p.Lock.Images, lock.Image{Name: name, Definition: def.Identity(), Lock: def.Lock})
	}
	return p
}

func TestRequestSaysWhatComposingNeeds(t *testing.T) {
	p := locked(t)
	r, err := NewRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Project()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(imageNames(t, p), imageNames(t, q)); d != "" {
		t.Errorf("images: %s", d)
	}
	for _, name := range imageNames(t, p) {
		a, errA := p.Definition(name)
		b, errB := q.Definition(name)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if d := cmp.Diff(p.Lock.Toolchain.Pin.Tree, q.Lock.Toolchain.Pin.Tree); d != "" {
		t.Errorf("toolchain: %s", d)
	}
	again, err := NewRequest(q)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, again); d != "" {
		t.Errorf("a request of a request differs: %s", d)
	}
}

// So does one for another machine, with the toolchain of the builder's packages.
func TestRequestOfAnotherTarget(t *testing.T) {
	p := locked(t)
	p.Config.Toolchain = config.Toolchain{Channel: "debian", Components: []string{"rustfmt"}}
	p.Config.Builder.Image = resolve.DebianBuilder
	p.Config.Builds = append(p.Config.Builds, config.Build{Name: "arm", Target: "aarch64-unknown-linux-gnu"})
	byDigest := "registry.example/x@" + digest.FromString("x").String()
	p.Config.Images = []config.Image{{Base: "runtime-cc-arm64"}, {Base: byDigest, Platform: "linux/arm64"}, {Base: byDigest}}
	p.Lock.Toolchain = lock.Toolchain{}
	p.Lock.Toolchain.Channel = "debian"
	p.Lock.Images = nil
	for _, name := range imageNames(t, p) {
		def, err := images.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Lock.Images = append(p.Lock.Images, lock.Image{Name: name, Definition: def.Identity(), Lock: def.Lock})
	}
	r, err := NewRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Project()
	if err != nil {
		t.Fatal(err)
	}
	layersP, errP := p.BuilderLayers()
	layersQ, errQ := q.BuilderLayers()
	if err := errors.Join(errP, errQ); err != nil || !slices.Equal(layersP, layersQ) || len(layersP) != 2 {
		t.Errorf("layers %v and %v, %v", layersP, layersQ, err)
	}
	if d := cmp.Diff(imageNames(t, p), imageNames(t, q)); d != "" {
		t.Errorf("images: %s", d)
	}
	a, errP := p.Definition(resolve.DebianBuilder)
	b, errQ := q.Definition(resolve.DebianBuilder)
	if d := cmp.Diff(a, b); d != "" || errP != nil || errQ != nil || len(a.Selected) == 0 {
		t.Errorf("builder: %s %v %v", d, errP, errQ)
	}
	var bases []string
	for _, im := range q.Config.Images {
		bases = append(bases, im.Input())
	}
	if want := []string{byDigest, byDigest + " linux/arm64", "runtime-cc-arm64"}; !slices.Equal(bases, want) {
		t.Errorf("bases %q", bases)
	}
	again, err := NewRequest(q)
	if d := cmp.Diff(r, again); d != "" || err != nil {
		t.Errorf("a request of a request differs: %s %v", d, err)
	}
}

// What shapes the build and the image, and not the inputs, is no part of a request:
// an engine that caches by it composes nothing again.
func TestRequestIsAsSmallAsCanBe(t *testing.T) {
	a, b := locked(t), locked(t)
	b.Config.Builds[0].Features = []string{"more"}
	b.Config.Images[0].Labels["a"] = "c"
	ra, errA := NewRequest(a)
	rb, errB := NewRequest(b)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ra, rb); d != "" {
		t.Error(d)
	}
}

// A toolchain that is known by its tarballs alone: they are files to fetch and
// to bundle, and no two sets of them are one layer.
func TestToolchainByTarballs(t *testing.T) {
	p := locked(t)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := address.New(address.Mirrors{}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	tools := resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st}}
	toolchains := func() (n int) {
		items, err := Items(tools, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Kind == "toolchain" {
				n++
			}
		}
		return n
	}
	pin := &p.Lock.Toolchain.Pin
	if n := toolchains(); n != 0 || toolchainKey(*pin) != pin.Tree {
		t.Errorf("with a tree: %d tarballs, key %s", n, toolchainKey(*pin))
	}
	pin.Tree = ""
	if n := toolchains(); n != len(pin.Components) {
		t.Errorf("without a tree: %d tarballs, want %d", n, len(pin.Components))
	}
	before := toolchainKey(*pin)
	pin.Components = slices.Clone(pin.Components)
	pin.Components[0].SHA256 = digest.FromString("another tarball")
	if after := toolchainKey(*pin); after == before || after == "" {
		t.Errorf("keys %s, %s", before, after)
	}
	q, err := NewRequest(p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := q.Project(); err != nil || toolchainKey(again.Lock.Toolchain.Pin) != toolchainKey(*pin) {
		t.Errorf("a request loses the tarballs: %v", err)
	}
}

func TestBrokenRequests(t *testing.T) {
	good, err := NewRequest(locked(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Request){
		"settings":   func(r *Request) { r.Settings = "{" },
		"Cargo.lock": func(r *Request) { r.CargoLock = "[[package" },
		"twice.lock": func(r *Request) { r.Lock = strings.Replace(r.Lock, "sha256", "sha257", 1) },
	} {
		r := good
		change(&r)
		if _, err := r.Project(); err == nil {
			t.Errorf("a request with broken %s is taken", name)
		}
	}
}

// small is a set of images of one small layer each.
func small(t *testing.T, st *store.Store) *Set {
	t.Helper()
	one := func(name string) image.Image {
		tree := layer.NewTree()
		if err := tree.Add(layer.File(name, 0o644, 0, []byte(name))); err != nil {
			t.Fatal(err)
		}
		im, err := compose.Scratch(t.Context(), st, tree, layer.Zstd)
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	return &Set{
		Builder: one("builder"), Vendor: one("vendor"), Git: one("git"), GitBuilder: one("gitbuilder"),
		GitRepos: []plan.GitRepo{{URL: "https://git.example.org/b", Folder: "b"}, {URL: "https://git.example.org/a", Folder: "a"}},
		Runtimes: map[string]image.Image{"runtime-cc": one("cc"), "127.0.0.1:5000/base@sha256:00": one("base")},
	}
}

func testStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestLayoutIsReadBack(t *testing.T) {
	st := testStore(t)
	set, dir := small(t, st), filepath.Join(t.TempDir(), "layout")
	if err := set.WriteLayout(t.Context(), st, dir); err != nil {
		t.Fatal(err)
	}
	to := testStore(t)
	got, err := Import(t.Context(), to, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(set, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-written +read:\n%s", d)
	}
	for name, im := range got.images() {
		for _, l := range im.Manifest.Layers {
			if want := strings.HasPrefix(name, runtimePrefix); to.Has(l.Digest) != want {
				t.Errorf("layer of %s in the store: %t, want %t", name, !want, want)
			}
		}
	}
}

// A builder whose layers take something away isn't given to engines that only unpack.
func TestWhiteoutsAreRefused(t *testing.T) {
	st := testStore(t)
	set := small(t, st)
	for name, refused := range map[string]bool{"etc/.wh.hosts": true, "etc/.wh..wh..opq": true, "etc/hosts": false} {
		tree := layer.NewTree()
		if err := tree.Add(layer.File(name, 0o644, 0, nil)); err != nil {
			t.Fatal(err)
		}
		base, err := compose.Scratch(t.Context(), st, tree, layer.Gzip)
		if err != nil {
			t.Fatal(err)
		}
		if set.Builder, err = compose.On(t.Context(), st, base, []string{"CUDA_HOME=/usr/local/cuda"}); err != nil {
			t.Fatal(err)
		}
		if got := set.Env()["CUDA_HOME"]; got != "/usr/local/cuda" {
			t.Errorf("CUDA_HOME is %q", got)
		}
		err = set.WriteLayout(t.Context(), st, filepath.Join(t.TempDir(), "layout"))
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a layout holds that its descriptors don't say is refused.
func TestDamagedLayoutIsRefused(t *testing.T) {
	st := testStore(t)
	set, dir := small(t, st), filepath.Join(t.TempDir(), "layout")
	if err := set.WriteLayout(t.Context(), st, dir); err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	open := func(name string) (io.ReadCloser, error) {
		read[name] = true
		return os.Open(filepath.Join(dir, name))
	}
	if _, err := Import(t.Context(), testStore(t), open); err != nil {
		t.Fatal(err)
	}
	if len(read) < 10 {
		t.Fatalf("only %d files are read", len(read))
	}
	for bad := range read {
		for i, damage := range []func([]byte) []byte{
			func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			func(b []byte) []byte { return b[:len(b)-1] },
			nil, // missing
		} {
			_, err := Import(context.Background(), testStore(t), func(name string) (io.ReadCloser, error) {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || name != bad {
					return io.NopCloser(bytes.NewReader(b)), err
				}
				if damage == nil {
					return nil, fs.ErrNotExist
				}
				return io.NopCloser(bytes.NewReader(damage(b))), nil
			})
			if err == nil && !(i == 0 && bad == "index.json") { // which has no digest
				t.Errorf("a damaged %s is taken", bad)
			}
		}
	}
}

// A bundle's toolchain is used if its files are the locked ones, whatever it
// says of itself.
func TestForeignToolchainIsRefused(t *testing.T) {
	t.Setenv("RUSTUP_HOME", t.TempDir())
	st, p := testStore(t), locked(t)
	r, err := address.New(address.Mirrors{}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	tools := resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Client: r.HTTPClient(), Offline: true}}
	tree := layer.NewTree()
	if err := tree.Add(layer.File(resolve.ToolchainPrefix+"/bin/rustc", 0o755, 0, []byte("#!/bin/sh"))); err != nil {
		t.Fatal(err)
	}
	im, err := compose.Scratch(t.Context(), st, tree, layer.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []digest.Digest{p.Lock.Toolchain.Tree, ""} {
		if pin == "" { // what it really is: then it is taken
			small := layer.NewTree()
			if err := small.Add(layer.File("bin/rustc", 0o755, 0, []byte("#!/bin/sh"))); err != nil {
				t.Fatal(err)
			}
			if pin, err = layer.TreeDigest(small); err != nil {
				t.Fatal(err)
			}
			p.Lock.Toolchain.Tree = pin
		}
		if err := resolve.RememberToolchain(t.Context(), tools, pin, im.Desc); err != nil {
			t.Fatal(err)
		}
	}
	taken, done := rust(tools, p)
	if _, err := taken.Tree(t.Context()); err != nil {
		t.Errorf("the locked toolchain: %v", err)
	}
	done()
	refused, done := rust(tools, locked(t))
	defer done()
	if _, err := refused.Tree(t.Context()); err == nil || !strings.Contains(err.Error(), "its files hash to") {
		t.Errorf("another toolchain: %v", err)
	}
}

// A request says which crates are committed with the sources: they are no
// input of its own.
func TestRequestOfCommittedCrates(t *testing.T) {
	text := "version = 4\n\n[[package]]\nname = \"dep\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"" + strings.Repeat("0", 64) + "\"\n"
	p := project(t, text)
	p.Lock = &lock.Lock{Inputs: digest.FromString("x"), Toolchain: lock.Toolchain{Pin: toolchain.Pin{Channel: "1.95.0", Tree: digest.FromString("tree")}}}
	for _, committed := range [][]string{nil, {"registry+https://github.com/rust-lang/crates.io-index"}} {
		p.SetCommittedSources(committed)
		req, err := NewRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := req.Project()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(again.Crates()), len(p.Crates()); got != want || want != 1-len(committed) {
			t.Errorf("committed %v: %d crates, want %d", committed, got, want)
		}
	}
}
