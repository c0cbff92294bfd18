package resolve

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/lock"
	"github.com/opencontainers/go-digest"
)

// Summary says in a few words what a project is built from.
func (p *Project) Summary() string {
	s := fmt.Sprintf("%d crates", len(p.CargoLock.Crates()))
	if p.Profile != "" {
		s = "profile " + p.Profile + " · " + s
	}
	if n := len(cargo.GitDependencies(p.CargoLock)); n > 0 {
		s += fmt.Sprintf(" · %d git repositories", n)
	}
	s += " · rust " + p.Lock.Toolchain.Channel
	if p.Lock.Toolchain.Tree == "" {
		s += " (by its tarballs)"
	}
	if def, err := p.Definition(p.Config.Builder.Image); err == nil {
		s += fmt.Sprintf(" · debian %s (%d packages)", def.Suite, len(def.Locked()))
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

// base is a base image by digest.
func base(ref string) lock.Base {
	name, d, _ := strings.Cut(ref, "@")
	return lock.Base{Name: name, Digest: digest.Digest(d), Vouched: lock.Unsigned}
}
