package check

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// The crates of testdata/popular.txt are all read, and what runs at build time is
// what Cargo's own metadata says.
func TestPopularCrates(t *testing.T) {
	if testing.Short() || os.Getenv("TWICE_TEST_NETWORK") != "1" {
		t.Skip("fetches 100 crates: set TWICE_TEST_NETWORK=1")
	}
	ctx := context.Background()
	tools := networkTools(t)
	l := popular(t)
	if len(l.Packages) != 100 {
		t.Fatalf("%d crates", len(l.Packages))
	}
	graph, err := readGraph(ctx, tools, l)
	if err != nil {
		t.Fatal(err)
	}
	scripts, macros := 0, 0
	for _, c := range graph {
		want := cargoMetadata(t, tools, c.LockPackage)
		got := metadata{len(c.BuildTime.Scripts) > 0, c.BuildTime.ProcMacro, c.BuildTime.Links}
		if got != want {
			t.Errorf("%s: %+v, Cargo says %+v", c.title(), got, want)
		}
		if c.BuildTime.Runs() == (c.Code == "") {
			t.Errorf("%s: runs %v, and its code is %q", c.title(), c.BuildTime.Runs(), c.Code)
		}
		if got.script {
			scripts++
		}
		if got.macro {
			macros++
		}
	}
	t.Logf("%d build scripts, %d procedural macros", scripts, macros)
	if scripts < 20 || macros < 10 {
		t.Errorf("only %d build scripts and %d procedural macros: the list has lost its point", scripts, macros)
	}
	// What was accepted is reviewed, and the same again with another lock.
	rows := &lock.Lock{}
	if _, err := Accept(rows, graph, []string{"all"}); err != nil {
		t.Fatal(err)
	}
	s := &subject{twiceLock: rows, graph: graph}
	for _, r := range s.runners() {
		if r.Review != reviewed {
			t.Errorf("%s %s: %s", r.Name, r.Version, r.Review)
		}
	}
}

func networkTools(t *testing.T) resolve.Tools {
	t.Helper()
	dir := os.Getenv("TWICE_TEST_CACHE")
	if dir == "" {
		dir = t.TempDir()
	}
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := address.ReadSettings(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	r, err := address.New(settings.Mirrors, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	f := &fetch.Fetcher{Store: st, Client: r.HTTPClient()}
	if err := r.Discover(context.Background(), f.Get); err != nil {
		t.Log(err)
	}
	return resolve.Tools{Store: st, Resolver: r, Fetcher: f}
}

func popular(t *testing.T) *cargo.LockFile {
	t.Helper()
	data, err := os.ReadFile("testdata/popular.txt")
	if err != nil {
		t.Fatal(err)
	}
	l := &cargo.LockFile{Version: 4}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] != "#" {
			l.Packages = append(l.Packages, cargo.LockPackage{Name: f[0], Version: f[1], Checksum: f[2], Source: "registry+https://github.com/rust-lang/crates.io-index"})
		}
	}
	return l
}

type metadata struct {
	script, macro bool
	links         string
}

// cargoMetadata unpacks a crate and asks Cargo.
func cargoMetadata(t *testing.T, tools resolve.Tools, p cargo.LockPackage) metadata {
	t.Helper()
	dir := t.TempDir()
	err := withCrate(context.Background(), tools, p, func(fsys fs.FS, root string) error {
		return fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			to := filepath.Join(dir, filepath.FromSlash(name))
			if d.IsDir() {
				return os.MkdirAll(to, 0o755)
			}
			if d.Type() != 0 {
				return nil
			}
			f, err := fsys.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			out, err := os.Create(to)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, f)
			return errors.Join(err, out.Close())
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", filepath.Join(dir, p.Name+"-"+p.Version, "Cargo.toml"))
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: cargo metadata: %v", p.Name, p.Version, err)
	}
	var doc struct {
		Packages []struct {
			Name    string
			Links   string
			Targets []struct{ Kind []string }
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	for _, x := range doc.Packages {
		if x.Name != p.Name {
			continue
		}
		m := metadata{links: x.Links}
		for _, target := range x.Targets {
			for _, k := range target.Kind {
				m.script = m.script || k == "custom-build"
				m.macro = m.macro || k == "proc-macro"
			}
		}
		return m
	}
	t.Fatalf("%s: not in Cargo's metadata", p.Name)
	return metadata{}
}
