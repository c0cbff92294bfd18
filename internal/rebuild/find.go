package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/transfer"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits of Find.
const (
	maxReferrers = 10000    // that are listed
	maxDocuments = 200      // that are read
	maxDocument  = 64 << 20 // bytes of one
)

// found is what a registry has about an image.
type found struct {
	claims  []*Claim
	records []*provenance.Record
	sboms   map[string][]digest.Digest // by name
	doubts  []error                    // signers who may not
}

// Find reads the statement about an image and what goes with it. With a policy only
// what somebody signed whom it trusts counts; with an empty one nothing is known of
// who wrote it. only picks one
// of several statements. An *verdict.Incident is what is attached and not what is
// claimed of it.
func Find(ctx context.Context, repo *registry.Repository, d digest.Digest, policy trust.Policy, only digest.Digest) (*Claim, error) {
	f := &found{sboms: map[string][]digest.Digest{}}
	listed, read := 0, 0
	for desc, err := range referrer.List(ctx, repo, d) {
		if errors.Is(err, referrer.ErrCorrupt) {
			return nil, &verdict.Incident{Of: "what is attached to the image", What: "a document of " + repo.String() + "@" + d.String(), By: "its digest", Why: err.Error()}
		} else if err != nil {
			return nil, err
		}
		if listed++; listed > maxReferrers {
			break
		}
		if !wanted(desc) {
			continue
		}
		if read++; read > maxDocuments {
			return nil, fault.Hintf(fmt.Errorf("more than %d statements, records and SBOMs are attached to %s@%s", maxDocuments, repo, d), "name the statement: --statement FILE")
		}
		if err := f.read(ctx, repo, d, desc, policy); err != nil {
			return nil, err
		}
	}
	return f.claim(repo, d, !policy.Empty(), only)
}

// wanted are the documents that a rebuild looks at. Which they are, decides their
// type alone, so that others may attach what they like.
func wanted(desc ocispec.Descriptor) bool {
	switch desc.ArtifactType {
	case referrer.Statement, referrer.SBOM:
		return true
	case referrer.Bundle:
		p := desc.Annotations[referrer.AnnotationPredicate]
		return p == provenance.SLSA || p == provenance.RecordType
	}
	return false
}

func (f *found) read(ctx context.Context, repo *registry.Repository, d digest.Digest, desc ocispec.Descriptor, policy trust.Policy) error {
	doc, err := referrer.Read(ctx, repo, desc, maxDocument)
	if errors.Is(err, referrer.ErrCorrupt) {
		return &verdict.Incident{Of: "what is attached to the image", What: desc.ArtifactType + " " + desc.Digest.String(), By: "its digest", Why: err.Error()}
	} else if err != nil {
		return err
	}
	switch {
	case doc.Type == referrer.SBOM:
		f.sboms[doc.Title] = append(f.sboms[doc.Title], digest.FromBytes(doc.Data))
		return nil
	case doc.Type == referrer.Statement:
		return f.statement(doc.Data, d, "", "it has no signature")
	}
	record := desc.Annotations[referrer.AnnotationPredicate] == provenance.RecordType
	of := theStatement
	if record {
		of = theRecord
	}
	payload, by, why, err := open(doc.Data, policy, d)
	if errors.Is(err, trust.ErrUntrusted) {
		f.doubts = append(f.doubts, err)
		return nil
	}
	if err != nil {
		return &verdict.Incident{Of: of, What: of + " " + desc.Digest.String(), By: "its signature", Why: err.Error()}
	}
	if !record {
		return f.statement(payload, d, by, why)
	}
	r, err := provenance.ParseRecord(payload)
	if err != nil {
		return &verdict.Incident{Of: theRecord, What: "the run record " + desc.Digest.String(), By: "its form", Why: err.Error()}
	}
	f.records = append(f.records, r)
	return nil
}

// open takes a signed document apart. With a policy its signature is checked: an
// error that wraps trust.ErrUntrusted says that whoever signed isn't somebody who
// may, any other that it isn't what was signed.
func open(data []byte, policy trust.Policy, subject digest.Digest) (payload []byte, by, unchecked string, err error) {
	if !policy.Empty() {
		s, err := policy.Verify(data, subject)
		if err != nil {
			return nil, "", "", err
		}
		return s.Statement, s.Identity.String(), "", nil
	}
	payload, signed, err := Payload(data)
	if err == nil && !signed {
		err = errUnreadable
	}
	return payload, "", "nothing says who may sign", err
}

// statement takes a statement. One about something else is a lie: it is attached to
// the image.
func (f *found) statement(payload []byte, d digest.Digest, by, why string) error {
	c, err := Parse(payload)
	if errors.Is(err, errUnreadable) && by == "" {
		return nil // somebody else's statement, of another builder
	} else if err != nil {
		return err
	}
	for _, old := range f.claims {
		if string(old.Bytes) == string(payload) {
			if by != "" {
				old.By, old.Unchecked = append(old.By, by), ""
			} else if old.Unchecked != "" && strings.HasPrefix(why, "nothing") {
				old.Unchecked = why
			}
			return nil
		}
	}
	if c.Unchecked = why; by != "" {
		c.By, c.Unchecked = []string{by}, ""
	}
	f.claims = append(f.claims, c)
	return nil
}

// claim picks the statement.
func (f *found) claim(repo *registry.Repository, d digest.Digest, checked bool, only digest.Digest) (*Claim, error) {
	at := repo.String() + "@" + d.String()
	all := f.claims
	pick := func(keep func(*Claim) bool) {
		all = slices.DeleteFunc(slices.Clone(all), func(c *Claim) bool { return !keep(c) })
	}
	if checked {
		pick(func(c *Claim) bool { return len(c.By) > 0 })
		if len(all) == 0 && len(f.doubts) > 0 {
			return nil, fault.Hint(fmt.Errorf("no statement about %s is signed by who may: %w", at, f.doubts[0]), "is that who should sign? then allow them")
		}
		if len(all) == 0 && len(f.claims) > 0 {
			return nil, fault.Hint(fmt.Errorf("the statement about %s is not signed", at), "without a policy it is taken as it is, and said to be unchecked")
		}
	}
	if only != "" {
		pick(func(c *Claim) bool { return digest.FromBytes(c.Bytes) == only })
	}
	switch len(all) {
	case 1:
	case 0:
		if only != "" && len(f.claims) > 0 {
			return nil, fault.Hintf(fmt.Errorf("no statement about %s is %s", at, only), "there are: %s", sums(f.claims))
		}
		return nil, fault.Hint(fmt.Errorf("nothing that is attached to %s is a provenance statement of Twice", at), "`twice publish` attaches one; one that you have is taken by --statement FILE")
	default:
		return nil, fault.Hintf(fmt.Errorf("%d statements are attached to %s, and they say different things", len(all), at), "pick one: --statement %s", sums(all))
	}
	c := all[0]
	if len(f.claims) > 1 && only == "" {
		c.Others = sums(slices.DeleteFunc(slices.Clone(f.claims), func(x *Claim) bool { return x == c }))
	}
	for _, r := range f.records {
		if r.Predicate.Statement == digest.FromBytes(c.Bytes) || len(f.claims) == 1 {
			c.Records = append(c.Records, r)
		}
	}
	return c, f.checkSBOMs(c)
}

// checkSBOMs: one of those that are attached by that name is the statement's.
func (f *found) checkSBOMs(c *Claim) error {
	for _, b := range c.files() {
		if list := f.sboms[b.Name]; len(list) > 0 && !slices.Contains(list, b.Digest) {
			return &verdict.Incident{Of: "the SBOM", What: b.Name, By: theStatement, Claimed: b.Digest, Found: list[0]}
		}
	}
	return nil
}

func sums(list []*Claim) string {
	var out []string
	for _, c := range list {
		out = append(out, digest.FromBytes(c.Bytes).String())
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Image fetches an image, or an index with all its images, and opens it as what the
// rebuild is compared with. It holds every blob to its digest.
func Image(ctx context.Context, repo *registry.Repository, st *store.Store, d digest.Digest, layout func(context.Context, ocispec.Descriptor) (string, error)) (*reference.Reference, error) {
	desc, _, err := transfer.Pull(ctx, repo, st, d)
	var bad *store.MismatchError
	if errors.As(err, &bad) {
		return nil, &verdict.Incident{Of: "the image", What: "a part of " + repo.String() + "@" + d.String(), By: "its digest", Claimed: bad.Expected, Found: bad.Got}
	} else if err != nil {
		return nil, err
	}
	return &reference.Reference{Path: repo.String() + "@" + d.String(), Kind: reference.Image, Items: []reference.Item{{
		Name: "image", Digest: desc.Digest, Image: true,
		Open: func(ctx context.Context) (string, error) { return layout(ctx, desc) },
	}}}, nil
}

// ParseReference takes registry/name@sha256:… apart. A reference without a digest is
// an error whose hint names the digest that it has now: a tag is whatever somebody
// last pushed.
func ParseReference(ctx context.Context, ref string, opt registry.Options) (*registry.Repository, digest.Digest, error) {
	named, d, byDigest := strings.Cut(ref, "@")
	repository := named
	if i := strings.LastIndexByte(named, ':'); i > strings.LastIndexByte(named, '/') {
		repository = named[:i]
	}
	repo, err := registry.OpenName(repository, opt)
	if err != nil {
		return nil, "", err
	}
	if byDigest {
		dd := digest.Digest(d)
		if err := dd.Validate(); err != nil || dd.Algorithm() != digest.SHA256 {
			return nil, "", fault.Hint(fmt.Errorf("%.200q: its digest is none", ref), "write registry/name@sha256:… (64 hex digits)")
		}
		return repo, dd, nil
	}
	tag := cmp.Or(strings.TrimPrefix(strings.TrimPrefix(named, repository), ":"), "latest")
	refused := errors.New(ref + " has no digest: a tag can be another image tomorrow")
	now, err := transfer.Resolve(ctx, repo, tag)
	if err != nil { // the hint is worth nothing more
		return nil, "", fault.Hint(refused, "write registry/name@sha256:…")
	}
	return nil, "", fault.Hintf(refused, "now it is %s@%s", repo, now)
}
