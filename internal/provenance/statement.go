// Package provenance says what was built from what, so that somebody else can
// build it again.
//
// # Two documents
//
// The statement is a function of the build: source, inputs, settings, plan and
// outputs. Whoever builds the same gets the same bytes, so it can be compared,
// and it says nothing of who built, when, where or with which engine. That is
// in the run record (see Record), of which there is one a run, signed by who
// ran it.
//
// # The statement
//
// An in-toto statement, version 1, with the predicate of SLSA provenance, version
// 1. JSON, UTF-8, indented by two spaces, a line feed at the end, members in
// the order of the types below, lists sorted by name.
//
//   - subject: every artefact by SHA-256; an image by its manifest's digest.
//   - externalParameters: the source, the profile of inputs, and twice.toml as
//     it was completed from the workspace, as JSON.
//   - internalParameters: epoch, version, platform, and for each build the plan's digest.
//   - resolvedDependencies: the commit or crate, Cargo.lock and twice.lock, the
//     images that the plan starts from, the toolchain's tarballs, base images,
//     every crate and every Debian package.
//   - byproducts: the SBOMs, and twice.lock itself as content, so that nothing
//     but the source and the inputs is needed for another build.
//
// Version, invocation and times, which SLSA has in runDetails, are left out:
// they are the run record's.
package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/opencontainers/go-digest"
)

// Types of the documents.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	SLSA          = "https://slsa.dev/provenance/v1"
	BuildType     = "https://github.com/craton-co/twice/build/v1"
	BuilderID     = "https://github.com/craton-co/twice"
)

// Statement is an in-toto statement with SLSA's provenance.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Predicate  `json:"predicate"`
}

// Resource is in-toto's resource descriptor. Digest values are hexadecimal,
// Content is base64 in JSON.
type Resource struct {
	Name      string            `json:"name,omitempty"`
	URI       string            `json:"uri,omitempty"`
	Digest    map[string]string `json:"digest,omitempty"`
	Content   []byte            `json:"content,omitempty"`
	MediaType string            `json:"mediaType,omitempty"`
}

// Predicate is SLSA's provenance.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what a build is a function of.
type BuildDefinition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   External   `json:"externalParameters"`
	InternalParameters   Internal   `json:"internalParameters"`
	ResolvedDependencies []Resource `json:"resolvedDependencies"`
}

// External is what the user asked for.
type External struct {
	Source  Source       `json:"source"`
	Profile string       `json:"profile,omitempty"`
	Config  *config.File `json:"config"`
}

// Source is what was built.
type Source struct {
	Crate   string `json:"crate,omitempty"`   // NAME@VERSION
	Archive bool   `json:"archive,omitempty"` // a tar archive, which SHA256 names
	SHA256  string `json:"sha256,omitempty"`
	Commit  string `json:"commit,omitempty"`
	// Repository is where the project says that its commits are: an identity,
	// and never the clone or the mirror that one builder had. See [Repository] of
	// package resolve.
	Repository string `json:"repository,omitempty"`
	Prefix     string `json:"prefix,omitempty"` // the folder of the repository that was taken; empty for all of it
	Dir        string `json:"dir,omitempty"`    // of the workspace, below that
	Version    string `json:"version,omitempty"`
	// Tags are those of the commit, where the build can see them: no commit says which it has.
	Tags  []string `json:"tags,omitempty"`
	Dirty bool     `json:"dirty,omitempty"` // the files were not the commit's
}

// Internal is what follows from that.
type Internal struct {
	Epoch     int64  `json:"epoch"` // SOURCE_DATE_EPOCH
	EpochFrom string `json:"epochFrom,omitempty"`
	Platform  string `json:"platform"`
	Rustc     string `json:"rustc,omitempty"`
	Plans     []Plan `json:"plans"`
}

// Plan is one run of cargo.
type Plan struct {
	Build  string        `json:"build"`
	Digest digest.Digest `json:"digest"`
	// Embedded is what the programs of the build say of themselves, where twice.toml
	// asks for that.
	Embedded *Embedded `json:"embedded,omitempty"`
}

// RunDetails has what SLSA requires, and what a build leaves beside its outputs.
type RunDetails struct {
	Builder    Builder    `json:"builder"`
	Byproducts []Resource `json:"byproducts,omitempty"`
}

// Builder is the kind of builder: the statement is the same from all of them.
type Builder struct {
	ID string `json:"id"`
}

// SHA256 is the digest of a resource, or "".
func (r Resource) SHA256() digest.Digest {
	if h := r.Digest["sha256"]; h != "" {
		return digest.NewDigestFromEncoded(digest.SHA256, h)
	}
	return ""
}

// Sum is a resource's digest member.
func Sum(d digest.Digest) map[string]string {
	if d == "" {
		return nil
	}
	return map[string]string{d.Algorithm().String(): d.Encoded()}
}

// Sort brings the lists into their order.
func (s *Statement) Sort() {
	for _, list := range [][]Resource{s.Subject, s.Predicate.BuildDefinition.ResolvedDependencies, s.Predicate.RunDetails.Byproducts} {
		slices.SortFunc(list, func(x, y Resource) int {
			if c := strings.Compare(x.Name, y.Name); c != 0 {
				return c
			}
			return strings.Compare(x.URI, y.URI)
		})
	}
}

// JSON is the statement in its one form.
func (s *Statement) JSON() ([]byte, error) {
	s.Sort()
	if len(s.Subject) == 0 {
		return nil, errors.New("writing the statement: it has no subject")
	}
	return encode("statement", s)
}

func encode(what string, v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing the %s: %w", what, err)
	}
	return out.Bytes(), nil
}

// maxStatement bounds what Parse reads, in bytes.
const maxStatement = 64 << 20

// Parse reads a statement, and nothing but what JSON writes.
func Parse(data []byte) (*Statement, error) {
	s, err := decode[Statement](data)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing the statement: %w", err)
	}
	again, err := s.JSON()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, errors.New("parsing the statement: it is not in the form that Twice writes")
	}
	return s, nil
}

func decode[T any](data []byte) (*T, error) {
	if len(data) > maxStatement {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	v := new(T)
	if err := d.Decode(v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	return v, nil
}

func (s *Statement) check() error {
	switch {
	case s.Type != StatementType:
		return fmt.Errorf("its type is %.100q", s.Type)
	case s.PredicateType != SLSA:
		return fmt.Errorf("its predicate is %.100q", s.PredicateType)
	case s.Predicate.BuildDefinition.BuildType != BuildType:
		return fmt.Errorf("its build type is %.100q, and not one of Twice's", s.Predicate.BuildDefinition.BuildType)
	case len(s.Subject) == 0:
		return errors.New("it has no subject")
	case s.Predicate.BuildDefinition.ExternalParameters.Config == nil:
		return errors.New("it has no configuration")
	}
	for _, r := range s.Subject {
		if err := r.SHA256().Validate(); err != nil || r.Name == "" {
			return fmt.Errorf("subject %.100q has no SHA-256", r.Name)
		}
	}
	return nil
}

// Lock is the text of the twice.lock that the build used.
func (s *Statement) Lock() ([]byte, error) {
	for _, r := range s.Predicate.RunDetails.Byproducts {
		if r.Name == lockName {
			if digest.FromBytes(r.Content) != r.SHA256() {
				return nil, errors.New("reading the statement: twice.lock in it has another digest than it says")
			}
			return r.Content, nil
		}
	}
	return nil, errors.New("reading the statement: it has no twice.lock")
}

const lockName = "twice.lock"
