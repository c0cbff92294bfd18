package verdict

import (
	"cmp"
	"fmt"
	"strings"
)

// Line is the verdict in a line: its word, and how much of what was built
// differs, or why nothing was compared.
func (v *Verdict) Line() string {
	ref := v.Reference
	switch {
	case v.Word == NoVerdict && v.Reason != "":
		return fmt.Sprintf("%s: %s", v.Word, v.Reason)
	case v.Word == Alarm && ref != nil && ref.Incident != nil:
		return fmt.Sprintf("%s: %s is not what is claimed of it: %s", v.Word, clean(cmp.Or(ref.Incident.Of, "the reference")), clean(ref.Incident.Error()))
	case v.Word == OtherInputs && ref != nil && ref.Input != nil:
		return fmt.Sprintf("%s: the reference was built from another %s", v.Word, clean(ref.Input.Name))
	case v.Word == SameContent:
		return fmt.Sprintf("%s: the reference was packed by another compressor", v.Word)
	}
	differ := 0
	for _, a := range v.Artefacts {
		if !a.Same {
			differ++
		}
	}
	if differ == 0 && v.Word == Mismatch {
		return fmt.Sprintf("%s: the builds agree, the reference differs", v.Word)
	}
	return fmt.Sprintf("%s: %d of %d artefacts differ", v.Word, differ, len(v.Artefacts))
}

// Refusal is the error of a call that fails because of the verdict: its text,
// and as the last line what it means for the call, if anything, and Line.
func (v *Verdict) Refusal(means string) error {
	var b strings.Builder
	if err := v.Text(&b, TextOptions{}); err != nil {
		return err
	}
	if means != "" {
		means += ": "
	}
	return fmt.Errorf("%s\n\n%s%s", strings.TrimRight(b.String(), "\n"), means, v.Line())
}
