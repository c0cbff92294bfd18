package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/cause"
)

// Bisection is what building again with some of the axes varied found out about
// a mismatch. Only builds that differ were built again, and only what a compiler
// writes was compared, by digest.
type Bisection struct {
	// Conclusion is "axes", "nondeterministic", "unsteady" or "unfinished",
	// with the meanings that package bisect gives them.
	Conclusion bisect.Kind `json:"conclusion"`
	// Groups are, for "axes", the axes that matter: each group makes the
	// builds differ by itself, and the axes of one group only together. With an
	// unfinished search they are the groups found so far.
	Groups [][]string `json:"groups,omitempty"`
	// Candidates are, with an unfinished search, the axes among which the one
	// that matters is, if it is one.
	Candidates []string `json:"candidates,omitempty"`
	// Stopped is why an unfinished search ended: "interrupted", or an error.
	Stopped string `json:"stopped,omitempty"`
	// Of builds with nothing varied (A itself not counted), and of those with
	// every axis varied (B counted): how many there were and how many of them
	// left something else than A.
	Plain  Repeats `json:"plain"`
	Varied Repeats `json:"varied"`
	// Runs is the number of repetitions that was asked for; 0: the default.
	Runs int `json:"runs,omitempty"`
	// Of are the project's builds that were built again, where it has several.
	Of []string `json:"of,omitempty"`
	// A and B are what the two builds left, as in Again.Result.
	A digest.Digest `json:"a"`
	B digest.Digest `json:"b"`
	// Again are the builds that were made for it, in their order.
	Again []Again `json:"again"`
}

// Repeats is "k of n".
type Repeats struct {
	Builds int `json:"builds"`
	Differ int `json:"differ"`
}

// Again is one build more.
type Again struct {
	// Axes are those that were varied.
	Axes []string `json:"axes"`
	// Result is the digest of the list of what it left: a line "<digest>
	// <name>" for each artefact but archives and images, which follow from
	// them, in the order of the names.
	Result  digest.Digest `json:"result"`
	Start   time.Time     `json:"start"`
	Seconds float64       `json:"seconds"`
}

// As says which build it is like.
func (b *Bisection) As(x Again) string {
	switch x.Result {
	case b.A:
		return "as A"
	case b.B:
		return "as B"
	}
	return "as neither"
}

// Matter are all axes that matter.
func (b *Bisection) Matter() []string {
	if b == nil || b.Conclusion != bisect.Axes {
		return nil
	}
	return slices.Concat(b.Groups...)
}

// Confirm adds to the causes of what differs what the bisection showed of them.
func (v *Verdict) Confirm() {
	b := v.Bisection
	if !b.Finished() {
		return
	}
	again := cause.Again{Axes: b.Matter(), Random: b.Conclusion == bisect.Nondeterministic, Sentence: b.Sentence()}
	for i := range v.Artefacts {
		v.Artefacts[i].Causes = cause.Confirm(v.Artefacts[i].Causes, again)
	}
}

// Finished says whether the search came to a conclusion.
func (b *Bisection) Finished() bool { return b != nil && b.Conclusion != bisect.Unfinished }

// Sentence is the conclusion in a sentence, with the number of builds that show it.
func (b *Bisection) Sentence() string {
	s := b.sentence()
	if n := len(b.Again); n > 0 {
		s += fmt.Sprintf(" (%s)", count(n, "extra build"))
	}
	return s
}

func (b *Bisection) sentence() string {
	switch b.Conclusion {
	case bisect.Axes:
		return b.groups()
	case bisect.Nondeterministic:
		return fmt.Sprintf("no axis explains it: with nothing varied the build left other bits than A in %d of %s", b.Plain.Differ, count(b.Plain.Builds, "run"))
	case bisect.Unsteady:
		return fmt.Sprintf("it differs now and then only: in %d of %s with every axis varied, in %d of %d with none", b.Varied.Differ, count(b.Varied.Builds, "run"),
			b.Plain.Differ, b.Plain.Builds)
	}
	s := "stopped before the end"
	if b.Stopped != "" {
		s += ", " + b.Stopped
	}
	switch {
	case len(b.Groups) > 0:
		s += "; until then: " + b.groups()
	case len(b.Candidates) == 1:
		s += "; if one axis matters, it is " + b.Candidates[0]
	case len(b.Candidates) > 0:
		s += "; if one axis matters, it is one of " + strings.Join(b.Candidates, ", ")
	}
	return s
}

func (b *Bisection) groups() string {
	var single []string
	var parts []string
	for _, g := range b.Groups {
		if len(g) == 1 {
			single = append(single, g[0])
		}
	}
	switch {
	case len(single) == 1 && len(b.Groups) == 1 && b.Conclusion == bisect.Axes:
		parts = append(parts, "only "+single[0]+" matters")
	case len(single) == 1:
		parts = append(parts, single[0]+" matters by itself")
	case len(single) > 1:
		parts = append(parts, and(single)+" matter, each by itself")
	}
	for _, g := range b.Groups {
		if len(g) > 1 {
			parts = append(parts, and(g)+" matter only together")
		}
	}
	return strings.Join(parts, "; ")
}

func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// AxesText names a set of axes in few words, where all is the set of those that
// were varied in B.
func AxesText(set, all []string) string {
	const few = 3
	missing := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return slices.Contains(set, a) })
	switch {
	case len(set) == 0:
		return "nothing varied"
	case len(missing) == 0 && len(all) > 1:
		return "everything varied"
	case len(set) <= few:
		return strings.Join(set, ", ")
	case len(missing) <= few:
		return "all but " + strings.Join(missing, ", ")
	}
	return fmt.Sprintf("%s, … (%s)", strings.Join(set[:few], ", "), axes(len(set)))
}

// check refuses a bisection that contradicts itself.
func (b *Bisection) check() error {
	switch b.Conclusion {
	case bisect.Axes:
		if len(b.Groups) == 0 {
			return errors.New("it names no axes")
		}
	case bisect.Nondeterministic, bisect.Unsteady, bisect.Unfinished:
	default:
		return fmt.Errorf("%q is not a conclusion", string(b.Conclusion))
	}
	for _, g := range b.Groups {
		if len(g) == 0 {
			return errors.New("a group is empty")
		}
	}
	for _, n := range []Repeats{b.Plain, b.Varied} {
		if n.Differ < 0 || n.Differ > n.Builds {
			return errors.New("its counts are impossible")
		}
	}
	digests := []digest.Digest{b.A, b.B}
	for _, x := range b.Again {
		digests = append(digests, x.Result)
	}
	for _, d := range digests {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("digest %.100q: %w", string(d), err)
		}
	}
	return nil
}

func (b *Bisection) canonical() *Bisection {
	if b == nil {
		return nil
	}
	c := *b
	c.Again = append([]Again{}, b.Again...)
	for i := range c.Again {
		c.Again[i].Axes = append([]string{}, c.Again[i].Axes...)
		c.Again[i].Start = c.Again[i].Start.UTC().Round(0)
		c.Again[i].Seconds = milliseconds(c.Again[i].Seconds)
	}
	return &c
}

// bisection shows each build and the conclusion.
func (p *page) bisection(v *Verdict) {
	b := v.Bisection
	if b == nil && Decide(v.Artefacts) == Mismatch && len(v.Varied) > 0 {
		p.gap()
		p.line("  %s`twice bisect %s` finds out which of the %s it depends on", pad8("hint"), clean(v.Subject.Spec), axes(len(v.Varied)))
	}
	if b == nil {
		return
	}
	p.gap()
	var all []string
	for _, a := range v.Varied {
		if a.With == "" {
			all = append(all, a.Name)
		}
	}
	rows, width := make([]string, len(b.Again)), 0
	for i, x := range b.Again {
		rows[i] = clean(AxesText(x.Axes, all))
		if p.o.Verbose && len(x.Axes) > 0 {
			rows[i] = clean(strings.Join(x.Axes, ","))
		}
		width = max(width, len([]rune(rows[i])))
	}
	for i, x := range b.Again {
		p.line("  %s%s  %s  %s", pad8("again"), pad(rows[i], width), pad(b.As(x), len("as neither")), Duration(x.Seconds))
	}
	p.line("  %s%s", pad8("found"), clean(b.Sentence()))
	if !b.Finished() {
		p.line("  %s`twice bisect %s` goes on from there", pad8("hint"), clean(v.Subject.Spec))
	}
}
