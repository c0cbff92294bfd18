// Package consensus counts who built the same bits.
//
// # What is counted
//
// A record (package provenance) is somebody's signed word that they built what a
// statement says, and what came of it. Counted are records about one artefact, by
// SHA-256, whose signature is good and whose signer is trusted: by a list of
// rebuilders, or by a policy. One signer counts once, however many records and
// signatures there are: the one with the latest finish stands, and that earlier ones
// said otherwise is shown. Where the list maps several identities to one person
// these count once too; by organisation, all of its people do.
//
// Those who say REPRODUCIBLE agree. Those who say anything else dissent: they are
// shown, and with Unanimous one of them is enough to undo it. Records about other
// statements (other inputs that gave this artefact) are shown and not counted:
// the statement with the most agreement is the one that counts.
//
// # What it shows
//
// That many independent signers say so. It can't show that they are independent
// machines or people beyond what the list says, nor that nobody's dissent was
// withheld: whoever keeps records can leave some out. What the compiler itself
// put into the bits is shown by nobody who used the same one: the compilers'
// origins are therefore counted apart.
package consensus

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// Unit is what counts once.
type Unit string

// The units. An identity that the list doesn't know counts as itself, and in no
// organisation.
const (
	Identity     Unit = "identity"
	Person       Unit = "person"
	Organisation Unit = "organisation"
)

// Question is what is asked.
type Question struct {
	Subject   digest.Digest // of the artefact: an image's manifest, a file
	Required  int           // how many must agree
	By        Unit
	Unanimous bool
}

// Document is a bundle that may be a record, and where it lay.
type Document struct {
	From string
	Data []byte
}

// Voice is what one signer says.
type Voice struct {
	Identity     trust.Identity `json:"identity"`
	Person       string         `json:"person,omitempty"`
	Organisation string         `json:"organisation,omitempty"`
	Run          provenance.Run `json:"run"`
	From         string         `json:"from"`
	// Earlier is how many older records of the signer there are, Changed that one
	// of them said otherwise.
	Earlier int  `json:"earlier,omitempty"`
	Changed bool `json:"changed,omitempty"`
}

// Agrees tells whether the signer had the same bits.
func (v Voice) Agrees() bool { return v.Run.Verdict == string(verdict.Reproducible) }

// Result is the answer.
type Result struct {
	Schema    int           `json:"schema"`
	Consensus bool          `json:"consensus"`
	Subject   digest.Digest `json:"subject"`
	Statement digest.Digest `json:"statement,omitempty"`
	Required  int           `json:"required"`
	By        Unit          `json:"by"`
	Unanimous bool          `json:"unanimous,omitempty"`
	// Agreeing and Dissenting are how many units do; Origins, how many of those that
	// agree had a compiler of that origin.
	Agreeing   int            `json:"agreeing"`
	Dissenting int            `json:"dissenting"`
	Origins    map[string]int `json:"origins,omitempty"`
	Agree      []Voice        `json:"agree,omitempty"`
	Dissent    []Voice        `json:"dissent,omitempty"`
	// Other are voices about another statement, or, by organisation, of nobody's.
	Other []Voice `json:"other,omitempty"`
	// Strangers is how many records were signed by nobody who is trusted.
	Strangers int `json:"strangers,omitempty"`
	// Bad are documents whose signature or form is bad, and why.
	Bad []Bad `json:"bad,omitempty"`
}

// Bad is a document that is not what it claims to be.
type Bad struct {
	From string `json:"from"`
	Why  string `json:"why"`
}

// Schema is the version of Result as JSON.
const Schema = 1

// Count answers a question from documents. Who isn't on the list, and trusted by
// the policy, counts as an identity. List may be nil.
func Count(q Question, list *List, policy trust.Policy, documents []Document) *Result {
	r := &Result{Schema: Schema, Subject: q.Subject, Required: q.Required, By: q.By, Unanimous: q.Unanimous, Origins: map[string]int{}}
	voices := r.hear(q, list, policy, documents)
	r.Statement = most(voices, q.By)
	agree, dissent := map[string]bool{}, map[string]bool{}
	origins := map[string]map[string]bool{}
	for _, v := range voices {
		unit := v.unit(q.By)
		switch {
		case v.Run.Statement != r.Statement, unit == "":
			r.Other = append(r.Other, v)
		case v.Agrees():
			r.Agree = append(r.Agree, v)
			agree[unit] = true
			if origins[v.Run.Origin] == nil {
				origins[v.Run.Origin] = map[string]bool{}
			}
			origins[v.Run.Origin][unit] = true
		default:
			r.Dissent = append(r.Dissent, v)
			dissent[unit] = true
		}
	}
	// Who says both, with two of their identities, agrees with nobody.
	maps.DeleteFunc(agree, func(u string, _ bool) bool { return dissent[u] })
	for o, units := range origins {
		maps.DeleteFunc(units, func(u string, _ bool) bool { return dissent[u] })
		if len(units) > 0 {
			r.Origins[o] = len(units)
		}
	}
	r.Agreeing, r.Dissenting = len(agree), len(dissent)
	r.Consensus = r.Agreeing >= max(q.Required, 1) && (!q.Unanimous || r.Dissenting == 0)
	return r
}

// hear reads the documents and keeps one voice of each identity, in the order of
// their names.
func (r *Result) hear(q Question, list *List, policy trust.Policy, documents []Document) []Voice {
	latest := map[string]Voice{}
	seen := map[digest.Digest]bool{}
	for _, d := range documents {
		record, id, err := read(d.Data, policy, q.Subject)
		switch {
		case errors.Is(err, trust.ErrUntrusted):
			r.Strangers++
			continue
		case errors.Is(err, errNoRecord):
			continue
		case err != nil:
			r.Bad = append(r.Bad, Bad{d.From, err.Error()})
			continue
		}
		if key := digest.FromBytes(d.Data); seen[key] {
			continue // one record that lies in two places
		} else {
			seen[key] = true
		}
		v := Voice{Identity: id, Run: record.Predicate, From: d.From}
		if list != nil {
			who := list.who[id.ID()]
			v.Person, v.Organisation = who.Person, who.Organisation
		}
		// The same signer may speak of several statements.
		key := id.ID() + "\x00" + v.Run.Statement.String()
		old, ok := latest[key]
		if ok {
			if old.Run.Finish.After(v.Run.Finish) {
				old, v = v, old
			}
			v.Earlier += old.Earlier + 1
			v.Changed = v.Changed || old.Changed || old.Run.Verdict != v.Run.Verdict
			if old.Run.Finish.Equal(v.Run.Finish) && old.Run.Verdict != v.Run.Verdict && v.Agrees() {
				// Who says both at once agrees with nobody.
				v.Run, v.From = old.Run, old.From
			}
		}
		latest[key] = v
	}
	voices := slices.Collect(maps.Values(latest))
	slices.SortFunc(voices, func(x, y Voice) int {
		return cmp.Or(cmp.Compare(x.Organisation, y.Organisation), cmp.Compare(x.Person, y.Person), cmp.Compare(x.Identity.ID(), y.Identity.ID()), cmp.Compare(x.Run.Statement, y.Run.Statement))
	})
	slices.SortFunc(r.Bad, func(x, y Bad) int { return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.Why, y.Why)) })
	return voices
}

// errNoRecord is of a bundle that is about something else.
var errNoRecord = errors.New("it is no run record")

func read(data []byte, policy trust.Policy, subject digest.Digest) (*provenance.Record, trust.Identity, error) {
	none := trust.Identity{}
	claimed, err := trust.Read(data)
	if err != nil {
		return nil, none, err
	}
	if claimed.Predicate != provenance.RecordType || !claimed.About(subject) {
		return nil, none, errNoRecord
	}
	signed, err := policy.Verify(data, subject)
	if err != nil {
		return nil, none, err
	}
	record, err := provenance.ParseRecord(signed.Statement)
	if err != nil {
		return nil, none, fmt.Errorf("signed by %s: %w", signed.Identity, err)
	}
	return record, signed.Identity, nil
}

// unit is what the voice counts as; empty if it counts as nothing.
func (v Voice) unit(by Unit) string {
	switch {
	case by == Organisation:
		return v.Organisation
	case by == Person && v.Person != "":
		return "person " + v.Organisation + "\x00" + v.Person
	}
	return v.Identity.ID()
}

// most is the statement that the most units agree on; of equals, the first by
// digest.
func most(voices []Voice, by Unit) digest.Digest {
	units := map[digest.Digest]map[string]bool{}
	for _, v := range voices {
		if units[v.Run.Statement] == nil {
			units[v.Run.Statement] = map[string]bool{}
		}
		if u := v.unit(by); u != "" && v.Agrees() {
			units[v.Run.Statement][u] = true
		}
	}
	best := digest.Digest("")
	for _, s := range slices.Sorted(maps.Keys(units)) {
		if best == "" || len(units[s]) > len(units[best]) {
			best = s
		}
	}
	return best
}
