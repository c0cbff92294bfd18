package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// Class is what a verdict tells apart. Each has its exit status.
type Class string

const (
	// ClassReproducible: the two builds agree, and there was nothing else to
	// compare them with. Exit 0.
	ClassReproducible Class = "reproducible"
	// ClassReproduced: they agree, and with the reference too. Exit 0.
	ClassReproduced Class = "reproduced"
	// ClassBug: two builds differ, or the rebuild differs from a good
	// reference: a bug in the build, to be diagnosed. Exit 1.
	ClassBug Class = "bug"
	// ClassIncident: the reference is not what is claimed of it. Nothing is
	// compared. Exit 3.
	ClassIncident Class = "incident"
	// ClassCompressor: the reference has the same content, packed by another
	// compressor. Exit 4.
	ClassCompressor Class = "other-compressor"
	// ClassInputs: the reference was built from other inputs: it is not the
	// same build. Exit 5.
	ClassInputs Class = "other-inputs"
)

// Reference is what the builds were compared with.
type Reference struct {
	Path string `json:"path"` // as the user named it
	// Kind is "file", "directory", "image", "sums" or "verdict".
	Kind string `json:"kind"`
	// Incident is the claim that does not hold.
	Incident *Incident `json:"incident,omitempty"`
	// Input is the first input that differs.
	Input *Input `json:"input,omitempty"`
	// Stated is set where the reference is held to a statement about it.
	Stated *Stated `json:"stated,omitempty"`
	// Artefacts are those that the reference and build A both have.
	Artefacts []Compared `json:"artefacts,omitempty"`
	// Missing are artefacts that the reference lists and the build did not make,
	// Ignored the files in it that are no artefacts of this build.
	Missing []string `json:"missing,omitempty"`
	Ignored []string `json:"ignored,omitempty"`
}

// Stated is the statement that a rebuild started from.
type Stated struct {
	Statement digest.Digest `json:"statement"` // SHA-256 of its bytes
	// By are the identities that signed it and that the policy allows; Unchecked
	// is why no signature was looked at.
	By        []string `json:"by,omitempty"`
	Unchecked string   `json:"unchecked,omitempty"`
	// Rebuilt: the rebuild's own statement is the same bytes, SBOMs included.
	Rebuilt bool `json:"rebuilt"`
	// Other says what is otherwise in the rebuild's, if it isn't.
	Other string `json:"other,omitempty"`
	// Besides are other statements that are attached to the image, and that nobody
	// signed who may.
	Besides string `json:"besides,omitempty"`
}

// Incident is a claim about a reference that does not hold.
type Incident struct {
	// Of is what the claim is about: "the statement", "an input"; empty for the
	// reference itself.
	Of      string        `json:"of,omitempty"`
	What    string        `json:"what"`              // the file
	By      string        `json:"by"`                // who claims: "SHA256SUMS"
	Claimed digest.Digest `json:"claimed,omitempty"` // empty where the claim is no digest
	Found   digest.Digest `json:"found,omitempty"`
	// Why says it where digests don't.
	Why string `json:"why,omitempty"`
}

func (i *Incident) Error() string {
	if i.Why != "" {
		return i.What + ": " + i.Why
	}
	return fmt.Sprintf("%s is %s, %s says %s", i.What, i.Found, i.By, i.Claimed)
}

// Input is an input that this build and the reference's have otherwise.
type Input struct {
	Name   string `json:"name"` // "source", "lock", "toolchain", …
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
	Hint   string `json:"hint,omitempty"` // what to do, if that is something special
}

// Compared is an artefact and its counterpart in the reference.
type Compared struct {
	Name   string        `json:"name"`
	Ours   digest.Digest `json:"ours"`
	Theirs digest.Digest `json:"theirs"`
	Same   bool          `json:"same"`
	// SameContent is set where only the compression differs; then Ours- and
	// TheirsPacked say how each was packed.
	SameContent  bool                `json:"same_content,omitempty"`
	OursPacked   string              `json:"ours_packed,omitempty"`
	TheirsPacked string              `json:"theirs_packed,omitempty"`
	Difference   *compare.Difference `json:"difference,omitempty"`
	Causes       []cause.Cause       `json:"causes,omitempty"`
}

// classify is the word and the class that the rest of the verdict deserves.
func (v *Verdict) classify() (Word, Class) {
	if r := v.Reference; r != nil {
		switch {
		case r.Incident != nil:
			return Alarm, ClassIncident
		case r.Input != nil:
			return OtherInputs, ClassInputs
		}
	}
	switch w := Decide(v.Artefacts); w {
	case Mismatch:
		return w, ClassBug
	case NoVerdict:
		return w, ""
	}
	if v.Reference == nil {
		return Reproducible, ClassReproducible
	}
	packed := false
	for _, a := range v.Reference.Artefacts {
		if !a.Same && !a.SameContent {
			return Mismatch, ClassBug
		}
		packed = packed || !a.Same
	}
	switch {
	case len(v.Reference.Missing) > 0:
		return Mismatch, ClassBug
	case packed:
		return SameContent, ClassCompressor
	case len(v.Reference.Artefacts) == 0:
		return NoVerdict, ""
	}
	return Reproducible, ClassReproduced
}

// Settle sets the word and the class from what was found.
func (v *Verdict) Settle() {
	if v.Word, v.Class = v.classify(); v.Word == Mismatch {
		v.Image = ""
	}
}

func (r *Reference) check() error {
	for _, a := range r.Artefacts {
		if a.Same != (a.Ours == a.Theirs) || a.Same && a.SameContent {
			return fmt.Errorf("%q: its digests contradict what it says", a.Name)
		}
		for _, d := range []digest.Digest{a.Ours, a.Theirs} {
			if err := d.Validate(); err != nil {
				return fmt.Errorf("%q: digest %.100q: %w", a.Name, string(d), err)
			}
		}
	}
	if r.Input != nil && r.Input.Ours == r.Input.Theirs {
		return errors.New("the input that differs is the same")
	}
	if (r.Incident != nil || r.Input != nil) && len(r.Artefacts) > 0 {
		return errors.New("artefacts were compared all the same")
	}
	return nil
}

// reference shows what the builds were compared with.
func (p *page) reference(v *Verdict) {
	r := v.Reference
	if r == nil {
		return
	}
	p.gap()
	switch {
	case r.Incident != nil:
		p.incident(r.Incident)
		p.stated(r.Stated)
		return
	case r.Input != nil:
		p.line("  %-9s  ours    %s", clean(r.Input.Name), clean(r.Input.Ours))
		p.line("  %-9s  theirs  %s", "", clean(r.Input.Theirs))
		p.line("  %s%s", pad8("hint"), clean(cmp.Or(r.Input.Hint, "build from the reference's inputs to compare the bits: check out its commit, with its twice.lock")))
		p.stated(r.Stated)
		return
	}
	p.line("  reference  %s", clean(r.Path))
	p.stated(r.Stated)
	rows := [][]string{{"artefact", "ours", "theirs", ""}}
	same := 0
	for _, a := range r.Artefacts {
		word := "differs"
		switch {
		case a.Same && len(r.Artefacts) > shown && !p.o.Verbose:
			same++
			continue
		case a.Same:
			word = "same"
		case a.SameContent:
			word = "same content"
		}
		rows = append(rows, []string{clean(a.Name), short(a.Ours), short(a.Theirs), word})
	}
	if same > 0 {
		rows = append(rows, []string{count(same, "artefact"), "", "", "same"})
	}
	for _, m := range r.Missing {
		rows = append(rows, []string{clean(m), "-", "", "not made"})
	}
	p.columns(rows)
	for _, a := range r.Artefacts {
		switch {
		case a.SameContent:
			p.line("  %s%s", pad8("ours"), clean(a.OursPacked))
			p.line("  %s%s", pad8("theirs"), clean(a.TheirsPacked))
		case !a.Same && a.Difference == nil:
			p.gap()
			p.line("  %s   only the reference's digest is known: give the file itself to see where it differs", clean(a.Name))
		case !a.Same:
			if d := (Artefact{Name: a.Name, A: a.Ours, B: a.Theirs, Difference: a.Difference, Causes: a.Causes}); !p.again(d) {
				p.gap()
				p.difference(d)
			}
		}
	}
	if len(r.Ignored) > 0 {
		p.line("  %s%s", pad8("ignored"), clean(strings.Join(r.Ignored, ", ")))
	}
}

// stated shows which statement the reference was held to, and who vouches for it.
func (p *page) stated(s *Stated) {
	if s == nil {
		return
	}
	p.line("  statement  %s", p.digest(s.Statement))
	for _, by := range s.By {
		p.line("  signed by  %s", clean(by))
	}
	if s.Unchecked != "" {
		p.line("  signed by  not checked: %s", clean(s.Unchecked))
	}
	if s.Besides != "" {
		p.line("  beside it  %s, which nobody signed who may", clean(s.Besides))
	}
	switch {
	case s.Rebuilt:
		p.line("  rebuilt    the statement too, bit for bit")
	case s.Other != "":
		p.line("  rebuilt    another statement: %s", clean(s.Other))
	}
}

func (p *page) incident(i *Incident) {
	p.line("  %s%s", pad8("what"), clean(i.What))
	if i.Why != "" {
		p.line("  %s%s", pad8("why"), clean(i.Why))
	}
	if i.Claimed != "" {
		p.line("  %s%s, by %s", pad8("claimed"), i.Claimed, clean(i.By))
		p.line("  %s%s", pad8("found"), i.Found)
	}
	p.line("  %snothing was compared: find out who changed what before you trust either", pad8("hint"))
}

// columns prints rows, the first of them the headings.
func (p *page) columns(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var s strings.Builder
		for i, c := range r {
			s.WriteString(pad(c, widths[i]+2))
		}
		p.line("  %s", s.String())
	}
}
