// Package bisect finds out which axes make two builds differ, by building
// again with some of them varied. It knows no build: an [Oracle] answers.
//
// # What is known at the start
//
// Build A, with no axis varied, and build B, with all of them, left different
// results. A result is a value that is equal exactly when all artefacts are;
// so each further build can be like A, like B, or like neither.
//
// # One axis
//
// The search begins by assuming that one axis matters. Each build halves the
// candidates, and the axes that are ruled out already go where they prove
// most:
//
//   - those that were ruled out by a build like B are varied again. (That
//     build shows that they are not needed for the difference, not that they
//     make none.)
//   - those that were ruled out by a build like A are left plain. (That build
//     shows that they alone make no difference, not that they aren't needed.)
//
// So when one candidate x is left and the last build was like B, every other
// axis is missing from some build that was like B, and a build with everything
// but x varied says whether any of them makes a difference without x. When the
// last build was like A, every other axis was varied in some build that
// was like A, and a build with x alone says whether it needs another. Either
// way that is one more build, ⌈log₂ axes⌉+1 in all ([Bound]), and the answer is
// proven against every explanation by one or two axes. It is not proven
// against a result that is random and happened to fit: a build that takes one
// of two results by chance passes the last check every second time.
// Options.Runs makes that less likely.
//
// # Anything else
//
// A build like neither, or a last check that fails, ends that assumption. Then
// A and B are each built once more:
//
//   - A comes out otherwise: the build is not deterministic in itself. It is
//     repeated with nothing varied, Options.Runs times in all, and counted.
//   - B comes out like A: it differs now and then only. Both are repeated and counted.
//   - Else axes matter, several. Groups of them are searched for, one
//     after the other: a group is a minimal set that makes the result differ
//     from A's when it alone is varied. A group of one matters by itself; the
//     axes of a larger one matter only together. After each group the rest is
//     varied without it, until that makes no difference.
//
// With r axes in g groups that takes at most ([BoundMany])
// r·(⌈log₂ axes⌉+1) + g builds more. The groups don't overlap: an axis that
// also matters together with one of a group that was found is not looked for.
// Groups are minimal where varying more never makes a difference go away; where
// it does (two axes that cancel each other), each group still differs by
// itself, as was seen, but could be smaller.
package bisect

import (
	"context"
	"fmt"
	"math/bits"
)

// Oracle builds once, from scratch, with the axes of s varied and the others
// plain, and returns the result. It must never answer from an earlier build.
type Oracle func(ctx context.Context, s Set) (result string, err error)

// Options of a search.
type Options struct {
	Axes int    // how many were varied in B, 0 to MaxAxes
	A, B string // the results of the builds that differ
	// Suspects are axes to ask about first. Where they are right a search is
	// shorter; where not it may take one build more than Bound.
	Suspects Set
	// Suspicious asks first whether the build is deterministic at all.
	Suspicious bool
	// Runs is how often a build that is random is repeated with nothing
	// varied; 0: DefaultRuns. If it is set, A and B are each repeated Runs
	// times before several axes are looked for, and the last check of an axis
	// is made in both ways and Runs times.
	Runs int
	// Known are builds of an earlier search with the same A and B, in their
	// order: they are taken for what they are before the oracle is asked.
	Known []Build
}

// DefaultRuns is how often a random build is repeated.
const DefaultRuns = 3

// Build is a build and its result.
type Build struct {
	Vary   Set
	Result string
	Known  bool // it is one of Options.Known
}

// Kind is what a search found.
type Kind string

// The kinds of conclusions.
const (
	// Unfinished: the search was cut off. Groups and Candidates say how far it was.
	Unfinished Kind = "unfinished"
	// Axes: the axes in Groups make the builds differ, and nothing else does.
	Axes Kind = "axes"
	// Nondeterministic: builds with nothing varied differ.
	Nondeterministic Kind = "nondeterministic"
	// Unsteady: builds with nothing varied agree, those with all axes varied
	// differ from them now and then only.
	Unsteady Kind = "unsteady"
)

// Result is what a search found, with the builds that show it.
type Result struct {
	Kind   Kind
	Groups []Set // of Axes: minimal sets that make a difference alone
	// Candidates are, in an unfinished search for one axis, those that are left.
	Candidates Set
	Builds     []Build
	// Plain counts the builds with nothing varied, A not included, and
	// PlainOther those of them whose result is not A's. All and AllOther are
	// the same for builds with all axes varied. B is among the latter, or,
	// where there are no axes, among the former.
	Plain, PlainOther int
	All, AllOther     int
}

// Bound is the number of builds that find the axis when one matters.
func Bound(axes int) int {
	if axes < 1 {
		return 1
	}
	return ceilLog2(axes) + 1
}

// BoundMany is the number of builds that find axes that matter in groups.
func BoundMany(axes, matter, groups int) int {
	const repeated = 2
	return Bound(axes) + 1 + repeated + matter*(ceilLog2(axes)+1) + groups
}

func ceilLog2(n int) int { return bits.Len(uint(n - 1)) }

// Search finds out why A and B differ. With an error, from the oracle or
// because ctx ended, it returns what it had found until then, as Unfinished.
func Search(ctx context.Context, opt Options, oracle Oracle) (Result, error) {
	if opt.Axes < 0 || opt.Axes > MaxAxes {
		return Result{Kind: Unfinished}, fmt.Errorf("bisecting %d axes: at most %d can be told apart", opt.Axes, MaxAxes)
	}
	s := &search{opt: opt, oracle: oracle, all: First(opt.Axes), seen: map[Set][]string{}, known: map[Set][]string{}, runs: opt.Runs}
	if s.runs < 1 {
		s.runs = DefaultRuns
	}
	for _, b := range opt.Known {
		s.known[b.Vary] = append(s.known[b.Vary], b.Result)
	}
	s.res.Kind = Unfinished
	if opt.Axes == 0 {
		s.res.Plain, s.res.PlainOther = 1, 1
	} else {
		s.res.All, s.res.AllOther = 1, 1
	}
	err := s.run(ctx)
	if err != nil {
		s.res.Kind = Unfinished
	}
	return s.res, err
}
