package verify

import (
	"fmt"
	"slices"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// Several is a Builder that has an engine for each side: A is built by the
// first, B by the second, and each further engine builds a further side with
// B's settings. Job.Engine says which one a job is for.
type Several interface {
	Builder
	// Count is the number of engines, those counted that could not be reached.
	Count() int
	// Engines describes them. Sides are the names that their jobs had.
	Engines() []verdict.Engine
}

// SideNames are the names of n sides: A, B, C, …
func SideNames(n int) []string {
	var out []string
	for i := range n {
		out = append(out, string(rune('A'+i)))
	}
	return out
}

// MaxEngines is as many as there are names for sides.
const MaxEngines = 26

// result is the digest of all that a side left, as verdict.Build.Result is.
func (s *side) result() digest.Digest {
	all := map[string]digest.Digest{}
	for _, a := range s.artefacts {
		all[a.Name] = a.Digest
	}
	return sum(all)
}

// arrange puts the first side that left something else than A in B's place:
// they have equal settings, and what is compared in depth is A and B.
func arrange(sides []*side) {
	for i := 1; i < len(sides); i++ {
		if sides[i].result() == sides[0].result() {
			continue
		}
		if i > 1 {
			b, x := sides[1], sides[i]
			b.Name, x.Name = x.Name, b.Name
			sides[1], sides[i] = x, b
		}
		return
	}
}

// differs names the artefacts of a side that are not a's.
func (s *side) differs(a *side) []string {
	var out []string
	find := func(list []artefact.Artefact, name string) digest.Digest {
		i := slices.IndexFunc(list, func(x artefact.Artefact) bool { return x.Name == name })
		if i < 0 {
			return ""
		}
		return list[i].Digest
	}
	for _, x := range a.artefacts {
		if find(s.artefacts, x.Name) != x.Digest {
			out = append(out, x.Name)
		}
	}
	for _, x := range s.artefacts {
		if find(a.artefacts, x.Name) == "" {
			out = append(out, x.Name)
		}
	}
	return out
}

// describe says in a verdict which engines there are, and which of its sides each built.
func describe(v *verdict.Verdict, several Several, sides []*side) {
	v.Engines = several.Engines()
	for i := range v.Engines {
		e := &v.Engines[i]
		var names []string
		for _, s := range sides {
			if slices.Contains(e.Sides, s.started) {
				names = append(names, s.Name)
			}
		}
		e.Sides = names
	}
	for i := range v.Builds {
		b := &v.Builds[i]
		for _, e := range v.Engines {
			if slices.Contains(e.Sides, b.Side) {
				b.Engine = e.Name
			}
		}
	}
}

// results adds what each side left, and in what it is not A.
func results(v *verdict.Verdict, sides []*side) {
	for i, s := range sides {
		v.Builds[i].Result = s.result()
		if i > 0 && len(sides) > 2 {
			v.Builds[i].Differs = s.differs(sides[0])
		}
	}
}

// acrossEngines moves what two engines have in different ways from what was
// not varied to what was, and says so where they have it in common.
func acrossEngines(v *verdict.Verdict) {
	of := func(side string) (verdict.Engine, bool) {
		i := slices.IndexFunc(v.Engines, func(e verdict.Engine) bool { return slices.Contains(e.Sides, side) })
		if i < 0 {
			return verdict.Engine{}, false
		}
		return v.Engines[i], true
	}
	a, okA := of("A")
	b, okB := of("B")
	if !okA || !okB {
		return
	}
	not := func(name, why string) {
		i := slices.IndexFunc(v.NotVaried, func(x verdict.Axis) bool { return x.Name == name })
		if i < 0 {
			v.NotVaried = append(v.NotVaried, verdict.Axis{Name: name, Why: why})
			return
		}
		v.NotVaried[i].Why = why
	}
	varied := func(name, x, y string) {
		v.NotVaried = slices.DeleteFunc(v.NotVaried, func(n verdict.Axis) bool { return n.Name == name })
		with := string(plan.Engine)
		if name == with {
			with = ""
		}
		v.Varied = append(v.Varied, verdict.Axis{Name: name, A: x, B: y, With: with})
	}
	if a.Name == b.Name {
		not(string(plan.Engine), "one engine was lost, and the other built both sides")
		return
	}
	varied(string(plan.Engine), a.Name, b.Name)
	switch {
	case a.Boot == "" || b.Boot == "":
		not("machine", "at least one engine did not say which machine it is on")
	case a.Boot == b.Boot:
		not("machine", "both engines run on one machine: they name one start of one kernel")
	default:
		varied("machine", "boot "+a.Boot, "boot "+b.Boot)
	}
	for _, x := range []struct{ name, what, a, b string }{
		{"kernel-build", "kernel", a.Kernel, b.Kernel},
		{"cpu", "processor", a.CPU, b.CPU},
	} {
		switch {
		case x.a == "" || x.b == "":
			not(x.name, "at least one engine did not say which "+x.what+" it has")
		case x.a != x.b:
			varied(x.name, x.a, x.b)
		default:
			not(x.name, fmt.Sprintf("both engines have the same %s: %s", x.what, x.a))
		}
	}
}
