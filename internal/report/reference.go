package report

import (
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/verdict"
)

// reference is what the builds were compared with, on the page.
type reference struct {
	Path    string
	Facts   []fact // of a claim that doesn't hold, or an input that differs
	Rows    []counterpart
	Missing []string
	Ignored string
}

// counterpart is an artefact and that of the reference.
type counterpart struct {
	Name, Ours, Theirs, Word string
	Same                     bool
	Packed                   []fact
	At                       *place
}

func newReference(r *verdict.Reference) *reference {
	if r == nil {
		return nil
	}
	clean := verdict.Clean
	out := &reference{Path: clean(r.Path), Ignored: clean(strings.Join(r.Ignored, ", "))}
	add := func(list *[]fact, name, value string) {
		if value != "" {
			*list = append(*list, fact{Name: name, Value: clean(value)})
		}
	}
	if i := r.Incident; i != nil {
		add(&out.Facts, "What", i.What)
		add(&out.Facts, "Why", i.Why)
		add(&out.Facts, "Claimed", string(i.Claimed))
		add(&out.Facts, "By", i.By)
		add(&out.Facts, "Found", string(i.Found))
	}
	if i := r.Input; i != nil {
		add(&out.Facts, "Input", i.Name)
		add(&out.Facts, "Ours", i.Ours)
		add(&out.Facts, "Theirs", i.Theirs)
	}
	for _, a := range r.Artefacts {
		c := counterpart{Name: clean(a.Name), Ours: hex(a.Ours), Theirs: hex(a.Theirs), Same: a.Same, Word: "differs"}
		switch {
		case a.Same:
			c.Word = "same"
		case a.SameContent:
			c.Word = "same content"
			add(&c.Packed, "Ours", a.OursPacked)
			add(&c.Packed, "Theirs", a.TheirsPacked)
		}
		if a.Difference != nil {
			p := newPlace(a.Difference, "")
			c.At = &p
		}
		out.Rows = append(out.Rows, c)
	}
	for _, m := range r.Missing {
		out.Missing = append(out.Missing, clean(m))
	}
	return out
}

// leadReference is the sentence of a verdict that the reference decides, or "".
func leadReference(v *verdict.Verdict) string {
	r := v.Reference
	if r == nil {
		return ""
	}
	same, differ := 0, len(r.Missing)
	for _, a := range r.Artefacts {
		if a.Same {
			same++
		} else {
			differ++
		}
	}
	switch v.Word {
	case verdict.Alarm:
		return "The reference is not what is claimed of it. Nothing was compared: find out who changed what before you trust either."
	case verdict.OtherInputs:
		return fmt.Sprintf("The reference was built from other inputs (%s): it is not the same build, and nothing was compared.", verdict.Clean(r.Input.Name))
	case verdict.SameContent:
		return "The two builds agree. The reference has the same content, packed by another compressor."
	case verdict.Reproducible:
		return fmt.Sprintf(" So is the reference: %s compared.", count(same, "artefact"))
	case verdict.Mismatch:
		if verdict.Decide(v.Artefacts) == verdict.Reproducible {
			return fmt.Sprintf("The two builds agree; the reference differs from them in %d of %s.", differ, count(same+differ, "artefact"))
		}
	}
	return ""
}
