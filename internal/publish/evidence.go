package publish

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// ImageSignature is the predicate type of cosign's signature of an image: a
// statement that names it and says no more.
const ImageSignature = "https://sigstore.dev/cosign/sign/v1"

// Evidence is what is attached to a published image.
type Evidence struct {
	evidence.Set
	Verdict *verdict.Verdict
	// Where is what the runner says of itself, in the run record; it may be empty.
	Where string
}

// bare are the documents that nobody signs.
func (e Evidence) bare() ([]referrer.Referrer, error) {
	var all []referrer.Referrer
	for _, d := range e.SBOMs {
		all = append(all, referrer.Referrer{Type: referrer.SBOM, Title: d.Name, Data: d.Data})
	}
	all = append(all, referrer.Referrer{Type: referrer.Statement, Title: e.Statement.Name, Data: e.Statement.Data})
	text, err := e.stored().JSON()
	if err != nil {
		return nil, err
	}
	return append(all, referrer.Referrer{Type: referrer.Verdict, Title: verify.VerdictName, Data: text}), nil
}

// stored is the verdict without what is this run's only.
func (e Evidence) stored() *verdict.Verdict {
	v := *e.Verdict
	v.FromCache, v.Report = nil, ""
	return &v
}

// statement is one that is to be signed.
type statement struct {
	predicate string
	text      []byte
}

// statements are those that are signed of one published image: what was built
// from what, the run, the summary for policies of SLSA's, and cosign's signature
// of the image, which admission controllers look for.
func (e Evidence) statements(image digest.Digest, uri string) ([]statement, error) {
	s, err := provenance.Parse(e.Statement.Data)
	if err != nil {
		return nil, err
	}
	resource, err := subject(s, image)
	if err != nil {
		return nil, err
	}
	record, err := provenance.NewRecord(e.Statement.Data, s, evidence.Run(e.Verdict, e.Where)).JSON()
	if err != nil {
		return nil, err
	}
	summary, err := provenance.NewSummary(resource, uri, e.Statement.Data, e.Verdict.Reached, e.Verdict.Twice, e.Verdict.Word == verdict.Reproducible, variesAll(e.Verdict)).JSON()
	if err != nil {
		return nil, err
	}
	signature, err := json.Marshal(map[string]any{
		"_type": provenance.StatementType, "predicateType": ImageSignature, "predicate": map[string]any{},
		"subject": []any{map[string]any{"digest": provenance.Sum(image)}},
	})
	if err != nil {
		return nil, err
	}
	return []statement{{provenance.SLSA, e.Statement.Data}, {provenance.RecordType, record}, {provenance.SummaryType, summary}, {ImageSignature, signature}}, nil
}

// variesAll says whether the second build differed in all that could be varied: nobody left
// an axis out.
func variesAll(v *verdict.Verdict) bool {
	return !slices.ContainsFunc(v.NotVaried, func(a verdict.Axis) bool { return a.Why == verdict.LeftOut })
}

// subject is the statement's resource for an image.
func subject(s *provenance.Statement, image digest.Digest) (provenance.Resource, error) {
	for _, r := range s.Subject {
		if r.SHA256() == image {
			return r, nil
		}
	}
	return provenance.Resource{}, fmt.Errorf("the statement is not about image %s", image)
}
