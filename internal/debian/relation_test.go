package debian

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestParseRelations(t *testing.T) {
	for in, want := range map[string][][]Relation{
		"":                    nil,
		" libc6 (>= 2.34) ":   {{{Name: "libc6", Op: ">=", Version: "2.34"}}},
		"a, b | c (<<1:2-3),": {{{Name: "a"}}, {{Name: "b"}, {Name: "c", Op: "<<", Version: "1:2-3"}}},
		"perl:any(= 5.36.0)":  {{{Name: "perl", Arch: "any", Op: "=", Version: "5.36.0"}}},
		"old (< 2)":           {{{Name: "old", Op: "<=", Version: "2"}}},
		"g++-12":              {{{Name: "g++-12"}}},
	} {
		got, err := ParseRelations(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
	for _, in := range []string{
		"a (>= 1", "a >= 1", "a (1)", "a (=> 1)", "a (>= )", "a (= 1) b", "a [amd64]", "a <!nocheck>", "|", "a | | b", "-a", "a b", "a:", "../x", "a (>= 1 2)",
	} {
		if got, err := ParseRelations(in); err == nil {
			t.Errorf("%q: parsed as %v", in, got)
		}
	}
}

func FuzzParseRelations(f *testing.F) {
	mutate.Add(f, "libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0, perl:any")
	mutate.Add(f, "a (<< 1) | b (>> 2~), ,")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParseRelations(in)
		if err != nil {
			return
		}
		// What was parsed can be written and parsed again.
		for _, clause := range got {
			for _, r := range clause {
				again, err := ParseRelations(r.String())
				if err != nil || len(again) != 1 || len(again[0]) != 1 || again[0][0] != r {
					t.Errorf("%q: %v reads as %v, %v", in, r, again, err)
				}
			}
		}
	})
}
