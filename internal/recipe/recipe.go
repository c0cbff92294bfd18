// Package recipe writes a build as a script for a machine that has no engine:
// whoever has the same toolchain, compiler and binutils can check a release
// with them alone.
//
// # What it promises
//
// On Linux the script gives the binaries and the rlibs of the hermetic build,
// bit for bit. It does what the plan does, in folders of its own: the sources
// as the commit or the published crate has them, without a repository around
// them; crates vendored into Cargo's registry layout under one canonical name,
// whatever this machine's cargo calls it; the remaps of the plan in every call
// of rustc (proc macros and build scripts are in the rlibs' hashes) and of the
// C compiler, for rust-src too where it is installed; an empty environment.
//
// What the plan pins and a machine may have otherwise is checked: another
// rustc ends the script, other Debian packages are a note, since only some of
// their versions reach the bits.
//
// For MSVC it is PowerShell and best effort, and says so: there is no hermetic
// build to be equal to.
package recipe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
)

// Recipe is what a script is written from.
type Recipe struct {
	Plan      *plan.Plan // its inputs are not needed
	Version   string     // of what is built, "" if it has none
	Rustc     string     // as rustc --version says it, without "rustc "
	Packages  []Package  // Debian's, that reach the bits
	CUDA      string     // "cuda 12.9 (wheels)", or ""
	RustFlags []string   // the project's own, for PowerShell: there RUSTFLAGS replace them
	Source    Source
}

// Package is a Debian package of the builder.
type Package struct{ Name, Version string }

// Source is where the sources come from: a published crate or a commit.
type Source struct {
	From string // the crate's or the repository's address; it may be a path

	Crate    string // NAME-VERSION of a crate
	Checksum string // of the .crate, 64 hex

	Commit        string // 40 hex
	Prefix        string // the folder of the repository that is built, "" = all of it
	Submodules    bool
	EpochOfCommit bool     // the plan's epoch is the commit's time
	Tags          []string // that name the commit
}

// New writes down what a recipe needs of a project with a lock.
func New(p *resolve.Project, pl *plan.Plan) (*Recipe, error) {
	if err := pl.Check(); err != nil {
		return nil, err
	}
	if len(pl.GitSources) > 0 {
		return nil, fault.Hint(errors.New("a package of one version is in Cargo.lock from two sources, and cargo vendor takes only one of them"),
			"`twice build` vendors each source by itself; `twice plan` shows how")
	}
	if len(pl.Registries) > 0 {
		return nil, fault.Hint(fmt.Errorf("crates come from %s: no recipe puts them into a folder of their own", pl.Registries[0].Index),
			"`twice plan` prints what a build runs")
	}
	if pl.Auditable {
		return nil, fault.Hint(errors.New("the list of packages that auditable = true puts into programs is made by the builder"), "`twice plan` prints how")
	}
	if pl.SamePath {
		return nil, fault.Hintf(fmt.Errorf("a path dependency lies outside of the workspace's root, so the bits depend on the folder %s (rust-lang/cargo#7645)", pl.CanonicalSource()),
			"`twice plan` prints what a build runs")
	}
	r := &Recipe{Plan: pl, Version: p.Version(), Rustc: p.Lock.Toolchain.Rustc}
	if c := p.Lock.CUDA; c != nil {
		r.CUDA = c.String()
	}
	r.RustFlags, _ = p.Workspace.Config.RustFlags(pl.Triple)
	var err error
	if !p.Config.Builder.ByDigest() {
		def, err := p.Definition(p.Config.Builder.Image)
		if err != nil {
			return nil, err
		}
		for _, x := range def.Locked() {
			if reachesBits.MatchString(x.Name) || slices.Contains(p.Config.Builder.Packages, x.Name) {
				r.Packages = append(r.Packages, Package{x.Name, x.Version})
			}
		}
	}
	r.Source, err = newSource(p.Source)
	return r, err
}

// reachesBits are the packages whose versions every binary shows: the compiler
// driver, the linker and assembler, the start files.
var reachesBits = regexp.MustCompile(`^(binutils|gcc-[0-9]+|libc6-dev)$`)

func newSource(s *source.Source) (Source, error) {
	if s.Kind == source.KindArchive {
		return Source{}, fault.Hint(fmt.Errorf("%s is an archive, and a recipe says where a published crate or a commit may be had", s.Spec), "name the crate, or the repository at its commit")
	}
	if s.Dirty || s.Kind != source.KindCrate && s.Commit == "" {
		return Source{}, fault.Hint(fmt.Errorf("%s is no commit that somebody else could have", s.Spec), "commit it, and leave --dirty out")
	}
	if s.Kind == source.KindCrate {
		// The address that everybody has, not this machine's mirror.
		up, err := address.Upstream(func(string) string { return "" })
		if err != nil {
			return Source{}, err
		}
		urls := up.Crate(s.Name, s.Version)
		if len(urls) == 0 {
			return Source{}, fmt.Errorf("crate %s %s has no address", s.Name, s.Version)
		}
		return Source{From: urls[0], Crate: s.Name + "-" + s.Version, Checksum: s.Checksum}, nil
	}
	from := Source{From: s.Repository, Commit: s.Commit, Prefix: s.Prefix, Submodules: s.Submodules, EpochOfCommit: s.EpochFrom == source.FromCommit, Tags: s.Tags}
	if strings.ContainsAny(from.From+from.Prefix+strings.Join(from.Tags, ""), "\x00\n\r") {
		return from, fmt.Errorf("%q can't stand in a script", from.From)
	}
	return from, nil
}

// Text is the script: PowerShell for MSVC, else POSIX shell.
func (r *Recipe) Text() string {
	if r.PowerShell() {
		return r.powerShell()
	}
	return r.shell()
}

// PowerShell reports whether the script is one.
func (r *Recipe) PowerShell() bool { return strings.HasSuffix(r.Plan.Triple, "-windows-msvc") }

// title says what is built.
func (r *Recipe) title() string {
	t := r.Plan.Name
	if r.Version != "" {
		t += " " + r.Version
	}
	return t + " for " + r.Plan.Triple
}

// outputs are what is compared, below the target folder of the triple.
func (r *Recipe) outputs() []string {
	var out []string
	for _, b := range r.Plan.Bins {
		out = append(out, r.Plan.ProfileDir()+"/"+b)
	}
	return out
}
