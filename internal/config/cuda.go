package config

import (
	"strings"

	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/pypi"
)

// Requirements are the wheels, sorted by name.
func (c *CUDA) Requirements() []pypi.Requirement {
	if c == nil {
		return nil
	}
	var out []pypi.Requirement
	for _, w := range sorted(c.Wheels) {
		if r, err := pypi.ParseRequirement(w); err == nil {
			out = append(out, r)
		}
	}
	return out
}

func (c *CUDA) check(bad reject, at []any) error {
	if c == nil {
		return nil
	}
	if len(c.Wheels) == 0 && c.Redist == "" {
		return bad(at, "[cuda] names neither wheels nor redist")
	}
	seen := map[string]bool{}
	toolkit := false
	for i, w := range c.Wheels {
		r, err := pypi.ParseRequirement(w)
		if err != nil {
			return bad(in(at, "wheels", i), "%v", err)
		}
		if seen[r.Name] {
			return bad(in(at, "wheels", i), "%s is asked for twice", r.Name)
		}
		seen[r.Name] = true
		if r.Name != cuda.LibClang && !strings.HasPrefix(r.Name, "nvidia-") {
			return bad(in(at, "wheels", i), "%s is neither a wheel of NVIDIA's nor %s", r.Name, cuda.LibClang)
		}
		toolkit = toolkit || r.Name != cuda.LibClang
	}
	if c.Redist == "" {
		if len(c.Components) > 0 {
			return bad(in(at, "components"), "components are those of redist, which is not set")
		}
		return nil
	}
	if toolkit {
		return bad(in(at, "redist"), "redist and wheels of NVIDIA's are two toolkits: choose one")
	}
	if !cuda.ReleaseRE.MatchString(c.Redist) {
		return bad(in(at, "redist"), "%q is not a release of CUDA: 12.9.1", c.Redist)
	}
	for i, n := range c.Components {
		if !cuda.ComponentRE.MatchString(n) {
			return bad(in(at, "components", i), "%q is not a component of CUDA: cuda_nvcc", n)
		}
	}
	return nil
}
