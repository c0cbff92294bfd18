package verdict

import (
	"strings"
	"testing"
)

func TestRefusal(t *testing.T) {
	m := mismatch()
	n := 0
	for _, a := range m.Artefacts {
		if !a.Same {
			n++
		}
	}
	if n == 0 || n == len(m.Artefacts) {
		t.Fatalf("%d of %d differ: a weak example", n, len(m.Artefacts))
	}
	for _, c := range []struct {
		v           *Verdict
		means, want string
	}{
		{m, "", m.Line()},
		{m, "nothing is published", "nothing is published: " + m.Line()},
		{&Verdict{Word: NoVerdict, Reason: "nothing was built"}, "", "NO VERDICT: nothing was built"},
	} {
		all := strings.Split(c.v.Refusal(c.means).Error(), "\n")
		if got := all[len(all)-1]; got != c.want || len(all) < 3 {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := (&Verdict{Word: Mismatch, Artefacts: []Artefact{{Name: "a", Same: true}, {Name: "b"}}}).Line(); got != "MISMATCH: 1 of 2 artefacts differ" {
		t.Error(got)
	}
}
