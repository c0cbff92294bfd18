package lock

import (
	"cmp"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
)

// Change is a pin that moved. Before or After is "" where there was, or is, none.
type Change struct {
	Kind   string   `json:"kind"` // "rust", "deb", "base", "cuda", "git"
	Name   string   `json:"name"`
	Images []string `json:"images,omitempty"` // that have the package, sorted
	Before string   `json:"before"`
	After  string   `json:"after"`

	Package *images.Package `json:"-"` // of a deb, as it is now
	Suite   string          `json:"-"`
}

// Changes are what moved between two locks, sorted by kind and name. A package
// that moved alike in several images is one change.
func Changes(before, after *Lock) []Change {
	var out []Change
	add := func(c Change) {
		if c.Before == c.After {
			return
		}
		for i, x := range out {
			if x.Kind == c.Kind && x.Name == c.Name && x.Before == c.Before && x.After == c.After {
				out[i].Images = append(out[i].Images, c.Images...)
				return
			}
		}
		out = append(out, c)
	}
	rust := func(l *Lock) string { return strings.TrimSpace(l.Toolchain.Channel + " " + l.Toolchain.Rustc) }
	add(Change{Kind: "rust", Name: "rust", Before: rust(before), After: rust(after)})
	for _, im := range after.Images {
		old, had := before.Image(im.Name)
		if !had {
			continue
		}
		was := map[string]string{}
		for _, p := range old.Packages {
			was[p.Name+" "+p.Architecture] = p.Version
		}
		for _, p := range im.Packages {
			key := p.Name + " " + p.Architecture
			add(Change{Kind: "deb", Name: p.Name, Images: []string{im.Name}, Before: was[key], After: p.Version, Package: &p, Suite: im.Suite})
			delete(was, key)
		}
		for key, v := range was {
			name, _, _ := strings.Cut(key, " ")
			add(Change{Kind: "deb", Name: name, Images: []string{im.Name}, Before: v})
		}
	}
	bases := map[string]string{}
	for _, b := range before.Bases {
		bases[b.Name] = b.Digest.String()
	}
	for _, b := range after.Bases {
		if old, had := bases[b.Name]; had {
			add(Change{Kind: "base", Name: b.Name, Before: old, After: b.Digest.String()})
		}
	}
	cuda := func(l *Lock) string {
		if l.CUDA == nil {
			return ""
		}
		return l.CUDA.String()
	}
	add(Change{Kind: "cuda", Name: "cuda", Before: cuda(before), After: cuda(after)})
	commits := map[string]string{}
	for _, g := range before.Git {
		commits[g.URL] = g.Commit
	}
	for _, g := range after.Git {
		if old, had := commits[g.URL]; had {
			add(Change{Kind: "git", Name: g.URL, Before: old, After: g.Commit})
		}
	}
	for i := range out {
		slices.Sort(out[i].Images)
	}
	slices.SortFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.After, b.After))
	})
	return out
}
