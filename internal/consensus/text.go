package consensus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/craton-co/twice/internal/verdict"
)

// Text writes the answer for people: who says what, what is not counted, the answer
// last.
func (r *Result) Text(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, list := range [][]Voice{r.Agree, r.Dissent, r.Other} {
		for _, v := range list {
			fmt.Fprintf(t, "  %s\t%s\tsays %s\t%s\t%s\t%s\n", clean(cmp.Or(v.Person, v.Identity.String())), clean(v.Organisation), r.says(v), clean(v.Run.Origin)+" compiler",
				v.Run.Finish.UTC().Format(time.DateOnly), clean(cmp.Or(v.Run.Where, v.From)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	for _, x := range r.Bad {
		fmt.Fprintf(&b, "bad      %s: %s\n", clean(x.From), clean(x.Why))
	}
	if r.Strangers > 0 {
		fmt.Fprintf(&b, "ignored  %d signed by nobody who is trusted\n", r.Strangers)
	}
	if r.Agreeing > 0 {
		var parts []string
		for _, o := range slices.Sorted(maps.Keys(r.Origins)) {
			parts = append(parts, fmt.Sprintf("%s %d", clean(o), r.Origins[o]))
		}
		fmt.Fprintf(&b, "origins  %s", strings.Join(parts, " · "))
		if len(parts) == 1 {
			b.WriteString(": nothing is said of the compiler itself")
		}
		b.WriteString("\n")
	}
	word := "CONSENSUS"
	if !r.Consensus {
		word = "NO CONSENSUS"
	}
	fmt.Fprintf(&b, "%s  %d of %d required agree", word, r.Agreeing, r.Required)
	if r.Dissenting > 0 {
		fmt.Fprintf(&b, ", %d dissent", r.Dissenting)
	}
	fmt.Fprintf(&b, "  counted by %s\n%-9s %s\n", r.By, "artefact", r.Subject)
	if r.Statement != "" {
		fmt.Fprintf(&b, "%-9s %s\n", "statement", r.Statement)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// says is a voice in a word or some.
func (r *Result) says(v Voice) string {
	s := clean(v.Run.Verdict)
	switch {
	case v.Run.Statement != r.Statement:
		s += " (of another statement: not counted)"
	case r.By == Organisation && v.Organisation == "":
		s += " (in no organisation: not counted)"
	case v.Changed:
		s += " (said otherwise before)"
	}
	return s
}

// clean makes a claim of somebody's safe for a terminal, and short.
func clean(s string) string {
	s = verdict.Clean(s)
	if runes := []rune(s); len(runes) > 100 {
		s = string(runes[:99]) + "…"
	}
	return s
}

// JSON is the answer as data.
func (r *Result) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return append(data, '\n'), nil
}
