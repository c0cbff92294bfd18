package rust

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/layer"
)

// realToolchains are those that rustup installed on this machine: the tests of
// this project need one anyway.
func realToolchains(t testing.TB) []Toolchain {
	t.Helper()
	all, err := Toolchains(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("rustup has no toolchain here")
	}
	return all
}

func TestRealToolchains(t *testing.T) {
	ctx := context.Background()
	for _, tc := range realToolchains(t) {
		m, err := tc.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if IsMoving(m.Channel()) || tc.Host == "" {
			t.Errorf("%s: channel %s, host %s", tc.Name, m.Channel(), tc.Host)
		}
		pin, err := m.Pin(m.Channel(), tc.Host, []string{"rustfmt", "clippy"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if dir, err := Installed(ctx, pin); err != nil || dir != tc.Dir {
			t.Errorf("%s: found %q, %v", tc.Name, dir, err)
		}
		tree, err := InstalledTree(ctx, tc.Dir, pin)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"bin/rustc", "bin/cargo", "bin/rustfmt", "bin/cargo-clippy"} {
			if e, ok := tree.Get(name); !ok || e.Mode != 0o755 {
				t.Errorf("%s: %s: %+v", tc.Name, name, e)
			}
		}
		for _, e := range tree.Entries() {
			if strings.Contains(e.Path, "multirust") || strings.Contains(e.Path, "manifest-") || strings.HasPrefix(e.Path, "share/doc/rust/html/") {
				t.Errorf("%s: %s is not of the pin's components", tc.Name, e.Path)
			}
		}
		_, err = m.Pin(m.Channel(), tc.Host, []string{"rust-src", "rustc-dev", "llvm-tools", "rust-analyzer"}, []string{"aarch64-unknown-linux-gnu", "wasm32-unknown-unknown"})
		if err != nil {
			t.Errorf("%s: %v", tc.Name, err)
		}
	}
}

// packDist makes a tarball of an installed component, in the layout of the
// distribution's.
func packDist(t testing.TB, tc Toolchain, name string) []byte {
	t.Helper()
	stage := t.TempDir()
	top := name + "-0.0.0-" + tc.Host
	list, err := os.ReadFile(filepath.Join(tc.Dir, rustlib, "manifest-"+name+"-"+tc.Host))
	if err != nil {
		t.Fatal(err)
	}
	dir := name
	if name == "rust-std" {
		dir += "-" + tc.Host
	}
	write(t, filepath.Join(stage, top), map[string]string{"components": dir + "\n", "install.sh!": "#!/bin/sh\n", dir + "/manifest.in": string(list)})
	for line := range strings.Lines(string(list)) {
		_, p, _ := strings.Cut(strings.TrimSpace(line), ":")
		to := filepath.Join(stage, top, dir, p)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", filepath.Join(tc.Dir, p), to).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	cmd := exec.Command("tar", "-C", stage, "--use-compress-program=xz -0", "-cf", "-", top)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A tarball of the real rustfmt makes the tree that rustup installed.
func TestRealComponentTree(t *testing.T) {
	ctx := context.Background()
	tc := realToolchains(t)[0]
	st := newStore(t)
	pin := Pin{Channel: "real", Components: []Component{component(t, st, "rustfmt-preview", tc.Host, packDist(t, tc, "rustfmt-preview"))}}
	tree, closer, err := ComponentTree(ctx, st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	installed, err := InstalledTree(ctx, tc.Dir, pin)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Len() == 0 {
		t.Error("the tree is empty")
	}
	sameDigest(t, installed, tree)
}

func BenchmarkParseManifest(b *testing.B) {
	data, err := os.ReadFile(filepath.Join(realToolchains(b)[0].Dir, rustlib, manifestName))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := ParseManifest(data); err != nil {
			b.Fatal(err)
		}
	}
}

// The minimal profile of a real toolchain, from its installation.
func BenchmarkInstalledTreeDigest(b *testing.B) {
	tc, pin := minimal(b)
	for b.Loop() {
		tree, err := InstalledTree(context.Background(), tc.Dir, pin)
		if err != nil {
			b.Fatal(err)
		}
		var size int64
		for _, e := range tree.Entries() {
			size += e.Size
		}
		b.SetBytes(size)
		if _, err := layer.TreeDigest(tree); err != nil {
			b.Fatal(err)
		}
	}
}

// The minimal profile of a real toolchain, from tarballs.
func BenchmarkComponentTree(b *testing.B) {
	tc, pin := minimal(b)
	st := newStore(b)
	for i, c := range pin.Components {
		pin.Components[i] = component(b, st, c.Name, c.Target, packDist(b, tc, c.Name))
	}
	for b.Loop() {
		_, closer, err := ComponentTree(context.Background(), st, pin)
		if err != nil {
			b.Fatal(err)
		}
		closer.Close()
	}
}

func minimal(b *testing.B) (Toolchain, Pin) {
	tc := realToolchains(b)[0]
	m, err := tc.Manifest()
	if err != nil {
		b.Fatal(err)
	}
	pin, err := m.Pin(m.Channel(), tc.Host, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return tc, pin
}
