// Command release builds the released programs of this repository, each twice,
// and writes what goes with them. scripts/release builds and runs it.
//
// # What is built
//
// `go build -trimpath -ldflags=-s -w` of one package for each platform, from
// a commit without changes, with CGO_ENABLED=0. Side A and side B are two clones
// of the repository in different folders, each with a build cache of its own, so
// that nothing that A compiled is read by B. B has another home, time zone, umask,
// number of processors and environment. Modules are shared: they are inputs, and
// go.sum has their hashes.
//
// # What is written
//
//   - NAME-VERSION-OS-ARCH[.exe], a program a platform
//   - SHA256SUMS of these, as sha256sum -c reads it
//   - NAME-OS-ARCH-cdx-vVERSION.json for each, a CycloneDX 1.6 document of the modules
//     that Go recorded in the program
//   - NAME-provenance-vVERSION.json, an in-toto statement, SLSA v1, of all of them
//
// All of it is a function of the commit, the version of Go and the platforms.
// Nothing is written if any program differs; the difference is printed then.
//
// Exit status: 0 done, 1 the two builds differ, 2 an error.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// platform is what a program is built for.
type platform struct{ OS, Arch string }

// platforms of a release. The engine inside runs on linux/amd64; the others are
// clients of an engine elsewhere, or in Docker or Podman.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

func (p platform) String() string { return p.OS + "/" + p.Arch }

func (p platform) exe() string {
	if p.OS == "windows" {
		return ".exe"
	}
	return ""
}

// release is what is asked for.
type release struct {
	Repo, Package, Out, Scratch string
	Platforms                   []platform
}

// program is one that came out equal.
type program struct {
	artefact.Artefact
	Platform platform
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	differ, err := run(ctx, os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "release: error: %v\n", err)
		if h := fault.HintOf(err); h != "" {
			fmt.Fprintf(os.Stderr, "release: hint: %s\n", h)
		}
		os.Exit(2)
	case differ:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (differ bool, err error) {
	r, err := parse(args)
	if err != nil {
		return false, err
	}
	a, b, err := sides(ctx, r)
	if err != nil {
		return false, err
	}
	var made []program
	for _, p := range r.Platforms {
		x, diff, err := r.both(ctx, a, b, p)
		if err != nil {
			return false, err
		}
		if diff != nil {
			fmt.Printf("%-14s differs\n", p)
			return true, diff.Text(os.Stdout, verdict.TextOptions{})
		}
		fmt.Printf("%-14s %s  same from both\n", p, x.Digest.Encoded())
		made = append(made, x)
	}
	return false, r.write(ctx, a, made)
}

func parse(args []string) (r release, err error) {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.StringVar(&r.Repo, "repo", ".", "the repository's top folder")
	f.StringVar(&r.Package, "package", "./cmd/twice", "what is built")
	f.StringVar(&r.Out, "o", "release", "folder for what is written; must not exist")
	f.StringVar(&r.Scratch, "scratch", "", "folder for clones and caches (scripts/release gives one and removes it)")
	only := f.String("platforms", "", "OS/ARCH,…: these only")
	if err := f.Parse(args); err != nil {
		return r, err
	}
	if r.Platforms = platforms; *only != "" {
		r.Platforms = nil
		for _, s := range strings.Split(*only, ",") {
			o, arch, ok := strings.Cut(s, "/")
			if !ok {
				return r, fmt.Errorf("platform %q: it has the form linux/amd64", s)
			}
			r.Platforms = append(r.Platforms, platform{o, arch})
		}
	}
	if _, err := os.Lstat(r.Out); err == nil {
		return r, fault.Hint(fmt.Errorf("%s is there already", r.Out), "remove it, or name another folder: -o")
	}
	r.Repo, err = filepath.Abs(r.Repo)
	return r, err
}

// both builds for one platform on both sides.
func (r release) both(ctx context.Context, a, b side, p platform) (program, *verdict.Diff, error) {
	none := program{}
	var at [2]string
	for i, s := range []side{a, b} {
		var err error
		if at[i], err = s.build(ctx, r.Package, p); err != nil {
			return none, nil, err
		}
	}
	f, err := compare.Paths(ctx, filepath.Base(at[0]), at[0], at[1], compare.Limits{})
	if err != nil {
		return none, nil, err
	}
	if f != nil {
		d := &verdict.Diff{A: at[0], B: at[1], Finding: f}
		d.Causes = cause.Explain(f, cause.Context{})
		return none, d, nil
	}
	made, err := identify(at[0])
	return program{made, p}, nil, err
}

// write puts programs and documents into a folder that appears whole.
func (r release) write(ctx context.Context, a side, made []program) error {
	tmp := filepath.Clean(r.Out) + ".part"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	docs, err := r.documents(ctx, a, made)
	if err != nil {
		return err
	}
	for _, x := range made {
		if err := copyFile(filepath.Join(tmp, x.Name), x.Path); err != nil {
			return err
		}
	}
	for _, d := range docs {
		if err := verify.WriteFile(filepath.Join(tmp, d.Name), false, d.write); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, r.Out); err != nil {
		return err
	}
	fmt.Printf("written to %s\n", r.Out)
	return nil
}
