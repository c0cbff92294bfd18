package verify

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

func sidesOf(texts ...string) []*side {
	var out []*side
	for i, name := range SideNames(len(texts)) {
		out = append(out, &side{Side: plan.Side{Name: name}, started: name, engine: i,
			artefacts: []artefact.Artefact{{Name: "bin/x", Digest: digest.FromString(texts[i])}, {Name: "bin/y", Digest: digest.FromString("y")}}})
	}
	return out
}

// Whoever is the first to differ from A is B.
func TestArrange(t *testing.T) {
	for _, c := range []struct {
		texts   []string
		engines []int // of A, B, …
	}{
		{[]string{"1", "1"}, []int{0, 1}},
		{[]string{"1", "2"}, []int{0, 1}},
		{[]string{"1", "1", "1"}, []int{0, 1, 2}},
		{[]string{"1", "1", "2"}, []int{0, 2, 1}},
		{[]string{"1", "1", "1", "2"}, []int{0, 3, 2, 1}},
		{[]string{"1", "2", "1", "3"}, []int{0, 1, 2, 3}},
	} {
		s := sidesOf(c.texts...)
		arrange(s)
		var engines []int
		for i, x := range s {
			if x.Name != SideNames(len(s))[i] {
				t.Errorf("%q: side %d is called %s", c.texts, i, x.Name)
			}
			engines = append(engines, x.engine)
		}
		if !slices.Equal(engines, c.engines) {
			t.Errorf("%q: engines %v, want %v", c.texts, engines, c.engines)
		}
	}
	s := sidesOf("1", "2")
	if d := cmp.Diff([]string{"bin/x"}, s[1].differs(s[0])); d != "" {
		t.Error(d)
	}
}

// What two engines have in different ways was varied; what they have in common,
// and what they don't say, was not.
func TestAcrossEngines(t *testing.T) {
	one := verdict.Engine{Name: "tcp://a", Sides: []string{"A"}, Boot: "1", Kernel: "Linux 6.1", CPU: "Xeon"}
	for name, c := range map[string]struct {
		b    verdict.Engine
		want map[string]bool // varied?
	}{
		"another machine":     {verdict.Engine{Name: "tcp://b", Sides: []string{"B"}, Boot: "2", Kernel: "Linux 6.6", CPU: "EPYC"}, map[string]bool{"engine": true, "machine": true, "kernel-build": true, "cpu": true}},
		"an equal machine":    {verdict.Engine{Name: "tcp://b", Sides: []string{"B"}, Boot: "2", Kernel: "Linux 6.1", CPU: "Xeon"}, map[string]bool{"engine": true, "machine": true, "kernel-build": false, "cpu": false}},
		"the same machine":    {verdict.Engine{Name: "tcp://b", Sides: []string{"B"}, Boot: "1", Kernel: "Linux 6.1", CPU: "Xeon"}, map[string]bool{"engine": true, "machine": false, "kernel-build": false, "cpu": false}},
		"it says nothing":     {verdict.Engine{Name: "tcp://b", Sides: []string{"B"}}, map[string]bool{"engine": true, "machine": false, "kernel-build": false, "cpu": false}},
		"lost, taken over":    {verdict.Engine{Name: "tcp://b", Lost: "gone"}, map[string]bool{"engine": false, "kernel-build": false, "cpu": false}},
		"a kernel of its own": {verdict.Engine{Name: "tcp://b", Sides: []string{"B"}, Boot: "2", Kernel: "Linux 6.6", CPU: "Xeon"}, map[string]bool{"engine": true, "machine": true, "kernel-build": true, "cpu": false}},
	} {
		a := one
		if c.b.Lost != "" {
			a.Sides = []string{"A", "B"}
		}
		v := &verdict.Verdict{Engines: []verdict.Engine{a, c.b}}
		_, v.NotVaried = axes(plan.AllAxes(), nil, plan.Settings{}, plan.Settings{})
		acrossEngines(v)
		got := map[string]bool{}
		for _, x := range v.Varied {
			got[x.Name] = true
		}
		for _, x := range v.NotVaried {
			if x.Why == "" {
				t.Errorf("%s: %s has no reason", name, x.Name)
			}
			if _, asked := c.want[x.Name]; asked {
				got[x.Name] = false
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
