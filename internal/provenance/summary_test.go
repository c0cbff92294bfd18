package provenance

import (
	"slices"
	"testing"
	"time"
)

// Who varied less than could be varied doesn't get Twice's own level.
func TestSummaryLevels(t *testing.T) {
	for _, c := range []struct {
		passed, all bool
		result      string
		levels      []string
	}{
		{true, true, "PASSED", []string{LevelSLSA, LevelTwice}},
		{true, false, "PASSED", []string{LevelSLSA}},
		{false, true, "FAILED", []string{"FAILED"}},
		{false, false, "FAILED", []string{"FAILED"}},
	} {
		p := NewSummary(Resource{}, "", nil, time.Time{}, "v1", c.passed, c.all).Predicate
		if p.VerificationResult != c.result || !slices.Equal(p.VerifiedLevels, c.levels) {
			t.Errorf("%+v: %s %s", c, p.VerificationResult, p.VerifiedLevels)
		}
	}
}
