package check

import (
	"fmt"

	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/fault"
)

// denied is the check that cargo-deny makes under a name of its own.
func denied(name string) func(*subject) outcome {
	return func(s *subject) outcome {
		if s.config == nil || s.config.Check == nil {
			return skip("no [check] in twice.toml: cargo-deny isn't asked")
		}
		if s.denyErr != nil {
			return outcome{status: NotChecked, evidence: []Finding{{Text: s.denyErr.Error()}}, fix: fault.HintOf(s.denyErr)}
		}
		r := s.denied.Results[name]
		if r.Err != nil {
			return outcome{status: NotChecked, evidence: []Finding{{Text: r.Err.Error()}}}
		}
		by := fmt.Sprintf("by cargo-deny %s", s.denied.Version)
		if name == deny.Checks[0] {
			by += fmt.Sprintf(", advisories of %.12s", s.denied.DB)
		}
		var bad, good []Finding
		fix, unasked := "", ""
		for _, f := range r.Findings {
			if !f.Error && (f.Code == "index-failure" || f.Code == "index-cache-load-failure") {
				unasked = "; whether a release was yanked isn't known without an index"
				continue // of each crate anew
			}
			x := Finding{Package: f.Package, Text: f.Text}
			if f.Error {
				bad = append(bad, x)
				if fix == "" {
					fix = f.Fix
				}
			} else {
				x.Text = "warning: " + x.Text
				good = append(good, x)
			}
		}
		if r.Failed && len(bad) == 0 {
			bad = append(bad, Finding{Text: "failed, and says not why"})
		}
		good = append(good, Finding{Text: by + unasked})
		o := judge(bad, good)
		o.fix = fix
		return o
	}
}
