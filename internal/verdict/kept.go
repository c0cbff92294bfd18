package verdict

import (
	"fmt"
	"strings"
)

// kept says which dependencies an earlier run compiled, and on request when this
// one did, or why nothing could be kept.
func (p *page) kept(v *Verdict) {
	crates := 0
	var when, told []string
	for _, b := range v.Builds {
		for _, d := range b.Dependencies {
			of := clean(b.Side)
			if d.Build != "" && len(b.Dependencies) > 1 {
				of += " " + clean(d.Build)
			}
			switch {
			case d.Why != "":
				told = append(told, fmt.Sprintf("%s: nothing is kept: %s", of, clean(d.Why)))
			case !d.Earlier:
				told = append(told, fmt.Sprintf("%s: %s, compiled now", of, count(d.Crates, "crate")))
			default:
				crates = max(crates, d.Crates)
				when = append(when, of+" on "+d.Until.UTC().Format("2006-01-02 15:04 MST"))
			}
		}
	}
	if len(when) > 0 {
		p.line("%s%s, compiled by earlier runs, for %s; --fresh does it again", label10("kept"), count(crates, "crate"), strings.Join(when, ", for "))
	}
	if p.o.Verbose {
		for _, s := range told {
			p.line("%s%s", label10("kept"), s)
		}
	}
}
