package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
)

// Engine is one of several that ran builds, as it describes itself: an engine
// that lies about its builds may lie about the rest.
type Engine struct {
	Name     string `json:"name"` // its address without credentials, or "embedded"
	BuildKit string `json:"buildkit,omitempty"`
	Worker   string `json:"worker,omitempty"` // its worker's identifier
	// Kernel, CPU and Boot are the machine's, as a step saw them; Boot is equal
	// for engines on one running kernel.
	Kernel string `json:"kernel,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Boot   string `json:"boot,omitempty"`
	// NotContained is why steps can use up the machine; empty where they can't.
	NotContained string `json:"not_contained,omitempty"`
	// Sides are those that it built, or parts of them.
	Sides []string `json:"sides,omitempty"`
	// Lost is why it did not finish what it was asked for; another engine did.
	Lost string `json:"lost,omitempty"`
}

// Said is a result, and the sides that came to it.
type Said struct {
	Result digest.Digest
	Sides  []string
}

// Said groups the builds by what they left, in the order of the sides. It is
// empty where they were only two.
func (v *Verdict) Said() []Said {
	var out []Said
	for _, b := range v.Builds {
		if b.Result == "" {
			continue
		}
		i := slices.IndexFunc(out, func(s Said) bool { return s.Result == b.Result })
		if i < 0 {
			out = append(out, Said{Result: b.Result})
			i = len(out) - 1
		}
		out[i].Sides = append(out[i].Sides, b.Side)
	}
	return out
}

// Alone is the side that left something else than all others did, and would
// have been expected to leave the same as one of them whatever its settings
// matter: with three sides or more, all but A have the same settings, and A's
// don't matter if it agrees with one of those. Empty if there is no such side.
func (v *Verdict) Alone() string {
	said := v.Said()
	if len(said) != 2 {
		return ""
	}
	few, many := said[0], said[1]
	if len(few.Sides) > len(many.Sides) {
		few, many = many, few
	}
	if len(few.Sides) != 1 || len(many.Sides) < 2 || few.Sides[0] == "A" {
		return ""
	}
	return few.Sides[0]
}

// engineOf names the engine that built a side.
func (v *Verdict) engineOf(side string) string {
	var names []string
	for _, e := range v.Engines {
		if slices.Contains(e.Sides, side) {
			names = append(names, clean(e.Name))
		}
	}
	return strings.Join(names, " and ")
}

// engines says who built what, above the table.
func (p *page) engines(v *Verdict) {
	list := slices.Clone(v.Engines)
	slices.SortStableFunc(list, func(a, b Engine) int { return cmp.Compare(first(a.Sides), first(b.Sides)) })
	for _, e := range list {
		parts := []string{clean(e.Name)}
		if e.BuildKit != "" {
			parts = append(parts, "BuildKit "+clean(e.BuildKit))
		}
		if e.Kernel != "" {
			words := strings.Fields(clean(e.Kernel))
			parts = append(parts, strings.Join(words[:min(2, len(words))], " "))
		}
		if e.CPU != "" {
			parts = append(parts, clean(e.CPU))
		}
		p.line("%s%s", pad(strings.TrimSpace("engine "+clean(strings.Join(e.Sides, ","))), 8)+"  ", strings.Join(parts, " · "))
		if p.o.Verbose {
			for _, d := range []struct{ name, text string }{{"worker", e.Worker}, {"kernel", e.Kernel}, {"boot", e.Boot}, {"contained", e.NotContained}} {
				if d.text != "" {
					p.line("%s%s%s", label10(""), pad(d.name, 11), clean(d.text))
				}
			}
		}
		if e.Lost != "" {
			p.line("%s%s", label10("lost"), clean(e.Lost))
		}
	}
}

// first puts engines without a side last.
func first(sides []string) string { return append(slices.Clone(sides), "~")[0] }

// whoSaid lists who said what, where several engines don't agree.
func (p *page) whoSaid(v *Verdict) {
	said := v.Said()
	if len(v.Engines) == 0 || Decide(v.Artefacts) != Mismatch {
		return
	}
	p.gap()
	for _, s := range said {
		var names []string
		for _, side := range s.Sides {
			names = append(names, side+" "+v.engineOf(side))
		}
		p.line("  %s%s  %s", pad8("said"), short(s.Result), strings.Join(names, ", "))
	}
	for _, b := range v.Builds {
		if len(b.Differs) > 0 && len(said) > 2 {
			p.line("  %s%s differs from A in %s", pad8(""), clean(b.Side), clean(strings.Join(b.Differs, ", ")))
		}
	}
	if side := v.Alone(); side != "" {
		p.line("  %s%s (%s) stands alone: %d others agree, with the same settings and with others", pad8("alone"), v.engineOf(side), side, len(v.Builds)-1)
	} else if len(v.Builds) == 2 {
		p.line("  %stwo engines can't say which of them is right: a third --engine can", pad8("hint"))
	}
}

// checkEngines refuses engines and results that contradict the word.
func (v *Verdict) checkEngines() error {
	results := map[digest.Digest]bool{}
	for _, b := range v.Builds {
		if b.Result == "" {
			continue
		}
		if err := b.Result.Validate(); err != nil {
			return fmt.Errorf("result of build %s: digest %.100q: %w", b.Side, string(b.Result), err)
		}
		results[b.Result] = true
	}
	if len(results) == 0 {
		return nil
	}
	if len(results) > 1 != (Decide(v.Artefacts) == Mismatch) {
		return errors.New("the results of its builds contradict its artefacts")
	}
	return nil
}
