package debian

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// NoPackage is the error of a name that was asked for and that no package has.
type NoPackage struct{ Name string }

func (e *NoPackage) Error() string { return "no package " + e.Name + " in the index" }

// Resolve returns the packages of these names and everything that they need
// before they work, sorted by name; with essential also every package marked
// Essential. A dependency on a name in without counts as met.
func (ix *Index) Resolve(names []string, essential bool, without ...string) ([]Package, error) {
	return ix.Extend(nil, names, essential, without...)
}

// Extend is Resolve where the packages of have are chosen already, in the
// versions that they have there. The result includes them.
func (ix *Index) Extend(have []Package, names []string, essential bool, without ...string) ([]Package, error) {
	r := resolver{ix: ix, chosen: map[string]*Package{}, provided: map[string][]provider{}, without: map[string]bool{}}
	for _, w := range without {
		r.without[w] = true
	}
	for i := range have {
		if err := r.choose(&have[i]); err != nil {
			return nil, err
		}
	}
	// What is asked for is chosen before any alternative is looked at.
	for _, n := range names {
		p, ok := r.chosen[n]
		if !ok {
			if p, ok = ix.packages[n]; !ok {
				return nil, fault.Hint(&NoPackage{n},
					"look for its name in this Debian release; only the main component is read")
			}
		}
		if err := r.choose(p); err != nil {
			return nil, err
		}
	}
	if essential {
		for _, n := range slices.Sorted(maps.Keys(ix.packages)) {
			if p := ix.packages[n]; p.Essential && !r.without[n] {
				if err := r.choose(p); err != nil {
					return nil, err
				}
			}
		}
	}
	for len(r.queue) > 0 {
		p := r.queue[0]
		r.queue = r.queue[1:]
		if err := r.follow(p); err != nil {
			return nil, err
		}
	}
	if err := r.checkConflicts(); err != nil {
		return nil, err
	}
	out := make([]Package, 0, len(r.chosen))
	for _, p := range r.chosen {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Package) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

type resolver struct {
	ix       *Index
	chosen   map[string]*Package
	provided map[string][]provider // what the chosen ones provide
	without  map[string]bool
	queue    []*Package // chosen, dependencies not yet looked at
}

func (r *resolver) choose(p *Package) error {
	if _, ok := r.chosen[p.Name]; ok {
		return nil
	}
	if r.without[p.Name] {
		return fmt.Errorf("package %s is both needed and left out", p.Name)
	}
	clauses, err := ParseRelations(p.Provides)
	if err != nil {
		return fmt.Errorf("package %s provides: %w", p.Name, err)
	}
	for _, c := range clauses {
		r.provided[c[0].Name] = append(r.provided[c[0].Name], provider{p, c[0].Version})
	}
	r.chosen[p.Name] = p
	r.queue = append(r.queue, p)
	return nil
}

func (r *resolver) follow(p *Package) error {
	for _, field := range []string{p.PreDepends, p.Depends} {
		clauses, err := ParseRelations(field)
		if err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
		for _, alternatives := range clauses {
			if err := r.satisfy(p, alternatives); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *resolver) satisfy(p *Package, alternatives []Relation) error {
	for _, a := range alternatives {
		if r.without[a.Name] || r.met(a) {
			return nil
		}
	}
	for _, a := range alternatives {
		if q, ok := r.ix.packages[a.Name]; ok && r.fits(q, a) && a.Admits(q.Version) && r.free(q) {
			return r.choose(q)
		}
	}
	if err := r.ix.provide(); err != nil {
		return err
	}
	for _, a := range alternatives {
		for _, pr := range r.ix.providers[a.Name] {
			if pr.admitted(a) && r.free(pr.pkg) {
				return r.choose(pr.pkg)
			}
		}
	}
	var words []string
	for _, a := range alternatives {
		words = append(words, a.String())
		if q, ok := r.chosen[a.Name]; ok {
			words[len(words)-1] += ", chosen is " + q.Version
		}
	}
	return fault.Hint(fmt.Errorf("package %s %s depends on %s, which nothing in the index meets", p.Name, p.Version, strings.Join(words, " | ")),
		"lock all packages anew with `twice lock --update builder`")
}

// free reports whether q's name may still be chosen in q's version.
func (r *resolver) free(q *Package) bool {
	_, taken := r.chosen[q.Name]
	return !taken && !r.without[q.Name]
}

// met reports whether a chosen package meets a.
func (r *resolver) met(a Relation) bool {
	if p, ok := r.chosen[a.Name]; ok && r.fits(p, a) && a.Admits(p.Version) {
		return true
	}
	return slices.ContainsFunc(r.provided[a.Name], func(p provider) bool { return p.admitted(a) })
}

// fits reports whether p is of the architecture that a asks for, if it does.
func (r *resolver) fits(p *Package, a Relation) bool {
	return a.Arch == "" || a.Arch == "any" || a.Arch == p.Arch || p.Arch == "all"
}

func (p provider) admitted(a Relation) bool {
	return a.Op == "" || p.version != "" && a.Admits(p.version)
}

// checkConflicts refuses a set that dpkg would.
func (r *resolver) checkConflicts() error {
	for _, n := range slices.Sorted(maps.Keys(r.chosen)) {
		p := r.chosen[n]
		for _, f := range []struct{ verb, field string }{{"conflicts with", p.Conflicts}, {"breaks", p.Breaks}} {
			clauses, err := ParseRelations(f.field)
			if err != nil {
				return fmt.Errorf("package %s: %w", n, err)
			}
			for _, c := range clauses {
				if q, ok := r.hit(p, c[0]); ok {
					return fmt.Errorf("package %s %s %s %s, and both are needed", n, p.Version, f.verb, q.Name)
				}
			}
		}
	}
	return nil
}

// hit returns a chosen package other than p that a names.
func (r *resolver) hit(p *Package, a Relation) (*Package, bool) {
	if q, ok := r.chosen[a.Name]; ok && q != p && a.Admits(q.Version) {
		return q, true
	}
	for _, pr := range r.provided[a.Name] {
		if pr.pkg.Name != p.Name && pr.admitted(a) {
			return pr.pkg, true
		}
	}
	return nil, false
}
