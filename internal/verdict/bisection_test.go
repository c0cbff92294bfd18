package verdict

import (
	"testing"

	"github.com/craton-co/twice/internal/bisect"
)

// bisected is a mismatch with what building again found.
func bisected(b *Bisection) *Verdict {
	v := reproducible()
	v.Word, v.Class, v.Image = Mismatch, ClassBug, ""
	v.Artefacts = []Artefact{differs("bin/where", Bin, 300000, nil)}
	v.Varied = nil
	for _, a := range []string{"build-path", "home", "user", "locale", "time-zone", "jobs", "mtime", "umask"} {
		v.Varied = append(v.Varied, Axis{Name: a, A: "a", B: "b"})
	}
	b.A, b.B = sum("A"), sum("B")
	if b.Again == nil {
		b.Again = []Again{
			{Axes: []string{"build-path", "home", "user", "locale"}, Result: b.B, Start: v.Reached, Seconds: 3.14159},
			{Axes: []string{"build-path", "home"}, Result: b.A, Seconds: 130}, {Axes: []string{}, Result: b.A, Seconds: 1},
			{Axes: []string{"home", "user", "locale", "time-zone", "jobs", "mtime", "umask"}, Result: sum("C"), Seconds: 1},
		}
	}
	v.Bisection = b
	v.Confirm()
	return v
}

func TestSentence(t *testing.T) {
	for want, b := range map[string]Bisection{
		"only jobs matters":                                 {Conclusion: bisect.Axes, Groups: [][]string{{"jobs"}}},
		"jobs and home matter, each by itself":              {Conclusion: bisect.Axes, Groups: [][]string{{"jobs"}, {"home"}}},
		"a, b and c matter only together":                   {Conclusion: bisect.Axes, Groups: [][]string{{"a", "b", "c"}}},
		"a matters by itself; b and c matter only together": {Conclusion: bisect.Axes, Groups: [][]string{{"b", "c"}, {"a"}}},
		"no axis explains it: with nothing varied the build left other bits than A in 1 of 3 runs": {Conclusion: bisect.Nondeterministic, Plain: Repeats{3, 1}},
		"it differs now and then only: in 1 of 3 runs with every axis varied, in 0 of 2 with none": {Conclusion: bisect.Unsteady, Varied: Repeats{3, 1}, Plain: Repeats{2, 0}},
		"stopped before the end, interrupted; if one axis matters, it is one of a, b":              {Conclusion: bisect.Unfinished, Stopped: "interrupted", Candidates: []string{"a", "b"}},
		"stopped before the end; until then: a matters by itself":                                  {Conclusion: bisect.Unfinished, Groups: [][]string{{"a"}}},
		"only jobs matters (1 extra build)":                                                        {Conclusion: bisect.Axes, Groups: [][]string{{"jobs"}}, Again: []Again{{}}},
	} {
		if got := b.Sentence(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBisectionCheck(t *testing.T) {
	for name, change := range map[string]func(*Verdict){
		"no axes":    func(v *Verdict) { v.Bisection.Groups = nil },
		"conclusion": func(v *Verdict) { v.Bisection.Conclusion = "because" },
		"counts":     func(v *Verdict) { v.Bisection.Plain = Repeats{1, 2} },
		"digest":     func(v *Verdict) { v.Bisection.Again[0].Result = "x" },
		"group":      func(v *Verdict) { v.Bisection.Groups = append(v.Bisection.Groups, nil) },
		"word": func(v *Verdict) {
			v.Word, v.Class, v.Artefacts = Reproducible, ClassReproducible, []Artefact{same("a", Bin, 1)}
		},
	} {
		v := bisected(&Bisection{Conclusion: bisect.Axes, Groups: [][]string{{"jobs"}}})
		if _, err := v.JSON(); err != nil {
			t.Fatal(err)
		}
		change(v)
		if _, err := v.JSON(); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}
