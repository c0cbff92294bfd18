package evidence

import (
	"time"

	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/verdict"
)

// Run is the run that a verdict is of, for its record. where is what the runner says
// of itself, and may be empty.
func Run(v *verdict.Verdict, where string) provenance.Run {
	r := provenance.Run{Verdict: string(v.Word), Finish: v.Reached, Engine: v.Engine, Twice: v.Twice, Where: where, Origin: origin(v)}
	for _, b := range v.Builds {
		if r.Start.IsZero() || b.Start.Before(r.Start) {
			r.Start = b.Start
		}
	}
	if r.Start.IsZero() {
		r.Start = r.Finish
	}
	r.Start = r.Start.Truncate(time.Second)
	return r
}

// origin is where the compiler's bytes are from.
func origin(v *verdict.Verdict) string {
	if v.Inputs.RustcFrom == "debian's" {
		return "debian"
	}
	return "rust"
}
