package resolve

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/lock"
	"github.com/opencontainers/go-digest"
)

// Summary says in a few words what a project is built from.
func (p *Project) Summary() string {
	s := fmt.Sprintf("%d crates", len(p.Crates()))
	if n := p.Committed(); n > 0 {
		s += fmt.Sprintf(" · %d committed", n)
	}
	if p.Profile != "" {
		s = "profile " + p.Profile + " · " + s
	}
	if n := len(p.GitDependencies()); n > 0 {
		s += fmt.Sprintf(" · %d git repositories", n)
	}
	s += " · rust " + p.RustVersion()
	if from := p.RustFrom(); from != "" {
		s += " (" + from + ")"
	}
	if def, err := p.Definition(p.Config.Builder.Image); err == nil {
		if n, err := p.BuilderPackages(); err == nil {
			s += fmt.Sprintf(" · debian %s (%d packages)", def.Suite, n)
		}
	}
	if c := p.Lock.CUDA; c != nil && c.String() != "" {
		s += " · " + c.String()
	}
	return s + " · " + p.LockFrom
}

// Missing is err, which says that an input can't be had, with the profiles
// that have others.
func (p *Project) Missing(err error) error {
	if names := p.Config.ProfileNames(); err != nil && p.Profile == "" && len(names) > 0 {
		return fmt.Errorf("%w (twice.toml has a profile with other inputs: --profile %s)", err, strings.Join(names, ", --profile "))
	}
	return err
}

// BuilderPackages is how many Debian packages the builder is made of.
func (p *Project) BuilderPackages() (int, error) {
	if p.Config.Builder.ByDigest() {
		return 0, nil
	}
	names, err := p.BuilderLayers()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range append(names, p.Config.Builder.Image) {
		def, err := p.Definition(name)
		if err != nil {
			return 0, err
		}
		n += len(def.Locked())
	}
	return n, nil
}

// RustVersion names the toolchain: its channel, or the version of Debian's.
func (p *Project) RustVersion() string {
	if p.IsDebian() {
		if def, err := p.Definition(p.Config.Builder.Image); err == nil {
			return def.RustVersion()
		}
	}
	return p.Lock.Toolchain.Channel
}

// RustFrom says what pins the toolchain where the lock has no digest of its files.
func (p *Project) RustFrom() string {
	switch {
	case p.IsDebian():
		return "debian's"
	case p.Lock.Toolchain.Tree == "":
		return "by its tarballs"
	}
	return ""
}

var cflagsRE = regexp.MustCompile(`^((HOST|TARGET)_)?(C|CXX)FLAGS([_-].*)?$`)

// CFlags are the C compiler flags that the project's own Cargo configuration
// sets in [env], by variable.
func (p *Project) CFlags() map[string]string {
	out := map[string]string{}
	for _, e := range p.Workspace.Config.Env {
		if cflagsRE.MatchString(e.Name) && !e.Relative {
			out[e.Name] = e.Value
		}
	}
	return out
}

// base is a base image by digest, for whatever platform.
func base(ref string) lock.Base {
	name, d, _ := strings.Cut(config.ParseInput(ref).Base, "@")
	return lock.Base{Name: name, Digest: digest.Digest(d), Vouched: lock.Unsigned}
}
