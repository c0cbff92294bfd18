package check

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Schema is the version of the JSON form.
const Schema = 1

// Status is what became of a check.
type Status string

// The four statuses.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	NotApplicable Status = "not applicable"
	NotChecked    Status = "not checked" // it couldn't be
)

// Finding is something that a check saw, and where.
type Finding struct {
	Package string `json:"package,omitempty"` // "name version" of a crate that isn't the source's own
	File    string `json:"file,omitempty"`    // relative to the source, or to the crate
	Line    int    `json:"line,omitempty"`    // from 1, 0 if it is the whole file
	Text    string `json:"text"`
}

// Place is where, for people: "file:line", "name 1.2.3 build.rs:4", or "".
func (f Finding) Place() string {
	s := f.File
	if f.Line > 0 {
		s = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return strings.TrimSpace(f.Package + " " + s)
}

// Result is one row of the table.
type Result struct {
	Check    string    `json:"check"`
	Title    string    `json:"title"`
	Status   Status    `json:"status"`
	Evidence []Finding `json:"evidence,omitempty"`
	Fix      string    `json:"fix,omitempty"` // of a check that failed, or couldn't be made
}

// Report is everything that was checked.
type Report struct {
	Result    Status   `json:"result"` // Pass, Fail or NotChecked
	Schema    int      `json:"schema"`
	Source    string   `json:"source"`
	Commit    string   `json:"commit,omitempty"`
	Since     string   `json:"since,omitempty"`
	Checks    []Result `json:"checks"`
	Pins      []Pin    `json:"git_pins,omitempty"`
	BuildTime []Runner `json:"build_time,omitempty"` // crates that run code at build time

	manifest, lockName string         // of the workspace's root
	lockLines          map[string]int // "name version" to its line in Cargo.lock
}

// Count returns how many checks have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == s {
			n++
		}
	}
	return n
}

func (r *Report) conclude() {
	switch {
	case r.Count(Fail) > 0:
		r.Result = Fail
	case r.Count(NotChecked) > 0:
		r.Result = NotChecked
	default:
		r.Result = Pass
	}
}

// ExitCode is 0 when nothing failed, 1 when something did, 2 when something
// could not be checked.
func (r *Report) ExitCode() int {
	switch r.Result {
	case Pass:
		return 0
	case Fail:
		return 1
	}
	return 2
}

// JSON is one object, indented by two spaces, with a line feed at the end.
func (r *Report) JSON() ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return []byte(b.String()), nil
}

// shown is how many findings of a check the table has.
const shown = 8

// Text is the table, and the summary in its last line.
func (r *Report) Text() string {
	var b strings.Builder
	width := 0
	for _, c := range r.Checks {
		width = max(width, len(c.Check))
	}
	for _, c := range r.Checks {
		lead := fmt.Sprintf("  %-*s  %-14s  ", width, c.Check, c.Status)
		indent := strings.Repeat(" ", len(lead))
		for i, f := range c.Evidence {
			if i == shown {
				fmt.Fprintf(&b, "%s%d more; --json has them all\n", indent, len(c.Evidence)-shown)
				break
			}
			b.WriteString(lead)
			if p := f.Place(); p != "" {
				b.WriteString(p + "  ")
			}
			b.WriteString(f.Text + "\n")
			lead = indent
		}
		if len(c.Evidence) == 0 {
			b.WriteString(strings.TrimRight(lead, " ") + "\n")
		}
		if c.Fix != "" {
			fmt.Fprintf(&b, "%sfix  %s\n", indent, c.Fix)
		}
	}
	fmt.Fprintf(&b, "\n%s  %s\n", map[Status]string{Pass: "PASS", Fail: "FAIL", NotChecked: "NOT CHECKED"}[r.Result], r.summary())
	return b.String()
}

func (r *Report) summary() string {
	s := fmt.Sprintf("%d passed", r.Count(Pass))
	for _, k := range []Status{Fail, NotChecked, NotApplicable} {
		if n := r.Count(k); n > 0 {
			word := string(k)
			if k == Fail {
				word = "failed"
			}
			s += fmt.Sprintf(", %d %s", n, word)
		}
	}
	return s
}

// PinTable is the table of git pins that such projects keep by hand.
func (r *Report) PinTable() string {
	var b strings.Builder
	b.WriteString("| crates | repository | revision | why | goes away |\n|---|---|---|---|---|\n")
	for _, g := range groupPins(r.Pins) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.Join(g.crates, ", "), g.URL, orDash(g.Commit), cell(g.Why), cell(g.Removal))
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func cell(s string) string { return orDash(strings.ReplaceAll(s, "|", `\|`)) }
