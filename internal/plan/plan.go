// Package plan turns resolved inputs into the one text that every engine
// runs: a Dockerfile. It is pure: no clock, no files, no engine.
//
// # What is in a plan
//
// A plan names three inputs by the digest of their OCI manifests: builder
// (Debian packages and the Rust toolchain), source (what git tracks) and
// vendor (the crates of Cargo.lock, in cargo's own registry layout). With
// git dependencies there are two more: git (repositories at the locked
// commits) and gitbuilder (the builder with git in it).
//
// A build that asks git has repository, .git with the one commit that is
// built, and git in its builder.
//
// # What identifies it
//
// Digest covers the body with the inputs' digests in the place of their
// names. The run identifier, the axes of a side and the preamble, which tells
// an engine where the inputs are, are outside of it: none of them may change
// a bit of the output, and showing that is what the product is for.
//
// # The build step
//
// It has no network, and starts with an empty environment (env -i). Inputs
// are bound read-only under /in and copied to the side's own paths, which
// also sets owner, times and order. The target directory starts empty.
//
// Paths reach the output through rustc and through the C compiler. A
// RUSTC_WRAPPER gives the remaps to every rustc call, build scripts and proc
// macros included: RUSTFLAGS would not reach those with --target, and would
// replace the flags of the project's own .cargo/config.toml. Measured with
// cargo 1.95: the wrapper leaves -C metadata as it is, and gives the same
// binary as RUSTFLAGS with the same remaps. C and assembly get
// -ffile-prefix-map, after the flags that the project's [env] sets.
//
// Canonical paths: sources /build/<name>, Cargo home /cargo, so crates of the
// registry lie in /cargo/registry/src/<index>/<name>-<version>, and rust-src
// in /rustc/<commit>.
//
// # Other targets
//
// A target that needs a linker of its own gets it, and the C compiler, by the
// variables that Cargo and the cc crate read for just that target
// (CARGO_TARGET_<TARGET>_LINKER, CC_<target>), unless the project's own
// configuration names a linker. Build scripts and proc macros are built with the
// builder's own compiler.
package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Inputs are the digests of the OCI manifests that a plan's stages start
// from. Git and GitBuilder are empty for a project without git dependencies,
// Repository for one whose builds don't ask git.
type Inputs struct {
	Builder    digest.Digest `json:"builder"`
	Source     digest.Digest `json:"source"`
	Vendor     digest.Digest `json:"vendor"`
	Git        digest.Digest `json:"git,omitempty"`
	Repository digest.Digest `json:"repository,omitempty"`
	GitBuilder digest.Digest `json:"git_builder,omitempty"`
}

// Plan is one run of cargo, complete but for what may not matter.
type Plan struct {
	Name     string // sources lie in /build/<Name>
	Dir      string // the workspace's folder inside the source, or ""
	Epoch    int64  // SOURCE_DATE_EPOCH, seconds since 1970
	Platform string // of the builder, "linux/amd64"
	Triple   string // cargo --target
	Profile  string // cargo --profile
	Packages []string
	Bins     []string
	Features []string

	NoDefaultFeatures bool
	Rlibs             bool
	OutDir            []string          // files that build scripts write to their OUT_DIR: handed over below /out/made
	Env               map[string]string // the project's additions
	CFlags            map[string]string // the project's own CFLAGS, CXXFLAGS, CFLAGS_<target>, … by name
	RustSrc           bool              // rust-src is in the builder: rustc finds it, and would write its path
	Sysroot           string            // where rustc lies, if that isn't /usr/local
	Tools             Tools             // what compiles and links for the target
	GitRepos          []GitRepo
	GitSources        []GitSource   // set where they can't be vendored into one folder
	Tree              bool          // see AskTree
	Watch             bool          // see Watched
	Deny              *Deny         // see AskDeny
	AsksGit           bool          // the build sees git, and a repository of the commit
	Auditable         bool          // see auditable
	SplitDebug        bool          // see SplitScript
	Registries        []Registry    // others than crates.io that crates come from
	Replaced          bool          // the project's own configuration replaces sources by other registries: ours goes before it
	SamePath          bool          // both sides build in one folder: it would reach the bits
	Licences          bool          // texts of what is linked in: see takeLicences
	Skeleton          digest.Digest // see KeepDependencies
	Part              bool          // the sources are a folder of their repository; says nothing to the engine
	Inputs            Inputs
}

// AskTree is a plan that builds nothing: it asks Cargo, with the same inputs
// and settings, for the packages that the build takes. It leaves two files,
// /tree/normal and /tree/all: without and with what build scripts need.
func (p *Plan) AskTree() *Plan {
	t := *p
	t.Tree = true
	return &t
}

// Watched is the plan with what runs at build time watched: see package audit.
// It leaves the log in /audit/log beside what the plan leaves, which is the same
// bits.
func (p *Plan) Watched() *Plan {
	t := *p
	t.Watch = true
	return &t
}

// Deny is what cargo-deny is asked with.
type Deny struct {
	// Path is the folder of advisory databases, as deny.toml says; "" is cargo-deny's own.
	Path   string
	Folder string        // the database's, in it
	Tool   digest.Digest // the input that has cargo-deny
	DB     digest.Digest // the input that is the database
}

// AskDeny is a plan that builds nothing: it asks cargo-deny about the workspace,
// with the crates that a build has. It leaves a file for each check, in JSON
// lines: /deny/advisories, /deny/licenses, /deny/bans, /deny/sources.
func (p *Plan) AskDeny(d Deny) *Plan {
	t := *p
	t.Deny = &d
	return &t
}

// Tools are the programs that compile and link for a target, where they are not
// those that Cargo and the C toolchain crates find by themselves.
type Tools struct {
	Linker, CC, CXX, AR string
}

// GitRepo is a repository that Cargo.lock takes crates from.
type GitRepo struct {
	URL    string // as cargo asks for it
	Folder string // its folder in the git input, /in/git/<Folder>
}

// Registry is a registry other than crates.io.
type Registry struct {
	Name   string // of its table in Cargo's configuration
	Index  string // "sparse+https://…", or the address of a git index
	Folder string // below registry/src
}

// GitSource is a commit of a repository, with the packages that Cargo.lock takes
// from it. They are vendored into a folder of their own where two sources have a
// package of the same name and version.
type GitSource struct {
	URL      string
	Commit   string   // 40 hex
	Folder   string   // below registry/src
	Packages []string // "name version"
}

// Digest identifies what will run.
func (p *Plan) Digest() digest.Digest {
	t := *p
	t.Skeleton = ""
	body := t.body(sideOf(p, canonical), canonicalNames(p.Inputs))
	if p.Platform != "" && p.Platform != DefaultPlatform {
		body += "# platform " + p.Platform + "\n"
	}
	return digest.FromString(body)
}

// DefaultPlatform is what builds run on where nothing else is said.
const DefaultPlatform = "linux/amd64"

// names says how the body refers to each input, and to the commit's time.
type names struct {
	builder, source, vendor, git, gitBuilder, repository string
	commit                                               bool // the time is a build argument
}

// time is a time of the plan, which is in the argument if there is one.
func (n names) time(t int64) string {
	if n.commit {
		return "$" + epochArg
	}
	return strconv.FormatInt(t, 10)
}

// jobs is cargo's number of jobs; who builds from a committed file is asked for none.
func (n names) jobs(j int) string {
	if n.commit {
		return "$(nproc)"
	}
	return strconv.Itoa(j)
}

// args declares the argument in a stage.
func (n names) args() string {
	if n.commit {
		return "ARG " + epochArg + "\n"
	}
	return ""
}

// env starts a step's shell with an empty environment.
func (n names) env() string {
	if n.commit {
		return "env -i " + epochArg + `="$` + epochArg + `"`
	}
	return "env -i"
}

const epochArg = "SOURCE_DATE_EPOCH"

func canonicalNames(in Inputs) names {
	return names{in.Builder.String(), in.Source.String(), in.Vendor.String(), in.Git.String(), in.GitBuilder.String(), in.Repository.String(), false}
}

func contextNames() names {
	return names{"builder", "source", "vendor", "git", "gitbuilder", "repository", false}
}

// Contexts are the names under which an engine must know the inputs.
func (p *Plan) Contexts() map[string]digest.Digest {
	c := map[string]digest.Digest{"builder": p.Inputs.Builder, "source": p.Inputs.Source, "vendor": p.Inputs.Vendor}
	if len(p.GitRepos) > 0 {
		c["git"], c["gitbuilder"] = p.Inputs.Git, p.Inputs.GitBuilder
	}
	if p.AsksGit {
		c["repository"] = p.Inputs.Repository
	}
	if p.Skeleton != "" {
		c["skeleton"] = p.Skeleton
	}
	if p.Deny != nil {
		c["deny"], c["advisories"] = p.Deny.Tool, p.Deny.DB
	}
	return c
}

// Check finds what the rendering could not say safely. Everything that gets
// into the text of a shell command passes here.
func (p *Plan) Check() error {
	for _, s := range slices.Concat([]string{p.Name, p.Dir, p.Triple, p.Profile, p.Sysroot, p.Tools.Linker, p.Tools.CC, p.Tools.CXX, p.Tools.AR}, p.Packages, p.Bins, p.Features, p.OutDir) {
		if strings.ContainsAny(s, "\x00\n\r'\"\\$`; &|<>*?(){}[]~#") {
			return fmt.Errorf("planning the build: %q can't stand in a shell command", s)
		}
	}
	for k, v := range p.Env {
		if strings.ContainsAny(k+v, "\x00\n\r") {
			return fmt.Errorf("planning the build: the value of %s has a line break in it", k)
		}
	}
	for k, v := range p.CFlags {
		if strings.ContainsAny(k+v, "\x00\n\r") {
			return fmt.Errorf("planning the build: the value of %s has a line break in it", k)
		}
	}
	for _, s := range p.GitSources {
		if strings.ContainsAny(s.URL+s.Commit+s.Folder+strings.Join(s.Packages, ""), "\x00\n\r'\"\\$`|&") {
			return fmt.Errorf("planning the build: %q can't stand in Cargo's configuration", s.URL)
		}
	}
	for _, r := range p.Registries {
		if strings.ContainsAny(r.Name+r.Index+r.Folder, "\x00\n\r'\"\\$`|& ") {
			return fmt.Errorf("planning the build: %q can't stand in Cargo's configuration", r.Index)
		}
	}
	for _, r := range p.GitRepos {
		if strings.ContainsAny(r.URL+r.Folder, "\x00\n\r'\"\\$` ") {
			return fmt.Errorf("planning the build: %q can't stand in a git configuration", r.URL)
		}
	}
	if p.Auditable && !strings.Contains(p.Triple, "-linux-") {
		return fmt.Errorf("planning the build: auditable = true is for Linux, not for %s", p.Triple)
	}
	if p.Name == "" || p.Triple == "" || p.Profile == "" {
		return fmt.Errorf("planning the build: name, target and profile must be set")
	}
	return nil
}

// CanonicalSource is where the sources lie, for what is built.
func (p *Plan) CanonicalSource() string { return "/build/" + p.Name }

// CanonicalCargoHome is where Cargo's home is, for what is built.
const CanonicalCargoHome = "/cargo"

// ProfileDir is the folder that cargo writes to: target/<triple>/<ProfileDir>.
func (p *Plan) ProfileDir() string {
	switch p.Profile {
	case "dev", "test":
		return "debug"
	case "release", "bench":
		return "release"
	}
	return p.Profile
}
