package verdict

import (
	"fmt"
	"strings"
)

// Line is the verdict in a line: its word, and how much of what was built
// differs, or why there is none.
func (v *Verdict) Line() string {
	if v.Word == NoVerdict && v.Reason != "" {
		return fmt.Sprintf("%s: %s", v.Word, v.Reason)
	}
	differ := 0
	for _, a := range v.Artefacts {
		if !a.Same {
			differ++
		}
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
