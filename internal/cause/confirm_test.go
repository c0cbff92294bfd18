package cause

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfirm(t *testing.T) {
	path := Cause{Rule: "build-path", Title: "the path", Axis: "build-path", Proof: []string{"seen"}, Fix: "remap", Known: true}
	jobs := Cause{Rule: "jobs", Title: "the jobs", Axis: "jobs", Known: true}
	clock := Cause{Rule: "time", Title: "the time", Known: true}
	unknown := Cause{Rule: Unknown, Title: "no rule", Path: "bin/x:.text+0x10", Proof: []string{"bytes"}, Fix: "vary less"}
	only := Again{Axes: []string{"build-path"}, Sentence: "only build-path matters"}
	chance := Again{Random: true, Sentence: "3 of 3"}
	with := func(c Cause, l string) Cause {
		c.Proof = append(append([]string{}, c.Proof...), l)
		return c
	}
	pathFix := ""
	for _, r := range rules {
		if r.Name == "build-path" {
			pathFix = r.Fix
		}
	}
	for name, c := range map[string]struct {
		again      Again
		list, want []Cause
	}{
		"shown":     {only, []Cause{path}, []Cause{with(path, "built again: only build-path matters")}},
		"ruled out": {only, []Cause{jobs, path}, []Cause{with(path, "built again: only build-path matters"), with(jobs, "built again, and not shown to matter: only build-path matters")}},
		"untouched": {chance, []Cause{path}, []Cause{path}},
		"clock":     {chance, []Cause{clock}, []Cause{with(clock, "built again: 3 of 3")}},
		"unknown": {only, []Cause{unknown}, []Cause{{Rule: ByAxis, Title: "it depends on build-path", Axis: "build-path", Path: unknown.Path, Known: true,
			Fix: pathFix, Proof: []string{"bytes", "built again: only build-path matters"}}}},
		"no axis known": {Again{Axes: []string{"a", "b"}, Sentence: "a and b"}, []Cause{unknown}, []Cause{{Rule: ByAxis, Title: "it depends on a, b", Path: unknown.Path, Known: true,
			Fix: "make the build independent of it", Proof: []string{"bytes", "built again: a and b"}}}},
		"nothing else": {only, []Cause{path, unknown}, []Cause{with(path, "built again: only build-path matters")}},
		"unsteady":     {Again{Sentence: "now and then"}, []Cause{unknown}, []Cause{with(unknown, "built again: now and then")}},
	} {
		got := Confirm(c.list, c.again)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(got, Confirm(got, c.again)); d != "" {
			t.Errorf("%s: said twice: %s", name, d)
		}
	}
	if got := Confirm([]Cause{unknown}, chance); got[0].Rule != Chance || !got[0].Known || !got[0].Random() {
		t.Errorf("%+v", got)
	}
}
