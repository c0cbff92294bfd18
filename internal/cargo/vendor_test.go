package cargo

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

func reg(name, data string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, Size: int64(len(data)), ModTime: time.Unix(1000, 0), Linkname: data}
}

// crateFile packs headers; a regular file's content is in Linkname.
func crateFile(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		data := ""
		if h.Typeflag == tar.TypeReg {
			data, h.Linkname = h.Linkname, ""
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t testing.TB, st *store.Store, name, version, source string, data []byte) Crate {
	t.Helper()
	d, err := st.PutBytes(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	return Crate{Name: name, Version: version, Checksum: d.Encoded(), Source: source}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func listing(t *testing.T, tree *layer.Tree) []string {
	t.Helper()
	var all []string
	for _, e := range tree.Entries() {
		line := fmt.Sprintf("%c %o %d %s", e.Type, e.Mode, e.ModTime, e.Path)
		if e.Linkname != "" {
			line += " -> " + e.Linkname
		}
		if e.Type == tar.TypeReg {
			r, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			line += " = " + string(data)
		}
		all = append(all, line)
	}
	return all
}

func TestVendorTree(t *testing.T) {
	st := newStore(t)
	exe := reg("a-1.0.0/run.sh", "#!/bin/sh")
	exe.Mode = 0o775
	a1 := put(t, st, "a", "1.0.0", cratesIO, crateFile(t,
		reg("a-1.0.0/Cargo.toml", "[package]"), reg("a-1.0.0/src/lib.rs", "one"), exe,
		reg("a-1.0.0/.cargo-checksum.json", "not mine"), reg("a-1.0.0/.cargo-ok", "ok"), reg("a-1.0.0/.gitignore", "x"),
		tar.Header{Typeflag: tar.TypeSymlink, Name: "a-1.0.0/docs/LICENSE", Linkname: "../Cargo.toml"}))
	a2 := put(t, st, "a", "2.0.0+meta", cratesIO, crateFile(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "a-2.0.0+meta/", Mode: 0o700}, reg("a-2.0.0+meta/Cargo.toml", "two")))
	alt := put(t, st, "a", "1.0.0", "sparse+https://crates.test/index/", crateFile(t, reg("a-1.0.0/Cargo.toml", "other")))
	tree, closer, err := VendorTree(context.Background(), st, []Crate{alt, a2, a1, a1})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	cio, other := IndexDir(cratesIO), IndexDir(alt.Source)
	mark := func(c Crate) string { return `{"files":{},"package":"` + c.Checksum + `"}` }
	want := []string{
		"5 755 1153704088 " + other,
		"5 755 1153704088 " + other + "/a-1.0.0",
		"0 644 1153704088 " + other + "/a-1.0.0/.cargo-checksum.json = " + mark(alt),
		"0 644 1153704088 " + other + "/a-1.0.0/Cargo.toml = other",
		"5 755 1153704088 " + cio,
		"5 755 1153704088 " + cio + "/a-1.0.0",
		"0 644 1153704088 " + cio + "/a-1.0.0/.cargo-checksum.json = " + mark(a1),
		"0 644 1153704088 " + cio + "/a-1.0.0/.gitignore = x",
		"0 644 1153704088 " + cio + "/a-1.0.0/Cargo.toml = [package]",
		"5 755 1153704088 " + cio + "/a-1.0.0/docs",
		"2 777 1153704088 " + cio + "/a-1.0.0/docs/LICENSE -> ../Cargo.toml",
		"0 755 1153704088 " + cio + "/a-1.0.0/run.sh = #!/bin/sh",
		"5 755 1153704088 " + cio + "/a-1.0.0/src",
		"0 644 1153704088 " + cio + "/a-1.0.0/src/lib.rs = one",
		"5 755 1153704088 " + cio + "/a-2.0.0+meta",
		"0 644 1153704088 " + cio + "/a-2.0.0+meta/.cargo-checksum.json = " + mark(a2),
		"0 644 1153704088 " + cio + "/a-2.0.0+meta/Cargo.toml = two",
	}
	if diff := cmp.Diff(want, listing(t, tree)); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(other, "crates.test-") {
		t.Errorf("IndexDir of another registry is %s", other)
	}
}

func TestHostileCrates(t *testing.T) {
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	for _, c := range []struct {
		name, want string
		headers    []tar.Header
	}{
		{"climbing", "climbs", []tar.Header{reg("a-1.0.0/../../etc/passwd", "x")}},
		{"absolute", "absolute", []tar.Header{reg("/etc/passwd", "x")}},
		{"outside", "is not below a-1.0.0", []tar.Header{reg("b-1.0.0/x", "x")}},
		{"prefix only", "is not below a-1.0.0", []tar.Header{reg("a-1.0.0evil/x", "x")}},
		{"root is a file", "is not below a-1.0.0", []tar.Header{reg("a-1.0.0", "x")}},
		{"device", "device", []tar.Header{{Typeflag: tar.TypeChar, Name: "a-1.0.0/null"}}},
		{"fifo", "fifo", []tar.Header{{Typeflag: tar.TypeFifo, Name: "a-1.0.0/p"}}},
		{"hard link", "can't be in a crate", []tar.Header{reg("a-1.0.0/x", "x"), {Typeflag: tar.TypeLink, Name: "a-1.0.0/y", Linkname: "a-1.0.0/x"}}},
		{"link out", "leaves the crate", []tar.Header{link("a-1.0.0/x", "../../etc")}},
		{"absolute link", "leaves the crate", []tar.Header{link("a-1.0.0/x", "/etc")}},
		{"bent link", "leaves the crate", []tar.Header{link("a-1.0.0/d/up", ".."), link("a-1.0.0/x", "d/up/..")}},
		{"below a link", "not a directory", []tar.Header{link("a-1.0.0/d", "src"), reg("a-1.0.0/d/x", "x")}},
		{"twice", "is there twice", []tar.Header{reg("a-1.0.0/x", "1"), reg("a-1.0.0/x", "2")}},
	} {
		st := newStore(t)
		crate := put(t, st, "a", "1.0.0", cratesIO, crateFile(t, c.headers...))
		_, _, err := VendorTree(context.Background(), st, []Crate{crate})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "crate a 1.0.0") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDamagedCrates(t *testing.T) {
	st := newStore(t)
	whole := crateFile(t, reg("a-1.0.0/x", strings.Repeat("data", 10000)))
	for name, data := range map[string][]byte{
		"cut off": whole[:len(whole)-40], "wrong CRC": append(bytes.Clone(whole[:len(whole)-8]), 0, 0, 0, 0, 0, 0, 0, 0), "not gzip": []byte("hello"), "empty": {},
	} {
		c := put(t, st, "a", "1.0.0", cratesIO, data)
		if _, _, err := VendorTree(context.Background(), st, []Crate{c}); err == nil || !strings.Contains(err.Error(), "crate a 1.0.0") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	// A blob that rotted in the store.
	c := put(t, st, "a", "1.0.0", cratesIO, whole)
	file := st.Path(c.Digest())
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, crateFile(t, reg("a-1.0.0/x", "other")), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := VendorTree(context.Background(), st, []Crate{c}); err == nil || !strings.Contains(err.Error(), "the lock says "+c.Checksum) {
		t.Errorf("rotten blob: error %v", err)
	}
	missing := Crate{Name: "m", Version: "1.0.0", Checksum: sumA}
	if _, _, err := VendorTree(context.Background(), st, []Crate{missing}); err == nil || !strings.Contains(err.Error(), "crate m 1.0.0") {
		t.Errorf("missing blob: error %v", err)
	}
	twice := put(t, st, "a", "1.0.0", cratesIO, crateFile(t, reg("a-1.0.0/x", "1")))
	other := put(t, st, "a", "1.0.0", cratesIO, crateFile(t, reg("a-1.0.0/x", "2")))
	if _, _, err := VendorTree(context.Background(), st, []Crate{twice, other}); err == nil || !strings.Contains(err.Error(), "two checksums") {
		t.Errorf("two checksums: error %v", err)
	}
}

// unpack writes a tree to a directory.
func unpack(t *testing.T, tree *layer.Tree, dir string) {
	t.Helper()
	for _, e := range tree.Entries() {
		name := filepath.Join(dir, e.Path)
		var err error
		switch e.Type {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o755)
		case tar.TypeReg:
			var r io.ReadCloser
			if r, err = e.Open(); err == nil {
				var data []byte
				if data, err = io.ReadAll(r); err == nil {
					err = os.WriteFile(name, data, fs.FileMode(e.Mode))
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The real Cargo builds from a vendored tree without a network.
func TestCargoTakesTheVendoredTree(t *testing.T) {
	st := newStore(t)
	c := put(t, st, "dep", "1.2.3", cratesIO, crateFile(t,
		reg("dep-1.2.3/Cargo.toml", "[package]\nname = \"dep\"\nversion = \"1.2.3\"\nedition = \"2021\"\n"),
		reg("dep-1.2.3/src/lib.rs", "pub fn hello() -> &'static str { \"from the vendored crate\" }\n")))
	tree, closer, err := VendorTree(context.Background(), st, []Crate{c})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	vendor, app := t.TempDir(), t.TempDir()
	unpack(t, tree, vendor)
	lock := "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"dep\",\n]\n\n" +
		"[[package]]\nname = \"dep\"\nversion = \"1.2.3\"\nsource = \"" + cratesIO + "\"\nchecksum = \"" + c.Checksum + "\"\n"
	if _, err := ParseLock([]byte(lock)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Cargo.toml":         "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ndep = \"1.2.3\"\n",
		"Cargo.lock":         lock,
		"src/main.rs":        "fn main() { println!(\"{}\", dep::hello()) }\n",
		".cargo/config.toml": fmt.Sprintf("[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = %q\n", filepath.Join(vendor, IndexDir(cratesIO))),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(app, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(app, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("cargo", "run", "--quiet", "--locked", "--offline")
	cmd.Dir = app
	cmd.Env = append(os.Environ(), "CARGO_HOME="+t.TempDir(), "CARGO_TARGET_DIR="+t.TempDir(), "RUSTFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "from the vendored crate\n" {
		t.Errorf("cargo run: %v\n%s", err, out)
	}
}

func FuzzReadCrate(f *testing.F) {
	mutate.Add(f, crateFile(f, reg("a-1.0.0/Cargo.toml", "[package]"), reg("a-1.0.0/src/lib.rs", "one")))
	mutate.Add(f, crateFile(f, reg("a-1.0.0/../x", "x"), tar.Header{Typeflag: tar.TypeSymlink, Name: "a-1.0.0/l", Linkname: "../.."}))
	mutate.Add(f, crateFile(f, tar.Header{Typeflag: tar.TypeDir, Name: "a-1.0.0/"}, tar.Header{Typeflag: tar.TypeLink, Name: "a-1.0.0/h", Linkname: "a-1.0.0/x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		sp, err := spool.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer sp.Close()
		entries, _, sum, err := readCrate(context.Background(), bytes.NewReader(data), sp, "a-1.0.0")
		want := sha256.Sum256(data)
		if sum != hex.EncodeToString(want[:]) {
			t.Errorf("sum %s", sum)
		}
		if err != nil {
			return
		}
		tree := layer.NewTree()
		for _, e := range entries {
			if !strings.HasPrefix(e.Path, "a-1.0.0/") || e.Type == tar.TypeSymlink && !filepath.IsLocal(filepath.Join(filepath.Dir(strings.TrimPrefix(e.Path, "a-1.0.0/")), e.Linkname)) {
				t.Errorf("%s -> %s was let through", e.Path, e.Linkname)
			}
			if addWithParents(tree, e) != nil {
				return
			}
		}
	})
}
