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

// What a reference decides is no count of artefacts.
func TestLineOfReference(t *testing.T) {
	for _, c := range []struct {
		v    *Verdict
		want string
	}{
		{&Verdict{Word: Alarm, Reference: &Reference{Incident: &Incident{What: "tool.tar.gz", By: "SHA256SUMS", Claimed: "sha256:1", Found: "sha256:2"}}},
			"INCIDENT: the reference is not what is claimed of it: tool.tar.gz is sha256:2, SHA256SUMS says sha256:1"},
		{&Verdict{Word: Alarm, Reference: &Reference{Incident: &Incident{Of: "the statement", What: "its signature", Why: "it is\nbad"}}},
			"INCIDENT: the statement is not what is claimed of it: its signature: it is bad"},
		{&Verdict{Word: OtherInputs, Reference: &Reference{Input: &Input{Name: "lock"}}}, "OTHER INPUTS: the reference was built from another lock"},
		{&Verdict{Word: SameContent, Reference: &Reference{}, Artefacts: []Artefact{{Name: "a", Same: true}}}, "SAME CONTENT: the reference was packed by another compressor"},
		{&Verdict{Word: Mismatch, Reference: &Reference{}, Artefacts: []Artefact{{Name: "a", Same: true}}}, "MISMATCH: the builds agree, the reference differs"},
	} {
		if got := c.v.Line(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
