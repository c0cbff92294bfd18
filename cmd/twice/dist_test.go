package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/lock"
	"github.com/rogpeppe/go-internal/testscript"
)

const hostTriple = "x86_64-unknown-linux-gnu"

// distTree is what Rust's distribution server would have below its root.
type distTree struct {
	date, version string
	packages      strings.Builder // of the manifest
	files         map[string][]byte
}

// distFile is a file of a component.
type distFile struct {
	mode int64
	read func() ([]byte, error)
}

// executable is a file with that text.
func executable(text string) distFile {
	return distFile{0o755, func() ([]byte, error) { return []byte(text), nil }}
}

// add packs files by path as a component, in the distribution's layout:
// NAME-VERSION-TARGET/COMPONENT/manifest.in, which is list ("": each file by name).
func (d *distTree) add(ts *testscript.TestScript, name, target, list string, files map[string]distFile) {
	var packed bytes.Buffer
	xz := exec.Command("xz", "-0", "-T0", "-c")
	xz.Stdout, xz.Stderr = &packed, os.Stderr
	in, err := xz.StdinPipe()
	ts.Check(err)
	ts.Check(xz.Start())
	w := tar.NewWriter(in)
	top, dir := name+"-0-"+target, name
	if name == "rust-std" {
		dir += "-" + target
	}
	put := func(p string, mode int64, data []byte) {
		ts.Check(w.WriteHeader(&tar.Header{Name: top + "/" + p, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(data))}))
		_, err := w.Write(data)
		ts.Check(err)
	}
	if list == "" {
		for _, p := range slices.Sorted(maps.Keys(files)) {
			list += "file:" + p + "\n"
		}
	}
	put("components", 0o644, []byte(dir+"\n"))
	put(dir+"/manifest.in", 0o644, []byte(list))
	for _, p := range slices.Sorted(maps.Keys(files)) {
		data, err := files[p].read()
		ts.Check(err)
		put(dir+"/"+p, files[p].mode, data)
	}
	ts.Check(w.Close())
	ts.Check(in.Close())
	ts.Check(xz.Wait())
	at := "dist/" + d.date + "/" + name + "-" + target + ".tar.xz"
	d.files[at] = packed.Bytes()
	sum := sha256.Sum256(packed.Bytes())
	if !strings.Contains(d.packages.String(), "[pkg."+name+"]\n") {
		fmt.Fprintf(&d.packages, "[pkg.%s]\nversion = %q\n", name, d.version)
	}
	fmt.Fprintf(&d.packages, "[pkg.%s.target.%s]\navailable = true\nxz_url = \"https://dist.test/%s\"\nxz_hash = %q\n", name, target, at, hex.EncodeToString(sum[:]))
}

// manifest is the channel's, with the profiles that rustup knows.
func (d *distTree) manifest() []byte {
	return []byte("manifest-version = \"2\"\ndate = \"" + d.date + "\"\n" + d.packages.String() +
		"[renames.rustfmt]\nto = \"rustfmt-preview\"\n[renames.clippy]\nto = \"clippy-preview\"\n" +
		"[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\"]\ndefault = [\"rustc\", \"cargo\", \"rust-std\", \"rustfmt-preview\", \"clippy-preview\"]\n")
}

// serve puts the tree on the loopback interface, in the place of the real
// server, and takes rustup's toolchains away.
func (d *distTree) serve(ts *testscript.TestScript) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := d.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	ts.Defer(srv.Close)
	ts.Setenv("TWICE_MIRROR_RUST", srv.URL)
	ts.Setenv("RUSTUP_HOME", "/nonexistent")
}

// serve-musl serves a nightly of 2026-05-20 with standard libraries for musl.
// Its cargo is a script, cargo.sh of the script's directory: no real one for these targets
// can be had here.
func cmdServeMusl(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: serve-musl")
	}
	d := &distTree{date: "2026-05-20", version: "1.97.0-nightly (0123abcd 2026-05-19)", files: map[string][]byte{}}
	type files = map[string]distFile
	d.add(ts, "cargo", hostTriple, "", files{"bin/cargo": executable(ts.ReadFile("cargo.sh"))})
	d.add(ts, "rustc", hostTriple, "", files{"bin/rustc": executable("#!/bin/sh\n")})
	d.add(ts, "rustfmt-preview", hostTriple, "", files{"bin/rustfmt": executable("#!/bin/sh\n")})
	d.add(ts, "clippy-preview", hostTriple, "", files{"bin/cargo-clippy": executable("#!/bin/sh\n")})
	for _, target := range []string{hostTriple, "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"} {
		d.add(ts, "rust-std", target, "", files{"lib/rustlib/" + target + "/lib/libstd.rlib": executable(target)})
	}
	d.files["dist/2026-05-20/channel-rust-nightly.toml"] = d.manifest()
	d.serve(ts)
}

// without-tree FILE takes the digest of the toolchain's files out of a lock.
func cmdWithoutTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: without-tree FILE")
	}
	l, err := lock.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	if l.Toolchain.Tree == "" {
		ts.Fatalf("it has none")
	}
	l.Toolchain.Tree = ""
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), l.Format(), 0o644))
}
