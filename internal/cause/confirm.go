package cause

import (
	"cmp"
	"slices"
	"strings"
)

// Again is what building again with some axes varied showed.
type Again struct {
	// Axes are those that matter, by the names that --vary takes.
	Axes []string
	// Random is set if the build differs with nothing varied as well.
	Random bool
	// Sentence says it in words, with the number of builds that show it.
	Sentence string
}

// Rules of causes that building again gives where the bits alone gave none.
const (
	ByAxis = "axis"
	Chance = "nondeterministic"
)

// chance are the rules of causes that differ in every build, whatever is varied.
var chance = []string{"time", "process-id", "uuid", "random", "address", "gcc-random-seed", Chance}

// Random says whether the cause makes builds differ that vary nothing.
func (c Cause) Random() bool { return slices.Contains(chance, c.Rule) }

const (
	confirmed = "built again: "
	ruledOut  = "built again, and not shown to matter: "
)

// Confirm says of each cause what building again showed of it, and gives one
// where no rule knew any. Said twice it is said once.
func Confirm(list []Cause, x Again) []Cause {
	var out []Cause
	explained := len(x.Axes) > 0 && !slices.ContainsFunc(x.Axes, func(a string) bool {
		return !slices.ContainsFunc(list, func(c Cause) bool { return c.Known && c.Axis == a && c.Rule != ByAxis })
	})
	for _, c := range list {
		if explained && !c.Known {
			continue // it depends on nothing else than what is known
		}
		c.Proof = slices.DeleteFunc(slices.Clone(c.Proof), func(l string) bool {
			return strings.HasPrefix(l, confirmed) || strings.HasPrefix(l, ruledOut)
		})
		switch {
		case !c.Known || c.Rule == ByAxis || c.Rule == Chance:
			c = x.cause(c)
			c.Proof = append(c.Proof, confirmed+x.Sentence)
		case c.Axis != "" && slices.Contains(x.Axes, c.Axis), c.Axis == "" && c.Random() && x.Random:
			c.Proof = append(c.Proof, confirmed+x.Sentence)
		case c.Axis != "" && !x.Random:
			c.Proof = append(c.Proof, ruledOut+x.Sentence)
		}
		out = append(out, c)
	}
	// What was ruled out comes last.
	slices.SortStableFunc(out, func(a, b Cause) int { return cmp.Compare(order(a), order(b)) })
	return out
}

// order puts what was not shown behind the rest.
func order(c Cause) int {
	for _, l := range c.Proof {
		if strings.HasPrefix(l, ruledOut) {
			return 1
		}
	}
	return 0
}

// cause replaces one that is not known.
func (x Again) cause(c Cause) Cause {
	c.Known = true
	if x.Random {
		c.Rule, c.Title, c.Axis = Chance, "the build is not deterministic in itself", ""
		c.Fix = "look in build scripts and macros for clocks, random numbers, the order of a HashMap, and threads that race"
		return c
	}
	if len(x.Axes) == 0 {
		c.Known = false
		return c
	}
	c.Rule, c.Title = ByAxis, "it depends on "+strings.Join(x.Axes, ", ")
	c.Axis, c.Fix = "", "make the build independent of it"
	if len(x.Axes) == 1 && x.Axes[0] == "engine" {
		c.Title, c.Axis = "it depends on which engine builds", x.Axes[0]
		c.Fix = "find out what the build reads of its machine; if nothing, one of the machines does not do what it is told: a third engine says which"
		return c
	}
	if len(x.Axes) == 1 {
		c.Axis = x.Axes[0]
		c.Fix = cmp.Or(axisFix(c.Axis), c.Fix)
	}
	return c
}

// axisFix is the fix that the rule about an axis itself has: that of its name,
// or the last one, since those about archives come first.
func axisFix(axis string) (fix string) {
	if axis == "file-order" {
		return "sort what a directory lists before it is used"
	}
	for _, r := range rules {
		if r.Axis == axis && r.Name == axis {
			return r.Fix
		}
		if r.Axis == axis {
			fix = r.Fix
		}
	}
	return fix
}
