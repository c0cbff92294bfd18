// Package config reads twice.toml: what a project wants built.
//
// The file stands beside the workspace's Cargo.toml and is TOML 1.0. Every
// key is optional; a project without the file gets what `twice init` would
// write for it (see Default). An unknown key is an error, so that a typing
// mistake can't switch a setting off silently. Errors name file and line.
//
//	name  = "ripgrep"             # the sources lie in /build/<name>; default: each build's name
//	epoch = 1763769600            # seconds since 1970, for a directory without git
//	git   = true                  # build scripts get git and a repository of this one commit and its tags
//	whole-repository = true       # the build gets all of the repository, not just the workspace's folder
//
//	[source]
//	repository = "https://git.example.org/team/tool"  # where others find the commit; default: Cargo.toml's
//
//	[toolchain]
//	channel    = "1.95.0"         # default: rust-toolchain.toml, then Twice's own pin; "debian": the builder's own packages
//	components = ["rustfmt"]      # beside rustc, cargo and rust-std
//	targets    = ["wasm32-unknown-unknown"] # more standard libraries, beside the builds' own
//
//	[builder]
//	image    = "builder-rust"     # a definition in images/, or name@sha256:…, which needs what that has
//	packages = ["cmake"]          # more Debian packages
//
//	[cuda]                        # a layer of the builder, and what build scripts find it by
//	wheels   = ["nvidia-cuda-runtime-cu12==12.9.79", "nvidia-cuda-nvcc-cu12==12.9.86",
//	            "libclang==18.1.1"]   # libclang for bindgen; it may be all that is wanted
//	redist   = "12.9.1"           # instead of nvidia's wheels: NVIDIA's archives of that release
//	components = ["cuda_cudart", "cuda_nvcc"]  # which of them; this is the default
//
//	[[build]]
//	name     = "ripgrep"          # default: the package; the sources lie in /build/<name>
//	packages = ["ripgrep"]        # cargo's --package
//	bins     = ["rg"]             # default: every binary of these packages
//	features = ["pcre2"]
//	default-features = true
//	target   = "x86_64-unknown-linux-gnu"
//	profile  = "release"
//	rlibs    = true               # compare every .rlib too
//	split-debug = true            # debug information in files and archives of its own
//	auditable  = true             # the list of packages is in the programs, as cargo-auditable does it
//	provenance = true             # the build sees TWICE_PROVENANCE, for its programs to print
//	env      = { NAME = "value", VERSION = "{tag}" } # what the build may see beside the fixed environment;
//	                              # {tag}, {version}, {commit} and {epoch} stand for the source's
//
//	[[image]]
//	name       = "ripgrep-static" # default: the build's; images of one build must differ in it
//	build      = "ripgrep"        # default: the only build
//	# builds   = ["x86_64", "arm64"] # instead: an image of each, and an index of them
//	base       = "runtime-cc"     # a definition in images/, "scratch", or name@sha256:…
//	entrypoint = ["/usr/bin/rg"]  # default: the first binary
//	user       = "65532:65532"
//	files      = { "wit" = "/usr/share/ripgrep/wit" }
//	driver-libraries = ["libcuda.so.1"]  # supplied by the host's driver at run time
//
//	[archive]
//	formats = ["tar.gz"]          # also tar.zst and zip
//	files   = ["LICENSE*", "README.md"]
//	out-dir = ["tool.bash"]       # what a build script writes to its OUT_DIR: completions, manual pages
//	sums    = true                # SHA256SUMS of all archives and binaries, as an artefact
//	third-party-licences = true   # the licence texts of the crates that are linked in, in archives and images
//
//	[check]                       # what twice check asks cargo-deny: no part of any build
//	cargo-deny  = { version = "0.20.2", sha256 = "…" }  # of the .crate; built by Twice
//	advisory-db = { commit = "…" }  # of deny.toml's db-urls, or of RustSec's own database
//
//	[profile.local]               # other inputs, for where the real ones can't be had
//	base      = "runtime-cc"      # of every image that isn't made from scratch
//	toolchain = { channel = "1.95.0", components = ["rustfmt"] }
//	builder   = { image = "builder-rust" }
//
// # Profiles
//
// A profile of inputs stands in for the file's own inputs when its name is
// given (--profile local). What it says takes the place of the table of that
// name as a whole; a toolchain takes the place of rust-toolchain.toml as well.
// It has a lock of its own, twice.NAME.lock, its name is in every verdict, and
// nothing that was built with it is published unless that is asked for.
package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/opencontainers/go-digest"
)

// Name is the file's name, beside Cargo.toml.
const Name = "twice.toml"

// File is a decoded twice.toml.
type File struct {
	// Name is where the sources lie, /build/<Name>, for every build alike.
	Name string `toml:"name,omitempty" json:"name,omitempty"`
	// Epoch is the time of every file written, in seconds since 1970, for
	// sources that have no time of their own. Nil: not said.
	Epoch *int64 `toml:"epoch,omitempty" json:"epoch,omitempty"`
	// Git has the build see git, and a repository of the commit that is built.
	Git bool `toml:"git,omitempty" json:"git,omitempty"`
	// WholeRepository takes all of the repository where the workspace is one of its folders.
	WholeRepository bool `toml:"whole-repository,omitempty" json:"whole_repository,omitempty"`

	Source    *Source   `toml:"source,omitempty" json:"source,omitempty"`
	Toolchain Toolchain `toml:"toolchain,omitempty" json:"toolchain"`
	Builder   Builder   `toml:"builder,omitempty" json:"builder"`
	CUDA      *CUDA     `toml:"cuda,omitempty" json:"cuda,omitempty"`
	Builds    []Build   `toml:"build,omitempty" json:"build"`
	Images    []Image   `toml:"image,omitempty" json:"image"`
	Archive   Archive   `toml:"archive,omitempty" json:"archive"`

	Check    *Check             `toml:"check,omitempty" json:"-"`
	Profiles map[string]Profile `toml:"profile,omitempty" json:"-"`

	// Text is what was parsed, for Where; nil: nothing was.
	Text []byte `toml:"-" json:"-"`
	// Using is the profile that Use was called with.
	Using string `toml:"-" json:"-"`
}

// Profile is other inputs under a name. What is nil stays as it is.
type Profile struct {
	Base      string     `toml:"base,omitempty"`
	Toolchain *Toolchain `toml:"toolchain,omitempty"`
	Builder   *Builder   `toml:"builder,omitempty"`
	CUDA      *CUDA      `toml:"cuda,omitempty"`
}

// Check pins what advisories, licences, bans and sources are checked with.
type Check struct {
	CargoDeny  CargoDeny  `toml:"cargo-deny"`
	AdvisoryDB AdvisoryDB `toml:"advisory-db"`
}

// CargoDeny is a release on crates.io.
type CargoDeny struct {
	Version string `toml:"version"`
	SHA256  string `toml:"sha256"` // of the .crate, 64 hex
}

// AdvisoryDB is a database in RustSec's form.
type AdvisoryDB struct {
	Commit string `toml:"commit"` // 40 hex
}

// IsRepository tells whether a repository's URL may stand in a statement.
func IsRepository(url string) bool { return repositoryRE.MatchString(url) }

// Source is what a statement says of where the sources are.
type Source struct {
	// Repository is the URL of the git repository, for everybody.
	Repository string `toml:"repository,omitempty" json:"repository,omitempty"`
}

// Toolchain is what rust-toolchain.toml says, or what overrides it.
type Toolchain struct {
	Channel    string   `toml:"channel,omitempty" json:"channel,omitempty"`
	Components []string `toml:"components,omitempty" json:"components,omitempty"`
	Targets    []string `toml:"targets,omitempty" json:"targets,omitempty"`
}

// Builder is the image that the build runs in.
type Builder struct {
	Image    string   `toml:"image,omitempty" json:"image,omitempty"`
	Packages []string `toml:"packages,omitempty" json:"packages,omitempty"`
}

// CUDA is the toolkit, and the libclang, that build scripts use.
type CUDA struct {
	Wheels     []string `toml:"wheels,omitempty" json:"wheels,omitempty"`
	Redist     string   `toml:"redist,omitempty" json:"redist,omitempty"`
	Components []string `toml:"components,omitempty" json:"components,omitempty"`
}

// ByDigest tells whether the builder starts from an image and not from Debian
// packages.
func (b Builder) ByDigest() bool { return strings.Contains(b.Image, "@") }

// Build is one run of cargo.
type Build struct {
	Name            string   `toml:"name,omitempty" json:"name"`
	Packages        []string `toml:"packages,omitempty" json:"packages,omitempty"`
	Bins            []string `toml:"bins,omitempty" json:"bins,omitempty"`
	Features        []string `toml:"features,omitempty" json:"features,omitempty"`
	DefaultFeatures *bool    `toml:"default-features,omitempty" json:"default_features,omitempty"`
	Target          string   `toml:"target,omitempty" json:"target"`
	Profile         string   `toml:"profile,omitempty" json:"profile"`
	Rlibs           *bool    `toml:"rlibs,omitempty" json:"rlibs,omitempty"`
	// SplitDebug takes debug information out of binaries, into files beside them.
	SplitDebug bool              `toml:"split-debug,omitempty" json:"split_debug,omitempty"`
	Env        map[string]string `toml:"env,omitempty" json:"env,omitempty"`
	// Provenance has the build see what it is made from, to put it into its programs:
	// see package provenance, Embedded.
	Provenance bool `toml:"provenance,omitempty" json:"provenance,omitempty"`
	// Auditable puts the list of packages into the programs, as cargo-auditable does.
	Auditable bool `toml:"auditable,omitempty" json:"auditable,omitempty"`

	// Nth is which [[build]] table of the file it is, from 0, for Where.
	Nth int `toml:"-" json:"-"`
}

// NoDefaultFeatures reports whether cargo gets --no-default-features.
func (b Build) NoDefaultFeatures() bool { return b.DefaultFeatures != nil && !*b.DefaultFeatures }

// CompareRlibs reports whether every .rlib is an artefact; it is by default.
func (b Build) CompareRlibs() bool { return b.Rlibs == nil || *b.Rlibs }

// Image is one runtime image.
type Image struct {
	Name            string            `toml:"name,omitempty" json:"name,omitempty"`
	Build           string            `toml:"build,omitempty" json:"build"`
	Builds          []string          `toml:"builds,omitempty" json:"builds,omitempty"`
	Base            string            `toml:"base,omitempty" json:"base"`
	Entrypoint      []string          `toml:"entrypoint,omitempty" json:"entrypoint,omitempty"`
	Cmd             []string          `toml:"cmd,omitempty" json:"cmd,omitempty"`
	User            string            `toml:"user,omitempty" json:"user,omitempty"`
	WorkingDir      string            `toml:"working-dir,omitempty" json:"working_dir,omitempty"`
	Env             map[string]string `toml:"env,omitempty" json:"env,omitempty"`
	Labels          map[string]string `toml:"labels,omitempty" json:"labels,omitempty"`
	Expose          []string          `toml:"expose,omitempty" json:"expose,omitempty"`
	Files           map[string]string `toml:"files,omitempty" json:"files,omitempty"`
	DriverLibraries []string          `toml:"driver-libraries,omitempty" json:"driver_libraries,omitempty"`

	// Nth is which [[image]] table of the file it is, from 0, for Where.
	Nth int `toml:"-" json:"-"`
	// Platform is the build's, "linux/arm64"; empty for linux/amd64. It is
	// filled in, never read.
	Platform string `toml:"-" json:"platform,omitempty"`
	// Index is the title of the index that the image is part of: Builds, taken
	// apart. It is filled in, never read.
	Index string `toml:"-" json:"index,omitempty"`
}

// Input names what the image starts from: its base, and for a base by digest
// the platform, unless that is linux/amd64. ParseInput is the reverse.
func (im Image) Input() string {
	if im.Platform != "" && strings.Contains(im.Base, "@") {
		return im.Base + " " + im.Platform
	}
	return im.Base
}

// ParseInput is an image that starts from the named input.
func ParseInput(name string) Image {
	base, platform, _ := strings.Cut(name, " ")
	return Image{Base: base, Platform: platform}
}

// Title is what tells the image from the project's others.
func (im Image) Title() string { return cmp.Or(im.Name, im.Build) }

// Releases counts what is released of the images: an index counts as one.
func (f *File) Releases() int {
	n, seen := 0, map[string]bool{}
	for _, im := range f.Images {
		if im.Index == "" || !seen[im.Index] {
			n++
		}
		seen[im.Index] = true
	}
	return n
}

// Archive is how release archives are made; it holds for every build.
type Archive struct {
	Formats []string `toml:"formats,omitempty" json:"formats,omitempty"`
	Files   []string `toml:"files,omitempty" json:"files,omitempty"`
	OutDir  []string `toml:"out-dir,omitempty" json:"out_dir,omitempty"`
	Sums    bool     `toml:"sums,omitempty" json:"sums,omitempty"`
	// ThirdParty puts the licence texts of what is linked in into archives and images.
	ThirdParty bool `toml:"third-party-licences,omitempty" json:"third_party_licences,omitempty"`
}

// Use puts a profile's inputs in the place of the file's own. "" is the file
// as it is.
func (f *File) Use(name string) error {
	if name == "" {
		return nil
	}
	p, ok := f.Profiles[name]
	if !ok {
		err := fmt.Errorf("%s has no profile %q", Name, name)
		if len(f.Profiles) == 0 {
			return fault.Hint(err, "a [profile."+name+"] table says which inputs it has")
		}
		return fault.Hintf(err, "there are: %s", strings.Join(f.ProfileNames(), ", "))
	}
	f.Using = name
	if p.Toolchain != nil {
		f.Toolchain = *p.Toolchain
	}
	if p.Builder != nil {
		f.Builder = *p.Builder
	}
	if p.CUDA != nil {
		f.CUDA = p.CUDA
	}
	for i := range f.Images {
		if im := &f.Images[i]; p.Base != "" && im.Base != "scratch" {
			im.Base = p.Base
		}
	}
	return nil
}

// ProfileNames are the profiles of the file, sorted.
func (f *File) ProfileNames() []string { return slices.Sorted(maps.Keys(f.Profiles)) }

// Build returns the build of that name.
func (f *File) Build(name string) (Build, bool) {
	i := slices.IndexFunc(f.Builds, func(b Build) bool { return b.Name == name })
	if i < 0 {
		return Build{}, false
	}
	return f.Builds[i], true
}

// InputsDigest identifies those settings that decide which inputs a lock
// must hold: a lock that answers other settings is stale. Settings that
// only shape the build or the image are not in it.
func (f *File) InputsDigest() digest.Digest {
	var bases []string
	for _, im := range f.Images {
		bases = append(bases, im.Base)
	}
	slices.Sort(bases)
	var targets []string
	for _, b := range f.Builds {
		targets = append(targets, b.Target)
	}
	slices.Sort(targets)
	text := fmt.Sprintf("twice inputs v1\ntoolchain %q %q\nbuilder %q %q\nbases %q\ntargets %q\n",
		f.Toolchain.Channel, sorted(f.Toolchain.Components), f.Builder.Image, sorted(f.Builder.Packages),
		slices.Compact(bases), slices.Compact(targets))
	if c := f.CUDA; c != nil {
		text += fmt.Sprintf("cuda %q %q %q\n", sorted(c.Wheels), c.Redist, sorted(c.Components))
	}
	if len(f.Toolchain.Targets) > 0 {
		text += fmt.Sprintf("toolchain targets %q\n", sorted(f.Toolchain.Targets))
	}
	return digest.FromString(text)
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
