package rebuild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
)

// payloadType is DSSE's, of in-toto statements.
const payloadType = "application/vnd.in-toto+json"

// Payload is what a signed document says: the statement's bytes in a bundle of
// Sigstore's, or in a bare DSSE envelope. Anything else is returned as it is, and
// is not signed. No signature is checked.
func Payload(data []byte) (payload []byte, signed bool, err error) {
	type envelope struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
	}
	var doc struct {
		envelope
		Bundle *envelope `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, false, fault.Hint(errUnreadable, "it is what `twice build -o DIR` writes as NAME-provenance-vVERSION.json, or that signed")
	}
	e := doc.envelope
	if doc.Bundle != nil {
		e = *doc.Bundle
	}
	if e.PayloadType == "" && len(e.Payload) == 0 {
		return data, false, nil
	}
	if e.PayloadType != payloadType {
		return nil, true, fmt.Errorf("%w: its payload is %.100q", errUnreadable, e.PayloadType)
	}
	return e.Payload, true, nil
}

// Read reads what somebody has of a release: a statement, bare or signed. With a
// policy only a signed one counts.
func Read(data []byte, policy trust.Policy) (*Claim, error) {
	_, signed, err := Payload(data)
	if err != nil {
		return nil, err
	}
	if !signed {
		if !policy.Empty() {
			return nil, fault.Hint(errors.New("it is not signed"), "without a policy it is taken as it is, and said to be unchecked")
		}
		c, err := Parse(data)
		if err != nil {
			return nil, err
		}
		c.Unchecked = "it has no signature"
		return c, nil
	}
	payload, by, unchecked, err := open(data, policy, "")
	switch {
	case errors.Is(err, trust.ErrUntrusted), err != nil && policy.Empty():
		return nil, err
	case err != nil:
		return nil, &verdict.Incident{Of: theStatement, What: "the statement", By: "its signature", Why: err.Error()}
	}
	c, err := Parse(payload)
	if err != nil {
		return nil, err
	}
	if c.Unchecked = unchecked; by != "" {
		c.By = []string{by}
	}
	return c, nil
}

// Parse reads a statement. One that is no longer in Twice's form was changed
// after it was written: that is an *verdict.Incident.
func Parse(payload []byte) (*Claim, error) {
	s, err := provenance.Parse(payload)
	if err == nil {
		return &Claim{Statement: s, Bytes: payload}, nil
	}
	var kind struct {
		Definition struct {
			Definition struct {
				Type string `json:"buildType"`
			} `json:"buildDefinition"`
		} `json:"predicate"`
	}
	if json.Unmarshal(bytes.TrimSpace(payload), &kind) != nil || kind.Definition.Definition.Type != provenance.BuildType {
		return nil, fault.Hint(fmt.Errorf("%w: %w", errUnreadable, err), "it is what `twice build -o DIR` writes as NAME-provenance-vVERSION.json, or that signed")
	}
	if strings.Contains(err.Error(), "unknown field") {
		return nil, fault.Hint(err, "is it of a newer version of Twice? its run record may say of which")
	}
	return nil, &verdict.Incident{Of: theStatement, What: "the statement", By: "its form", Why: err.Error()}
}
