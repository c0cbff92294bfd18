package rust

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

const (
	host  = "x86_64-unknown-linux-gnu"
	other = "aarch64-unknown-linux-gnu"
)

func hash(c string) string { return strings.Repeat(c, 64) }

func target(pkg, triple, hash string) string {
	return fmt.Sprintf("[pkg.%s.target.%s]\navailable = true\nurl = \"https://dist.test/dist/2026-04-16/%s.tar.gz\"\nhash = %q\nxz_url = \"https://dist.test/x/dist/2026-04-16/%s-%s.tar.xz\"\nxz_hash = %q\ncomponents = []\nextensions = []\n\n",
		pkg, triple, pkg, hash, pkg, strings.Trim(triple, `"`), hash)
}

// sample is a manifest of a few packages.
func sample(version string) string {
	pkg := func(name string) string {
		return "[pkg." + name + "]\nversion = \"" + version + " (0123abcd 2026-04-14)\"\n\n"
	}
	return "manifest-version = \"2\"\ndate = \"2026-04-16\"\n\n" +
		pkg("cargo") + target("cargo", host, hash("1")) +
		pkg("rustc") + target("rustc", host, hash("2")) +
		pkg("rust-std") + target("rust-std", host, hash("3")) + target("rust-std", other, hash("4")) +
		"[pkg.rust-std.target.sparc-unknown-none]\navailable = false\n\n" +
		pkg("rustfmt-preview") + target("rustfmt-preview", host, hash("5")) +
		pkg("rust-src") + target("rust-src", `"*"`, hash("6")) +
		"[[pkg.rust.target.x86_64-unknown-linux-gnu.components]]\npkg = \"rustc\"\ntarget = \"x86_64-unknown-linux-gnu\"\nis_extension = false\n\n" +
		"[renames.rustfmt]\nto = \"rustfmt-preview\"\n\n[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\"]\ndefault = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\", \"rustfmt-preview\"]\n"
}

func mustParse(t testing.TB, text string) *Manifest {
	t.Helper()
	m, err := ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPin(t *testing.T) {
	m := mustParse(t, sample("1.95.0"))
	for _, channel := range []string{"1.95.0", "1.95", "stable", "stable-2026-04-16"} {
		pin, err := m.Pin(channel, host, []string{"rustfmt", "rustfmt-preview", "rust-src", "rust-std-" + other}, []string{other})
		if err != nil {
			t.Fatal(err)
		}
		at := func(name string) string { return "x/dist/2026-04-16/"[2:] + name + ".tar.xz" }
		sum := func(c string) digest.Digest { return digest.Digest("sha256:" + hash(c)) }
		want := Pin{Channel: "1.95.0", Date: "2026-04-16", Rustc: "1.95.0 (0123abcd 2026-04-14)", Host: host, Components: []Component{
			{"cargo", host, at("cargo-" + host), sum("1"), -1},
			{"rust-src", "*", at("rust-src-*"), sum("6"), -1},
			{"rust-std", other, at("rust-std-" + other), sum("4"), -1},
			{"rust-std", host, at("rust-std-" + host), sum("3"), -1},
			{"rustc", host, at("rustc-" + host), sum("2"), -1},
			{"rustfmt-preview", host, at("rustfmt-preview-" + host), sum("5"), -1},
		}}
		if diff := cmp.Diff(want, pin); diff != "" {
			t.Errorf("%s:\n%s", channel, diff)
		}
	}
	for version, want := range map[string]string{"1.96.0-nightly": "nightly-2026-04-16", "1.96.0-beta.3": "beta-2026-04-16", "1.95.0": "1.95.0"} {
		if got := mustParse(t, sample(version)).Channel(); got != want {
			t.Errorf("channel of %s is %s", version, got)
		}
	}
	dated := Pin{Channel: "1.95.0", Date: "2026-04-16"}
	for channel, want := range map[string]bool{"1.95.0": true, "stable-2026-04-16": true, "stable-2026-04-17": false, "stable": false, "1.95": false, "nightly-2026-04-16": false} {
		if dated.Answers(channel) != want {
			t.Errorf("the pin answers %s: %v", channel, !want)
		}
	}
	names, err := m.Profile("default")
	if err != nil || !slices.Contains(names, "rustfmt-preview") {
		t.Errorf("profile: %q, %v", names, err)
	}
	if pin, err := m.Pin("1.95.0", host, names, nil); err != nil || len(pin.Components) != 4 {
		t.Errorf("default profile: %+v, %v", pin, err)
	}
	// follows: rust: toolchain profile %.50q is not known
	if _, err := m.Profile("huge"); fault.HintOf(err) != "use minimal, default or complete" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	for _, name := range []string{"minimal", "default"} {
		if _, err := m.Profile(name); err != nil {
			t.Error(err)
		}
	}
	// follows: rust: components of this toolchain are listed by `rustup component list`
	if _, err := m.Pin("1.95.0", host, []string{"rustfmt", "gcc"}, nil); !strings.Contains(fault.HintOf(err), "rustup component list") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := m.Pin("1.95.0", host, []string{"rustfmt"}, nil); err != nil {
		t.Error(err)
	}
}

func TestPinRefuses(t *testing.T) {
	m := mustParse(t, sample("1.95.0"))
	for _, c := range []struct {
		channel, host string
		components    []string
		targets       []string
		want          string
	}{
		{"1.94.0", host, nil, nil, "the manifest is that of 1.95.0"},
		{"1.9", host, nil, nil, "the manifest is that of 1.95.0"},
		{"nightly-2026-04-16", host, nil, nil, "the manifest is that of 1.95.0"},
		{"stable-2026-04-17", host, nil, nil, "the manifest is that of 1.95.0"},
		{"../x", host, nil, nil, "is not one"},
		{"1.95.0", "sparc-unknown-none", nil, nil, "no rustc for the host"},
		{"1.95.0", host, []string{"gcc"}, nil, "no component"},
		{"1.95.0", host, nil, []string{"sparc-unknown-none"}, "not available"},
		{"1.95.0", host, nil, []string{"nowhere"}, "not available"},
	} {
		if _, err := m.Pin(c.channel, c.host, c.components, c.targets); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
	for name, edit := range map[string][2]string{
		"hash":    {hash("2"), "xyz"},
		"address": {"https://dist.test/x/dist/2026-04-16/rustc-" + host, "https://dist.test/x/dist/../../rustc"},
		"form":    {"https://dist.test/x/dist/2026-04-16/rustc-" + host + ".tar.xz", "https://dist.test/rustc.exe"},
	} {
		m := mustParse(t, strings.ReplaceAll(sample("1.95.0"), edit[0], edit[1]))
		if _, err := m.Pin("1.95.0", host, nil, nil); err == nil || !strings.Contains(err.Error(), "component rustc") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "version",
		"manifest-version = \"3\"": "only 2 is known",
		"manifest-version = \"2\"\ndate = \"../..\"":                              "date",
		"manifest-version = \"2\"\ndate = \"2026-04-16\"":                         "no packages",
		"manifest-version = \"2\"\ndate = ":                                       "manifest:2:",
		"manifest-version = \"2\"\ndate = \"2026-04-16\"\n[pkg.a]\nversion = 1\n": "manifest:4:",
		strings.Repeat("#", maxManifest+1):                                        "more than",
	} {
		if _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: error %v, want %q", text, err, want)
		}
	}
}

func TestChannels(t *testing.T) {
	for channel, want := range map[string]struct {
		moving bool
		path   string
	}{
		"1.95.0":             {false, "dist/channel-rust-1.95.0.toml"},
		"1.95":               {true, "dist/channel-rust-1.95.toml"},
		"1.95.0-beta.3":      {false, "dist/channel-rust-1.95.0-beta.3.toml"},
		"1.95.0-beta":        {true, "dist/channel-rust-1.95.0-beta.toml"},
		"stable":             {true, "dist/channel-rust-stable.toml"},
		"beta":               {true, "dist/channel-rust-beta.toml"},
		"nightly":            {true, "dist/channel-rust-nightly.toml"},
		"nightly-2026-04-03": {false, "dist/2026-04-03/channel-rust-nightly.toml"},
	} {
		path, err := ManifestPath(channel)
		if err != nil || path != want.path || IsMoving(channel) != want.moving {
			t.Errorf("%s: moving %v, %s, %v", channel, IsMoving(channel), path, err)
		}
	}
	for _, channel := range []string{"", "x", "../nightly", "nightly-2026-13-01", "nightly-2026-04-03-" + host, "1", "1.2.3.4", "1.x", "1.95.0-rc", "1.95.0/../x"} {
		if _, err := ManifestPath(channel); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%q: error %v", channel, err)
		}
	}
}

func TestToolchainFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       ToolchainFile
	}{
		{"rust-toolchain.toml", "[toolchain]\nchannel = \"nightly-2026-04-03\"\ncomponents = [\"rust-src\"]\ntargets = [\"wasm32-unknown-unknown\"]\nprofile = \"minimal\"\n",
			ToolchainFile{Channel: "nightly-2026-04-03", Profile: "minimal", Components: []string{"rust-src"}, Targets: []string{"wasm32-unknown-unknown"}}},
		{"rust-toolchain.toml", "[toolchain]\ncomponents = [\"clippy\"]\n", ToolchainFile{Components: []string{"clippy"}}},
		{"a/rust-toolchain", "1.95.0\n", ToolchainFile{Channel: "1.95.0"}},
		{"rust-toolchain", "[toolchain]\nchannel = \"stable\"\n", ToolchainFile{Channel: "stable"}},
	} {
		c.want.File = c.name
		got, err := ParseToolchainFile(c.name, []byte(c.text))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", c.text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"[toolchain]\npath = \"/opt/rust\"\n": "directory of one machine",
		"[toolchain]\nchannel = \"../x\"\n":   "is not one",
		"[toolchain]\nprofile = \"x\"\n":      "profile",
		"[other]\n":                           "no [toolchain]",
		"[toolchain\n":                        "rust-toolchain.toml:1:",
		"":                                    "no [toolchain]",
		strings.Repeat("#", maxToolchainFile) + "#": "more than",
	} {
		if _, err := ParseToolchainFile("rust-toolchain.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v", text, err)
		}
	}
	// follows: rust: %s:%d: toolchain.path %.100q is a directory of one machine
	// follows: rust: toolchain channel %.100q is not one
	for _, c := range []struct{ text, hint, mended string }{
		{"[toolchain]\npath = \"/opt/rust\"\n", "name a channel", "[toolchain]\nchannel = \"1.95.0\"\n"},
		{"[toolchain]\nchannel = \"newest\"\n", `name a release ("1.95.0"), or a dated channel ("nightly-2026-04-03")`, "[toolchain]\nchannel = \"nightly-2026-04-03\"\n"},
	} {
		if _, err := ParseToolchainFile("rust-toolchain.toml", []byte(c.text)); fault.HintOf(err) != c.hint {
			t.Errorf("%v; hint %q", err, fault.HintOf(err))
		}
		if _, err := ParseToolchainFile("rust-toolchain.toml", []byte(c.mended)); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseToolchainFile("rust-toolchain", []byte("/opt/rust\n")); err == nil {
		t.Error("a path in the old form is no error")
	}
}

// fakeToolchain writes an installed toolchain of a few small files.
func fakeToolchain(t *testing.T, dir, manifest string) {
	t.Helper()
	write(t, dir, map[string]string{
		"lib/rustlib/multirust-channel-manifest.toml": manifest,
		"lib/rustlib/multirust-config.toml":           "config_version = \"1\"\n",
		"lib/rustlib/components":                      "cargo-" + host + "\nrustc-" + host + "\nrust-std-" + host + "\nrust-src\n",
		"lib/rustlib/rust-installer-version":          "3",
		"lib/rustlib/manifest-cargo-" + host:          "file:bin/cargo\nfile:share/doc/LICENSE\n",
		"lib/rustlib/manifest-rustc-" + host:          "file:bin/rustc\nfile:lib/librustc.so\ndir:lib/rustlib/etc\n",
		"lib/rustlib/manifest-rust-std-" + host:       "file:lib/rustlib/" + host + "/lib/libstd.rlib\n",
		"lib/rustlib/manifest-rust-src":               "dir:lib/rustlib/src\n",
		"bin/cargo!":                                  "cargo", "share/doc/LICENSE": "license", "bin/rustc!": "rustc", "lib/librustc.so": "so",
		"lib/rustlib/etc/tool.py!": "tool", "lib/rustlib/etc/deep/er/x": "x", "lib/rustlib/" + host + "/lib/libstd.rlib": "std",
		"lib/rustlib/src/lib.rs": "src", "bin/stranger!": "not in any component",
	})
}

// write writes files; a name that ends in "!" is executable.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, strings.TrimSuffix(name, "!"))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, "!") {
			mode = 0o755
		}
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func paths(tree *layer.Tree) []string {
	var all []string
	for _, e := range tree.Entries() {
		if e.Type != tar.TypeDir {
			all = append(all, fmt.Sprintf("%o %s", e.Mode, e.Path))
		}
	}
	return all
}

func TestInstalled(t *testing.T) {
	ctx := context.Background()
	home := t.TempDir()
	t.Setenv("RUSTUP_HOME", home)
	m := mustParse(t, sample("1.95.0"))
	pin, err := m.Pin("1.95.0", host, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// follows: rust: run `rustup toolchain install %s --profile minimal`
	if _, err := Installed(ctx, pin); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fault.HintOf(err), "rustup toolchain install 1.95.0") {
		t.Errorf("nothing installed: %v", err)
	}
	dir := filepath.Join(home, "toolchains", "stable-"+host)
	older := filepath.Join(home, "toolchains", "older")
	fakeToolchain(t, older, strings.ReplaceAll(sample("1.95.0"), hash("2"), hash("9")))
	fakeToolchain(t, dir, sample("1.95.0"))
	if err := os.Symlink(dir, filepath.Join(home, "toolchains", "1.95.0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, "toolchains", "custom"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := Installed(ctx, pin)
	if err != nil || got != dir {
		t.Errorf("Installed = %s, %v; want %s", got, err, dir)
	}
	all, err := Toolchains(ctx)
	if err != nil || len(all) != 2 || all[0].Name != "1.95.0" || all[0].Host != host || all[0].Date != "2026-04-16" {
		t.Errorf("Toolchains = %+v, %v", all, err)
	}
	withFmt, err := m.Pin("1.95.0", host, []string{"rustfmt"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Installed(ctx, withFmt); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fault.HintOf(err), "rustup component add") {
		t.Errorf("component missing: %v, hint %q", err, fault.HintOf(err))
	}
	// follows: rust: toolchain %s lacks %s: %w
	// What rustup's `component add` writes.
	whole := filepath.Join(home, "toolchains", "whole")
	fakeToolchain(t, whole, sample("1.95.0"))
	write(t, whole, map[string]string{
		"lib/rustlib/components":                       "cargo-" + host + "\nrustc-" + host + "\nrust-std-" + host + "\nrust-src\nrustfmt-preview-" + host + "\n",
		"lib/rustlib/manifest-rustfmt-preview-" + host: "file:bin/rustfmt\n", "bin/rustfmt!": "rustfmt",
	})
	if got, err := Installed(ctx, withFmt); err != nil || got != whole {
		t.Errorf("with the component: %s, %v", got, err)
	}
	if err := os.RemoveAll(whole); err != nil {
		t.Fatal(err)
	}
	tree, err := InstalledTree(ctx, dir, pin)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"755 bin/cargo", "755 bin/rustc", "644 lib/librustc.so", "644 lib/rustlib/etc/deep/er/x", "755 lib/rustlib/etc/tool.py",
		"644 lib/rustlib/" + host + "/lib/libstd.rlib", "644 share/doc/LICENSE"}
	if diff := cmp.Diff(want, paths(tree)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileInstalled(t *testing.T) {
	pin := Pin{Components: []Component{{Name: "cargo", Target: host}}}
	for manifest, want := range map[string]string{
		"file:../../etc/passwd\n": "not below the root", "file:/etc/passwd\n": "absolute", "link:x\n": "neither a file nor a dir",
		"file:gone\n": "no such file", "dir:gone\n": "no such file", "file:bin\n": "a directory", "file:pipe\n": "not a file",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"lib/rustlib/manifest-cargo-" + host: manifest, "bin/x": "x"})
		if out, err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if _, err := InstalledTree(context.Background(), dir, pin); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", manifest, err)
		}
	}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// distTar makes a tar of "path" to content; a name that ends in "!" is
// executable, content "=path" is a hard link.
func distTar(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimSuffix(pairs[i], "!"), Mode: 0o644, Size: int64(len(pairs[i+1]))}
		if h.Name != pairs[i] {
			h.Mode = 0o755
		}
		if link, ok := strings.CutPrefix(pairs[i+1], "="); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, link, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, pairs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func xzip(t testing.TB, data []byte) []byte {
	t.Helper()
	cmd := exec.Command("xz", "-0", "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func component(t testing.TB, st *store.Store, name, target string, data []byte) Component {
	t.Helper()
	d, err := st.PutBytes(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	return Component{Name: name, Target: target, SHA256: d, Size: int64(len(data))}
}

// The tarballs of the fake toolchain make the tree that is installed.
func TestComponentTree(t *testing.T) {
	ctx := context.Background()
	st := newStore(t)
	std := "rust-std-" + host
	pin := Pin{Channel: "1.95.0", Components: []Component{
		component(t, st, "cargo", host, xzip(t, distTar(t,
			"c-1/components", "cargo\n", "c-1/rust-installer-version", "3", "c-1/install.sh!", "sh",
			"c-1/cargo/manifest.in", "file:bin/cargo\nfile:share/doc/LICENSE", "c-1/cargo/bin/cargo", "cargo", "c-1/cargo/share/doc/LICENSE", "license", "c-1/cargo/not-listed", "x"))),
		component(t, st, "rust-std", host, gz(t, distTar(t,
			"s-1/"+std+"/manifest.in", "file:lib/rustlib/"+host+"/lib/libstd.rlib\n", "s-1/"+std+"/lib/rustlib/"+host+"/lib/libstd.rlib", "std"))),
		component(t, st, "rustc", host, xzip(t, distTar(t, // a combined installer
			"r-1/cargo/manifest.in", "file:bin/cargo\n", "r-1/cargo/bin/cargo", "another cargo",
			"r-1/rustc/manifest.in", "file:bin/rustc\nfile:lib/librustc.so\ndir:lib/rustlib/etc\n",
			"r-1/rustc/bin/rustc!", "rustc", "r-1/rustc/lib/librustc.so", "so",
			"r-1/rustc/lib/rustlib/etc/tool.py!", "tool", "r-1/rustc/lib/rustlib/etc/deep/er/x", "x"))),
	}}
	tree, closer, err := ComponentTree(ctx, st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	dir := t.TempDir()
	fakeToolchain(t, dir, sample("1.95.0"))
	installed, err := InstalledTree(ctx, dir, pin)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(paths(installed), paths(tree)); diff != "" {
		t.Error(diff)
	}
	sameDigest(t, installed, tree)
}

func sameDigest(t *testing.T, a, b *layer.Tree) {
	t.Helper()
	x, err := layer.TreeDigest(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := layer.TreeDigest(b)
	if err != nil {
		t.Fatal(err)
	}
	if x != y {
		t.Errorf("tree digests differ: %s, %s", x, y)
	}
}

func TestHardLinksInTarballs(t *testing.T) {
	st := newStore(t)
	pin := Pin{Components: []Component{component(t, st, "cargo", host, gz(t, distTar(t,
		"c/cargo/manifest.in", "file:bin/a\nfile:bin/b\n", "c/cargo/bin/a!", "same", "c/cargo/bin/b", "=c/cargo/bin/a")))}}
	tree, closer, err := ComponentTree(context.Background(), st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if diff := cmp.Diff([]string{"755 bin/a", "755 bin/b"}, paths(tree)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileTarballs(t *testing.T) {
	st := newStore(t)
	good := distTar(t, "c/cargo/manifest.in", "file:x\n", "c/cargo/x", "x")
	xzGood := xzip(t, good)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"not compressed":   {good, "neither xz nor gzip"},
		"empty":            {nil, "EOF"},
		"cut off":          {xzGood[:len(xzGood)-20], ""},
		"no component":     {gz(t, distTar(t, "c/other/manifest.in", "")), "no directory cargo"},
		"no manifest":      {gz(t, distTar(t, "c/cargo/x", "x")), "no manifest.in"},
		"missing file":     {gz(t, distTar(t, "c/cargo/manifest.in", "file:gone\n")), "names gone"},
		"climbing list":    {gz(t, distTar(t, "c/cargo/manifest.in", "file:../x\n")), "not below the root"},
		"climbing entry":   {gz(t, distTar(t, "c/cargo/../../x", "x")), "climbs"},
		"two roots":        {gz(t, distTar(t, "c/cargo/x", "x", "d/cargo/x", "x")), "is not below c"},
		"link to nothing":  {gz(t, distTar(t, "c/cargo/x", "=c/cargo/gone")), "not a file before it"},
		"link to outsider": {gz(t, distTar(t, "c/cargo/x", "=etc/passwd")), "not a file before it"},
	} {
		_, _, err := ComponentTree(context.Background(), st, Pin{Components: []Component{component(t, st, "cargo", host, c.data)}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "component cargo-"+host) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	c := component(t, st, "cargo", host, xzGood)
	if err := os.Chmod(st.Path(c.SHA256), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(st.Path(c.SHA256), xzip(t, append(good, make([]byte, 1024)...)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ComponentTree(context.Background(), st, Pin{Components: []Component{c}}); err == nil || !strings.Contains(err.Error(), "the lock says") {
		t.Errorf("rotten blob: error %v", err)
	}
}
