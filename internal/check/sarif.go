package check

import (
	"io"

	"github.com/craton-co/twice/internal/sarif"
)

// SARIF writes what failed, and what could not be checked. A finding in a crate
// stands at the crate's line in Cargo.lock; one without a file at Cargo.toml.
func (r *Report) SARIF(w io.Writer, version string) error {
	var rules []sarif.Rule
	var results []sarif.Result
	for _, c := range r.Checks {
		check, _ := Named(c.Check)
		rules = append(rules, sarif.Rule{ID: c.Check, Title: c.Title, Help: check.Explain()})
		level := sarif.Error
		switch c.Status {
		case Fail:
		case NotChecked:
			level = sarif.Warning
		default:
			continue
		}
		for _, f := range c.Evidence {
			x := sarif.Result{Rule: c.Check, Level: level, Message: f.Text + ". " + c.Fix, File: f.File, Line: f.Line}
			switch {
			case f.Package != "":
				x.Message = f.Place() + ": " + x.Message
				x.File, x.Line = r.lockName, r.lockLines[f.Package]
			case f.File == "":
				x.File = r.manifest
			}
			results = append(results, x)
		}
	}
	return sarif.Write(w, "twice check", version, rules, results)
}
