package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/verdict"
)

// Signer signs as one identity. Those of package sign are such; this package
// does without what they are made of, so that it stays small for those who sign
// nothing.
type Signer interface {
	Sign(ctx context.Context, statement []byte) (bundle []byte, err error)
	// Signed is the statement of a bundle that this signer made about subject.
	Signed(bundle []byte, subject digest.Digest) (statement []byte, err error)
	Deterministic() bool // the same statement is the same bundle
	fmt.Stringer         // who it is
}

// How says how a release is published.
type How struct {
	Signer  Signer // nil: nobody signs
	MoveTag bool   // a tag that is another image's may be moved
	Step    func(text string)
}

// Published is what a registry has now.
type Published struct {
	Images []PublishedImage `json:"images"`
	Signer string           `json:"signer,omitempty"` // who signed; empty: nobody
}

// PublishedImage is an image or index with what is attached to it.
type PublishedImage struct {
	Name      string        `json:"name"` // by digest: registry/name@sha256:…
	Tag       string        `json:"tag"`  // registry/name:tag
	Digest    digest.Digest `json:"digest"`
	Sent      bool          `json:"sent"` // it was not there before
	Tagged    bool          `json:"tagged"`
	Referrers []Attached    `json:"referrers"`
}

// Attached is a referrer.
type Attached struct {
	Type      string        `json:"type"`
	Predicate string        `json:"predicate,omitempty"` // of a signed statement
	Title     string        `json:"title,omitempty"`
	Digest    digest.Digest `json:"digest"` // of its manifest
	Sent      bool          `json:"sent"`
}

// Complete publishes images with their evidence: each image by its digest, then
// what is attached to it, and when all of that is there the tags. Whatever ends
// it early, no tag points at something that is not whole; doing it again sends
// what is missing, and nothing else.
func Complete(ctx context.Context, blobs image.Blobs, pushes []Push, e Evidence, how How, opt Options) (*Published, error) {
	if len(pushes) == 0 {
		return nil, errors.New("there is nothing to publish")
	}
	repo, err := registry.Open(pushes[0].To.tag.Context(), opt)
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	c := &completion{repo: repo, blobs: blobs, evidence: e, how: how}
	out := &Published{}
	if how.Signer != nil {
		out.Signer = how.Signer.String()
	}
	for _, p := range pushes {
		before, err := c.tagged(ctx, p)
		if err != nil {
			return nil, err
		}
		if before != "" && before != p.Digest && !how.MoveTag {
			return nil, fault.Hintf(fmt.Errorf("tag %s is that of another image, %s", p.To, before), "publish under another tag, or move this one: --move-tag")
		}
	}
	for _, p := range pushes {
		done, err := c.image(ctx, p)
		if err != nil {
			return nil, err
		}
		out.Images = append(out.Images, done)
	}
	for i, p := range pushes {
		if out.Images[i].Tagged, err = c.tag(ctx, p); err != nil {
			return nil, err
		}
	}
	if how.Signer != nil {
		out.Signer = how.Signer.String() // a certificate may name it otherwise than its token
	}
	return out, nil
}

type completion struct {
	repo     *registry.Repository
	blobs    image.Blobs
	evidence Evidence
	how      How
}

func (c *completion) step(format string, a ...any) {
	if c.how.Step != nil {
		c.how.Step(fmt.Sprintf(format, a...))
	}
}

// image pushes an image by digest, with its referrers.
func (c *completion) image(ctx context.Context, p Push) (PublishedImage, error) {
	d := c.repo.Name.Digest(p.Digest.String())
	out := PublishedImage{Name: d.String(), Tag: p.To.String(), Digest: p.Digest}
	desc, err := c.descriptor(p)
	if err != nil {
		return out, err
	}
	there, err := c.repo.Has(ctx, "manifests/"+p.Digest.String(), manifests)
	if err != nil {
		return out, explain(c.repo, p.To, err)
	}
	if out.Sent = !there; !there {
		c.step("pushing %s", d)
		if err := c.push(ctx, p, desc); err != nil {
			return out, err
		}
	}
	c.step("attaching evidence")
	bare, err := c.evidence.bare()
	if err != nil {
		return out, err
	}
	for _, r := range bare {
		a, err := c.attach(ctx, desc, r)
		if err != nil {
			return out, err
		}
		out.Referrers = append(out.Referrers, a)
	}
	if c.how.Signer == nil {
		return out, nil
	}
	statements, err := c.evidence.statements(p.Digest, "oci://"+c.repo.String())
	if err != nil {
		return out, err
	}
	for _, s := range statements {
		a, err := c.sign(ctx, desc, s)
		if err != nil {
			return out, err
		}
		out.Referrers = append(out.Referrers, a)
	}
	return out, nil
}

// descriptor is that of an image's document.
func (c *completion) descriptor(p Push) (ocispec.Descriptor, error) {
	text, err := c.blobs.ReadBytes(p.Digest, image.MaxManifest)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: p.Digest, Size: int64(len(text))}
	if p.Kind == verdict.Index {
		d.MediaType = ocispec.MediaTypeImageIndex
	}
	return d, nil
}

// push sends blobs and documents.
func (c *completion) push(ctx context.Context, p Push, desc ocispec.Descriptor) error {
	var what remote.Taggable
	if p.Kind == verdict.Index {
		index, err := newPushedIndex(ctx, c.blobs, p.Digest)
		if err != nil {
			return fmt.Errorf("pushing to %s: %w", p.To, err)
		}
		what = index
	} else {
		img, err := image.Load(ctx, c.blobs, desc)
		if err != nil {
			return err
		}
		if what, err = newPushed(c.blobs, img); err != nil {
			return fmt.Errorf("pushing to %s: %w", p.To, err)
		}
	}
	pusher, err := c.repo.Pusher(ctx)
	if err == nil {
		err = pusher.Push(ctx, c.repo.Name.Digest(p.Digest.String()), what)
	}
	return explain(c.repo, p.To, err)
}

func (c *completion) attach(ctx context.Context, subject ocispec.Descriptor, r referrer.Referrer) (Attached, error) {
	d, sent, err := referrer.Attach(ctx, c.repo, subject, r)
	return Attached{Type: r.Type, Predicate: r.Annotations[referrer.AnnotationPredicate], Title: r.Title, Digest: d.Digest, Sent: sent}, err
}

// sign attaches a signed statement, unless the same signer signed the same
// before.
func (c *completion) sign(ctx context.Context, subject ocispec.Descriptor, s statement) (Attached, error) {
	if !c.how.Signer.Deterministic() {
		d, err := c.signed(ctx, subject, s)
		if err != nil {
			return Attached{}, err
		}
		if d.Digest != "" {
			return Attached{Type: referrer.Bundle, Predicate: s.predicate, Digest: d.Digest}, nil
		}
	}
	bundle, err := c.how.Signer.Sign(ctx, s.text)
	if err != nil {
		return Attached{}, err
	}
	return c.attach(ctx, subject, referrer.OfBundle(bundle, s.predicate))
}

// maxCandidates is how many statements of one kind are read to find one's own.
const maxCandidates = 200

// signed finds the signer's own statement among those that are attached.
func (c *completion) signed(ctx context.Context, subject ocispec.Descriptor, s statement) (ocispec.Descriptor, error) {
	n := 0
	for d, err := range referrer.List(ctx, c.repo, subject.Digest) {
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		if d.ArtifactType != referrer.Bundle || d.Annotations[referrer.AnnotationPredicate] != s.predicate {
			continue
		}
		if n++; n > maxCandidates {
			break
		}
		r, err := referrer.Read(ctx, c.repo, d, maxDocument)
		if err != nil {
			continue // it is anybody's
		}
		if have, err := c.how.Signer.Signed(r.Data, subject.Digest); err == nil && bytes.Equal(have, s.text) {
			return d, nil
		}
	}
	return ocispec.Descriptor{}, nil
}

// tag points a tag at an image, and tells whether it didn't.
func (c *completion) tag(ctx context.Context, p Push) (bool, error) {
	before, err := c.tagged(ctx, p)
	if err != nil || before == p.Digest {
		return false, err
	}
	text, err := c.blobs.ReadBytes(p.Digest, image.MaxManifest)
	if err != nil {
		return false, err
	}
	desc, err := c.descriptor(p)
	if err != nil {
		return false, err
	}
	c.step("tagging %s", p.To)
	_, err = c.repo.Put(ctx, p.To.tag.TagStr(), desc.MediaType, text)
	return true, explain(c.repo, p.To, err)
}

// manifests are the types that are asked for.
const manifests = ocispec.MediaTypeImageManifest + ", " + ocispec.MediaTypeImageIndex +
	", application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"

// tagged is the digest that a tag points at; empty where there is no such tag.
func (c *completion) tagged(ctx context.Context, p Push) (digest.Digest, error) {
	resp, err := c.repo.Ask(ctx, registry.Write, http.MethodHead, c.repo.URL("manifests/"+p.To.tag.TagStr()), nil, manifests)
	if err != nil {
		return "", explain(c.repo, p.To, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return "", nil
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return "", explain(c.repo, p.To, err)
	}
	d := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if err := d.Validate(); err != nil {
		return "", explain(c.repo, p.To, errors.New("the registry does not say what the tag points at"))
	}
	return d, nil
}
