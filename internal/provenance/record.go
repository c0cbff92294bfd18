package provenance

import (
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
)

// RecordType is the predicate type of a run record.
const RecordType = "https://github.com/craton-co/twice/run/v1"

// Record is an in-toto statement about one run: somebody built what a
// statement says, and this is what came of it. Its subject are the statement
// and the artefacts, by SHA-256. Who it was, is whoever signed it.
type Record struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Run        `json:"predicate"`
}

// Run is when, where and how. Times are RFC 3339 in UTC, to the second.
type Run struct {
	Verdict   string        `json:"verdict"` // REPRODUCIBLE, MISMATCH, or a class of package verdict
	Statement digest.Digest `json:"statement"`
	Start     time.Time     `json:"start"`
	Finish    time.Time     `json:"finish"`
	Engine    string        `json:"engine,omitempty"`
	Twice     string        `json:"twice"`
	// Where is what the runner says of itself, "github-actions run 12"; it is a claim.
	Where string `json:"where,omitempty"`
	// Origin is where the compiler's bytes are from: "rust", "debian", "bootstrap".
	Origin string `json:"origin"`
}

// NewRecord is the record of a run that made a statement's artefacts.
func NewRecord(statement []byte, s *Statement, run Run) *Record {
	run.Statement = digest.FromBytes(statement)
	run.Start, run.Finish = run.Start.UTC().Truncate(time.Second), run.Finish.UTC().Truncate(time.Second)
	r := &Record{Type: StatementType, PredicateType: RecordType, Predicate: run}
	r.Subject = append([]Resource{{Name: "statement", Digest: Sum(run.Statement)}}, s.Subject...)
	return r
}

// JSON is the record in its one form.
func (r *Record) JSON() ([]byte, error) { return encode("run record", r) }

// ParseRecord reads a record.
func ParseRecord(data []byte) (*Record, error) {
	r, err := decode[Record](data)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing the run record: %w", err)
	}
	return r, nil
}

func (r *Record) check() error {
	switch {
	case r.Type != StatementType || r.PredicateType != RecordType:
		return fmt.Errorf("its types are %.100q and %.100q", r.Type, r.PredicateType)
	case len(r.Subject) == 0 || r.Subject[0].SHA256() != r.Predicate.Statement:
		return errors.New("its first subject is not the statement")
	case r.Predicate.Verdict == "":
		return errors.New("it has no verdict")
	}
	return r.Predicate.Statement.Validate()
}
