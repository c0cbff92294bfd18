package provenance

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// SummaryType is the predicate type of a summary.
const SummaryType = "https://slsa.dev/verification_summary/v1"

// Levels of a summary of a build that was made twice. SLSA's is what the
// provenance alone gives: there is one, and it says how the artefact was built.
// Twice's own says what two builds add, for which SLSA has no word: a build that
// one program made twice is not the work of two platforms.
const (
	LevelSLSA  = "SLSA_BUILD_LEVEL_1"
	LevelTwice = "TWICE_REPRODUCIBLE"
)

// Summary is an in-toto statement with SLSA's verification summary (VSA),
// version 1: Twice looked at one artefact, and this is what it found.
type Summary struct {
	Type          string       `json:"_type"`
	Subject       []Resource   `json:"subject"`
	PredicateType string       `json:"predicateType"`
	Predicate     Verification `json:"predicate"`
}

// Verification is SLSA's predicate.
type Verification struct {
	Verifier           Verifier   `json:"verifier"`
	TimeVerified       time.Time  `json:"timeVerified"`
	ResourceURI        string     `json:"resourceUri"`
	Policy             Resource   `json:"policy"`
	InputAttestations  []Resource `json:"inputAttestations"`
	VerificationResult string     `json:"verificationResult"` // PASSED or FAILED
	VerifiedLevels     []string   `json:"verifiedLevels"`
	SLSAVersion        string     `json:"slsaVersion"`
}

// Verifier is who looked.
type Verifier struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// Policy is what had to hold: the document that says so.
const Policy = BuilderID + "/blob/main/docs/evidence.md"

// NewSummary is the summary of an artefact at an address. passed is what the
// verdict says; one that failed has no level but FAILED. Without all of what could be varied
// two builds don't have Twice's own level.
func NewSummary(artefact Resource, uri string, statement []byte, reached time.Time, twice string, passed, all bool) *Summary {
	s := &Summary{
		Type: StatementType, Subject: []Resource{artefact}, PredicateType: SummaryType,
		Predicate: Verification{
			Verifier:     Verifier{ID: BuilderID, Version: map[string]string{"twice": twice}},
			TimeVerified: reached.UTC().Truncate(time.Second), ResourceURI: uri, Policy: Resource{URI: Policy},
			InputAttestations:  []Resource{{Name: "statement", Digest: Sum(digest.FromBytes(statement)), MediaType: "application/vnd.in-toto+json"}},
			VerificationResult: "PASSED", VerifiedLevels: []string{LevelSLSA, LevelTwice}, SLSAVersion: "1.0",
		},
	}
	if !all {
		s.Predicate.VerifiedLevels = []string{LevelSLSA}
	}
	if !passed {
		s.Predicate.VerificationResult, s.Predicate.VerifiedLevels = "FAILED", []string{"FAILED"}
	}
	return s
}

// JSON is the summary in its one form.
func (s *Summary) JSON() ([]byte, error) { return encode("summary", s) }
