package main

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
	"github.com/rogpeppe/go-internal/testscript"
)

const hostTriple = "x86_64-unknown-linux-gnu"

// distTree is what Rust's distribution server has below its root, in a
// directory of the script's.
type distTree struct {
	dir           string
	date, version string
	packages      strings.Builder // of the manifest
	pack          func(ts *testscript.TestScript, to io.Writer) io.WriteCloser
}

func newDist(ts *testscript.TestScript, date, version string) *distTree {
	d := &distTree{dir: ts.MkAbs("dist-server"), date: date, version: version, pack: xzOf}
	ts.Check(os.MkdirAll(filepath.Join(d.dir, "dist", date), 0o755))
	return d
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
	at := "dist/" + d.date + "/" + name + "-" + target + ".tar.xz"
	f, err := os.Create(filepath.Join(d.dir, at))
	ts.Check(err)
	defer f.Close()
	sum := sha256.New()
	packed := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	z := d.pack(ts, packed)
	w := tar.NewWriter(z)
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
	ts.Check(z.Close())
	ts.Check(packed.Flush())
	if !strings.Contains(d.packages.String(), "[pkg."+name+"]\n") {
		fmt.Fprintf(&d.packages, "[pkg.%s]\nversion = %q\n", name, d.version)
	}
	fmt.Fprintf(&d.packages, "[pkg.%s.target.%s]\navailable = true\nxz_url = \"https://dist.test/%s\"\nxz_hash = %q\n", name, target, at, hex.EncodeToString(sum.Sum(nil)))
}

// xzOf packs by xz(1).
func xzOf(ts *testscript.TestScript, to io.Writer) io.WriteCloser {
	xz := exec.Command("xz", "-0", "-T0", "-c")
	xz.Stdout, xz.Stderr = to, os.Stderr
	in, err := xz.StdinPipe()
	ts.Check(err)
	ts.Check(xz.Start())
	return xzProcess{in, xz}
}

type xzProcess struct {
	io.WriteCloser
	xz *exec.Cmd
}

func (p xzProcess) Close() error { return errors.Join(p.WriteCloser.Close(), p.xz.Wait()) }

// manifest is the channel's, with the profiles that rustup knows.
func (d *distTree) manifest() []byte {
	return []byte("manifest-version = \"2\"\ndate = \"" + d.date + "\"\n" + d.packages.String() +
		"[renames.rustfmt]\nto = \"rustfmt-preview\"\n[renames.clippy]\nto = \"clippy-preview\"\n" +
		"[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\"]\ndefault = [\"rustc\", \"cargo\", \"rust-std\", \"rustfmt-preview\", \"clippy-preview\"]\n")
}

// serve writes the manifest of a channel, puts the tree on the loopback interface, in the place of the real
// server, and takes rustup's toolchains away.
func (d *distTree) serve(ts *testscript.TestScript, channel string) {
	ts.Check(os.WriteFile(filepath.Join(d.dir, "dist", d.date, "channel-rust-"+channel+".toml"), d.manifest(), 0o644))
	srv := httptest.NewServer(http.FileServer(http.Dir(d.dir)))
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
	d := newDist(ts, "2026-05-20", "1.97.0-nightly (0123abcd 2026-05-19)")
	type files = map[string]distFile
	d.add(ts, "cargo", hostTriple, "", files{"bin/cargo": executable(ts.ReadFile("cargo.sh"))})
	d.add(ts, "rustc", hostTriple, "", files{"bin/rustc": executable("#!/bin/sh\n")})
	d.add(ts, "rustfmt-preview", hostTriple, "", files{"bin/rustfmt": executable("#!/bin/sh\n")})
	d.add(ts, "clippy-preview", hostTriple, "", files{"bin/cargo-clippy": executable("#!/bin/sh\n")})
	for _, target := range []string{hostTriple, "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"} {
		d.add(ts, "rust-std", target, "", files{"lib/rustlib/" + target + "/lib/libstd.rlib": executable(target)})
	}
	d.serve(ts, "nightly")
}

// nightly sets NIGHTLY to the channel of the nightly that rustup has
// here: machines have one of some day. With arguments it serves that toolchain, as the distribution's server
// would, with the components named.
//
// The tarballs hold what the installed manifests name, whole. They are xz whose
// chunks are stored: xz takes a minute for a compiler.
func cmdNightly(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: nightly [COMPONENT…]")
	}
	all, err := rust.Toolchains(context.Background())
	ts.Check(err)
	var newest rust.Toolchain
	var pin rust.Pin
	for _, t := range all {
		m, err := t.Manifest()
		ts.Check(err)
		if channel := m.Channel(); strings.HasPrefix(channel, "nightly-") && t.Date > newest.Date {
			newest = t
			pin, err = m.Pin(channel, t.Host, args, nil)
			ts.Check(err)
		}
	}
	if newest.Dir == "" {
		ts.Fatalf("rustup has no nightly")
	}
	ts.Setenv("NIGHTLY", pin.Channel)
	if len(args) == 0 {
		return
	}
	d := newDist(ts, pin.Date, pin.Rustc)
	d.pack = func(_ *testscript.TestScript, to io.Writer) io.WriteCloser { return newStoredXZ(to) }
	for _, c := range pin.Components {
		one := pin
		one.Components = []rust.Component{c}
		tree, err := rust.InstalledTree(context.Background(), newest.Dir, one)
		ts.Check(err)
		files := map[string]distFile{}
		for _, e := range tree.Entries() {
			if e.Type == tar.TypeReg {
				files[e.Path] = distFile{e.Mode, func() ([]byte, error) { return os.ReadFile(filepath.Join(newest.Dir, e.Path)) }}
			}
		}
		d.add(ts, c.Name, c.Target, "", files)
	}
	d.serve(ts, "nightly")
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
