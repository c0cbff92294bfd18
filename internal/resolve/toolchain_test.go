package resolve

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/store"
)

// dist is a distribution server with one toolchain of small files, and the
// same toolchain as rustup would install it.
type dist struct {
	channel, date, version string
	files                  map[string][]byte // by path below the server's root
	manifest               string
	requests               []string
}

// components of the toolchain, with their files.
var distComponents = map[string]map[string]string{
	"rustc":           {"bin/rustc": "the compiler"},
	"cargo":           {"bin/cargo": "cargo"},
	"rust-std":        {"lib/rustlib/" + hostTriple + "/lib/libstd.rlib": "the standard library"},
	"rustfmt-preview": {"bin/rustfmt": "rustfmt"},
}

func newDist(t *testing.T, channel, date, version string) *dist {
	t.Helper()
	d := &dist{channel: channel, date: date, version: version, files: map[string][]byte{}}
	var m strings.Builder
	fmt.Fprintf(&m, "manifest-version = \"2\"\ndate = %q\n\n", date)
	for name, files := range distComponents {
		data := pack(t, name, files)
		p := "dist/" + date + "/" + name + ".tar.gz"
		d.files[p] = data
		sum := sha256.Sum256(data)
		fmt.Fprintf(&m, "[pkg.%s]\nversion = %q\n[pkg.%s.target.%s]\navailable = true\nurl = \"http://dist.test/%s\"\nhash = %q\n\n",
			name, version, name, hostTriple, p, hex.EncodeToString(sum[:]))
	}
	m.WriteString("[renames.rustfmt]\nto = \"rustfmt-preview\"\n[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\"]\n")
	d.manifest = m.String()
	name, _, dated := strings.Cut(channel, "-20")
	if dated {
		d.files["dist/"+date+"/channel-rust-"+name+".toml"] = []byte(d.manifest)
	} else {
		d.files["dist/channel-rust-"+channel+".toml"] = []byte(d.manifest)
	}
	return d
}

func pack(t *testing.T, name string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	top := name + "-1/" + name + "/"
	list := ""
	for p := range files {
		list += "file:" + p + "\n"
	}
	put := func(p, text string, mode int64) {
		if err := w.WriteHeader(&tar.Header{Name: top + p, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	put("manifest.in", list, 0o644)
	for p, text := range files {
		put(p, text, 0o755)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tools has a store of its own and no server but d; nil: none at all.
func (d *dist) tools(t *testing.T) Tools {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := strings.TrimPrefix(r.URL.Path, "/")
		if d == nil || d.files[p] == nil {
			http.NotFound(w, r)
			return
		}
		d.requests = append(d.requests, p)
		_, _ = w.Write(d.files[p])
	}))
	t.Cleanup(srv.Close)
	env := func(k string) string { return map[string]string{"TWICE_NO_DEFAULTS": "1"}[k] }
	r, err := address.New(address.Mirrors{Rust: []string{srv.URL}}, env)
	if err != nil {
		t.Fatal(err)
	}
	return Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Client: srv.Client(), Parallel: 1, Retry: fetch.Retry{Attempts: 1, Pause: time.Millisecond}}}
}

// install puts the toolchain where rustup would, and leaves RUSTUP_HOME there.
func (d *dist) install(t *testing.T) (dir string) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("RUSTUP_HOME", home)
	if d == nil {
		return ""
	}
	dir = filepath.Join(home, "toolchains", "any-name")
	var list []string
	put := func(p, text string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, p), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, files := range distComponents {
		list = append(list, name+"-"+hostTriple)
		parts := ""
		for p, text := range files {
			put(p, text, 0o755)
			parts += "file:" + p + "\n"
		}
		put("lib/rustlib/manifest-"+name+"-"+hostTriple, parts, 0o644)
	}
	slices.Sort(list)
	put("lib/rustlib/components", strings.Join(list, "\n")+"\n", 0o644)
	put("lib/rustlib/multirust-channel-manifest.toml", d.manifest, 0o644)
	return dir
}

// A nightly by its date is the same pin from the server and from an
// installation, and needs no server where it is installed.
func TestDatedNightly(t *testing.T) {
	ctx := context.Background()
	d := newDist(t, "nightly-2026-05-19", "2026-05-19", "1.97.0-nightly (0123abcd 2026-05-18)")
	(*dist)(nil).install(t)
	served, err := Toolchain(ctx, d.tools(t), d.channel, []string{"rustfmt"}, []string{hostTriple})
	if err != nil {
		t.Fatal(err)
	}
	if served.Channel != d.channel || len(served.Components) != 4 || served.Tree == "" {
		t.Errorf("%+v", served)
	}
	d.install(t)
	installed, err := Toolchain(ctx, (*dist)(nil).tools(t), d.channel, []string{"rustfmt"}, []string{hostTriple})
	if err != nil {
		t.Fatal(err)
	}
	if installed.Tree != served.Tree {
		t.Errorf("installed %s, served %s", installed.Tree, served.Tree)
	}
	for _, moving := range []string{"nightly", "stable", "beta", "1.95"} {
		if _, err := Toolchain(ctx, d.tools(t), moving, nil, nil); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", moving, err)
		}
	}
}

// A pin without a tree is served by tarballs alone: an installed toolchain of
// the same manifest could hold anything.
func TestWithoutTree(t *testing.T) {
	ctx := context.Background()
	d := newDist(t, "1.95.0", "2026-04-16", "1.95.0 (0123abcd 2026-04-14)")
	dir := d.install(t)
	pin, err := Toolchain(ctx, d.tools(t), d.channel, nil, []string{hostTriple})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/rustc"), []byte("another compiler"), 0o755); err != nil {
		t.Fatal(err)
	}
	bare := pin.Pin
	bare.Tree = ""
	tree, done, err := ToolchainTree(ctx, d.tools(t), bare)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if got, err := layer.TreeDigest(tree); err != nil || got != pin.Tree {
		t.Errorf("%s, %v; want %s", got, err, pin.Tree)
	}
	_, _, err = ToolchainTree(ctx, (*dist)(nil).tools(t), bare)
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("installed only: %v", err)
	}
	// `twice lock --update toolchain` fills the tree in; a plain one leaves the pin as it is.
	for _, move := range []bool{false, true} {
		p := &Project{Config: &config.File{Toolchain: config.Toolchain{Channel: d.channel, Components: []string{"rustfmt"}},
			Builds: []config.Build{{Target: hostTriple}}}}
		pin, err := Toolchain(ctx, d.tools(t), d.channel, []string{"rustfmt"}, []string{hostTriple})
		if err != nil {
			t.Fatal(err)
		}
		pin.Tree = ""
		got, err := p.relockToolchain(ctx, d.tools(t), &lock.Lock{Toolchain: pin}, move)
		if err != nil || (got.Tree != "") != move {
			t.Errorf("move %v: tree %q, %v", move, got.Tree, err)
		}
	}
}

// A toolchain that can't be had is had where the hint says.
func TestToolchainHints(t *testing.T) {
	ctx := context.Background()
	d := newDist(t, "1.95.0", "2026-04-16", "1.95.0 (0123abcd 2026-04-14)")
	t.Setenv("RUSTUP_HOME", t.TempDir())
	targets := []string{hostTriple}
	none := (*dist)(nil).tools(t)

	// follows: resolve: finding Rust %s: %w
	_, err := Toolchain(ctx, none, d.channel, nil, targets)
	if hint := fault.HintOf(err); hint != "add a mirror that has it to [mirrors]" && hint != "install it with `rustup toolchain install 1.95.0`, or set a mirror of Rust's distribution server" {
		t.Errorf("%v; hint %q", err, hint)
	}
	pin, err := Toolchain(ctx, d.tools(t), d.channel, nil, targets) // a mirror
	if err != nil {
		t.Fatal(err)
	}

	// follows: resolve: `rustup toolchain install %s` brings the same files
	missing := d.tools(t)
	files := d.files
	d.files = map[string][]byte{"dist/channel-rust-1.95.0.toml": files["dist/channel-rust-1.95.0.toml"]}
	if _, err := Toolchain(ctx, missing, d.channel, nil, targets); fault.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}
	if _, _, err := ToolchainTree(ctx, missing, pin.Pin); fault.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}

	// follows: resolve: set a mirror of Rust's distribution server; where this toolchain is installed
	bare := pin.Pin
	bare.Tree = ""
	if _, _, err := ToolchainTree(ctx, missing, bare); fault.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}
	d.files = files
	_, done, err := ToolchainTree(ctx, d.tools(t), bare)
	if err != nil {
		t.Fatal(err)
	}
	done()
	d.install(t)
	if installed, err := Toolchain(ctx, none, d.channel, nil, targets); err != nil || installed.Tree != pin.Tree {
		t.Errorf("%+v, %v", installed, err)
	}
	_, done, err = ToolchainTree(ctx, none, pin.Pin)
	if err != nil {
		t.Fatal(err)
	}
	done()
}

// Without a lock nobody may have to find out what is meant.
func TestLockedOnly(t *testing.T) {
	d := newDist(t, "1.94.1", "2026-03-19", "1.94.1 (0123abcd 2026-03-17)")
	t.Setenv("RUSTUP_HOME", t.TempDir())
	p, err := filled(t, workspace(), "[toolchain]\nchannel = \"1.94.1\"\n[[image]]\nbase = \"scratch\"\n")
	if err != nil {
		t.Fatal(err)
	}
	p.locked = true
	// follows: resolve: the sources ask for Rust %s with %s, and no %s says which bytes that is
	if _, _, err := p.builtin(context.Background(), d.tools(t)); !strings.HasPrefix(fault.HintOf(err), "run `twice lock`, or `dagger call lock`") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	l, err := p.Relock(context.Background(), d.tools(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Lock = l
	if err := p.answers(l.Format()); err != nil {
		t.Error(err)
	}
}

// The toolchains that Twice has by hash need no server to be locked.
func TestKnownToolchain(t *testing.T) {
	p := &Project{Config: &config.File{Toolchain: config.Toolchain{Channel: "nightly-2026-04-03", Components: []string{"rustfmt", "clippy", "rust-src", "llvm-tools"}},
		Builds: []config.Build{{Target: hostTriple}}}}
	(*dist)(nil).install(t)
	got, err := p.relockToolchain(context.Background(), (*dist)(nil).tools(t), &lock.Lock{}, false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range got.Components {
		names = append(names, c.Name)
	}
	want := []string{"cargo", "clippy-preview", "llvm-tools-preview", "rust-src", "rust-std", "rustc", "rustfmt-preview"}
	if !slices.Equal(names, want) || got.Tree != "" || got.Rustc == "" {
		t.Errorf("%v", got)
	}
	p.Config.Builds[0].Target = "aarch64-unknown-linux-gnu"
	if _, err := p.relockToolchain(context.Background(), (*dist)(nil).tools(t), &lock.Lock{}, false); err == nil {
		t.Error("a target that the pin doesn't have was locked")
	}
}
