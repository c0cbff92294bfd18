package verify

import (
	"errors"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verdict"
)

// A BuildError says on which side what build of the project failed.
type BuildError struct {
	Side, Build string
	Err         error
}

func (e *BuildError) Error() string {
	return "build " + e.Side + " of " + e.Build + ": " + e.Err.Error()
}
func (e *BuildError) Unwrap() error { return e.Err }

// logLines is how much of a failed step's output a verdict holds.
const logLines = 60

// noVerdict is what a run that failed knows all the same. What it didn't come
// to is nil.
func noVerdict(prep *Prepared, sides []*side, fixed []plan.Unvaried, opt Options, err error) *verdict.Verdict {
	v := &verdict.Verdict{
		Word: verdict.NoVerdict, Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second),
		Reason: strings.Join(strings.Fields(err.Error()), " "), Subject: verdict.Subject{Spec: opt.Spec}, Twice: opt.Version,
	}
	if prep == nil {
		return v
	}
	v.Subject, v.Inputs, v.Steps = prep.subject(opt), prep.inputs(), prep.Steps
	if len(sides) < 2 {
		return v
	}
	v.Varied, v.NotVaried = axes(opt.Vary, fixed, sides[0].settings, sides[1].settings)
	var failed *BuildError
	var step interface{ Tail(n int) []string } // of the engine that ran it
	for _, s := range sides {
		if s.start.IsZero() {
			continue
		}
		b := s.verdict()
		if errors.As(err, &failed) && failed.Side == s.Name && errors.As(err, &step) {
			b.Log = step.Tail(logLines)
		}
		v.Builds = append(v.Builds, b)
	}
	return v
}
