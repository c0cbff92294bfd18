package resolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/rust"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DebianBuilder is the builder that has a Rust toolchain among its packages.
const DebianBuilder = "builder-debian-rust"

// cross is what compiling for a target takes that a builder for hostTriple
// lacks, beside the target's standard library.
type cross struct {
	image string // of images/: a layer of the builder
	tools plan.Tools
}

// crossTargets are the targets that need a linker, or a C compiler, of their own.
//
// rustc links for musl with the C library that comes with its rust-std, so any
// linker driver of the machine does. For C code there is a compiler on x86-64
// only: musl-gcc is a wrapper that Debian makes for the machine's own gcc.
var crossTargets = map[string]cross{
	"aarch64-unknown-linux-gnu": {"cross-aarch64", plan.Tools{Linker: "aarch64-linux-gnu-gcc", CC: "aarch64-linux-gnu-gcc",
		CXX: "aarch64-linux-gnu-g++", AR: "aarch64-linux-gnu-ar"}},
	"aarch64-unknown-linux-musl": {"cross-aarch64", plan.Tools{Linker: "aarch64-linux-gnu-gcc"}},
	"x86_64-unknown-linux-musl":  {"cross-musl", plan.Tools{CC: "musl-gcc"}},
}

// Tools are the programs that compile and link for a build's target, those
// left out that Cargo finds by itself, or that the project's own configuration
// names.
func (p *Project) Tools(triple string) plan.Tools {
	t := crossTargets[triple].tools
	for _, c := range p.Workspace.Config.Targets {
		if c.Key == triple && c.Linker != "" {
			t.Linker = ""
		}
	}
	return t
}

// IsDebian tells whether the toolchain is the one that the builder has among
// its packages.
func (p *Project) IsDebian() bool { return p.Config.Toolchain.Channel == rust.Debian }

// targets are what the project's builds compile for, sorted.
func (p *Project) targets() []string {
	var all []string
	for _, b := range p.Config.Builds {
		all = append(all, b.Target)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stdTargets are the targets whose standard library the toolchain needs: those
// of the builds, and those that rust-toolchain.toml lists.
func (p *Project) stdTargets() []string {
	all := append(p.targets(), p.Config.Toolchain.Targets...)
	slices.Sort(all)
	return slices.Compact(all)
}

// BuilderLayers are the definitions of images/ whose files come on top of the
// builder's: C toolchains and standard libraries for other targets. A builder
// by digest has none: it has to have what it takes.
func (p *Project) BuilderLayers() ([]string, error) {
	if p.Config.Builder.ByDigest() && !p.IsDebian() {
		return nil, nil
	}
	var names []string
	for _, t := range p.targets() {
		if c, ok := crossTargets[t]; ok {
			names = append(names, c.image)
		}
	}
	if p.IsDebian() {
		def, err := p.debianBuilder()
		if err != nil {
			return nil, err
		}
		for _, t := range p.stdTargets() {
			switch std, ok := def.Rust.Std[t]; {
			case ok:
				names = append(names, std)
			case t != def.Rust.Host:
				return nil, fault.Hint(fmt.Errorf("%s: image %s has no Rust standard library for %s", p.whereTarget(t), def.Name, t),
					`name a release of Rust as channel in [toolchain] of twice.toml: the distribution's tarballs have many targets`)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// debianBuilder is the definition of a builder that has Rust.
func (p *Project) debianBuilder() (images.Definition, error) {
	def, err := images.Load(p.Config.Builder.Image)
	if err == nil && def.Rust == nil {
		err = fault.Hintf(fmt.Errorf("%s: [toolchain] channel is %q, and image %s has no Rust among its packages", p.Config.Where("builder", "image"), rust.Debian, def.Name),
			"leave image out of [builder], or name %s", DebianBuilder)
	}
	return def, err
}

// whereToolchain says what asks for something of the toolchain: twice.toml with the
// line, or rust-toolchain.toml, or nothing but Twice itself.
func (p *Project) whereToolchain(key, value string) string {
	file := ""
	if p.Workspace != nil { // a project without sources has none
		file = p.Workspace.Toolchain.File
	}
	asked := []string{p.Config.Toolchain.Channel}
	if key != "channel" {
		asked = p.Config.Toolchain.Components
	}
	if key == "targets" {
		asked = p.Config.Toolchain.Targets
	}
	if i := slices.Index(asked, value); i >= 0 {
		at := []any{"toolchain", key}
		if key != "channel" {
			at = append(at, i)
		}
		if w := p.Config.Where(at...); w != p.Config.Where("toolchain") || file == "" {
			return w
		}
	}
	return cmp.Or(file, config.Name)
}

// whereTarget says which build, or what else, asks for a target.
func (p *Project) whereTarget(target string) string {
	for _, b := range p.Config.Builds {
		if b.Target == target {
			return p.Config.Where("build", b.Nth, "target")
		}
	}
	return p.whereToolchain("targets", target)
}

// debianGroups are the groups of packages that hold the components asked for.
func (p *Project) debianGroups() ([]string, error) {
	def, err := p.debianBuilder()
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, c := range p.Config.Toolchain.Components {
		switch g, ok := def.Rust.Components[c]; {
		case ok:
			groups = append(groups, g)
		case !slices.Contains([]string{"rustc", "cargo", "rust-std"}, c):
			return nil, fault.Hint(fmt.Errorf("%s: image %s has no package for the Rust component %s", p.whereToolchain("components", c), def.Name, c),
				`name a release of Rust as channel in [toolchain] of twice.toml: the distribution's tarballs have all components`)
		}
	}
	return groups, nil
}

// debianToolchain is what a lock says of the toolchain among its builder's
// packages: they are the pin.
func (p *Project) debianToolchain(l *lock.Lock) (lock.Toolchain, error) {
	def, err := p.debianBuilder()
	if err != nil {
		return lock.Toolchain{}, err
	}
	im, ok := l.Image(def.Name)
	i := slices.IndexFunc(im.Packages, func(x images.Package) bool { return x.Name == def.Rust.Package })
	if !ok || i < 0 {
		return lock.Toolchain{}, fmt.Errorf("the lock of image %s has no package %s", def.Name, def.Rust.Package)
	}
	return lock.Toolchain{Vouched: im.InRelease.Signer, Pin: rust.Pin{Channel: rust.Debian, Rustc: im.Packages[i].Version, Host: def.Rust.Host}}, nil
}

// Platform is OCI's name of the platform that a target's programs run on.
func Platform(triple string) ocispec.Platform {
	cpu, _, _ := strings.Cut(triple, "-")
	p := ocispec.Platform{OS: "linux", Architecture: cpu}
	switch cpu {
	case "x86_64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture, p.Variant = "arm64", "v8"
	case "i686":
		p.Architecture = "386"
	}
	return p
}

// baseFor is the definition of images/ that stands for a base on an
// architecture: "runtime-cc-arm64" for runtime-cc.
func baseFor(f *config.File, im config.Image, arch string) (string, error) {
	def, err := images.Load(im.Base)
	if err != nil {
		return "", fault.Hintf(fmt.Errorf("%s: base %s: %w", f.WhereBase(im), im.Base, err), "there are: %s; or scratch, or an image by digest", strings.Join(images.Names(), ", "))
	}
	if def.Architecture == arch {
		return im.Base, nil
	}
	if name := im.Base + "-" + arch; slices.Contains(images.Names(), name) {
		return name, nil
	}
	return "", fault.Hint(fmt.Errorf("%s: base %s is for %s, and a build of %s is put on it", f.WhereBase(im), im.Base, def.Architecture, arch),
		"take another base: scratch for a static program, or an image by digest")
}
