package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/registry"
)

// Push sends what d names, and all that this names, and then gives it the tag, if
// there is one.
func Push(ctx context.Context, repo *registry.Repository, blobs image.Blobs, d ocispec.Descriptor, tag string) (Moved, error) {
	p := &pusher{repo: repo, blobs: blobs}
	err := p.push(ctx, d, tag)
	return p.moved, repo.Explain("pushing to "+repo.String(), err)
}

// documents are what a registry is asked for.
const documents = ocispec.MediaTypeImageManifest + ", " + ocispec.MediaTypeImageIndex

type pusher struct {
	repo   *registry.Repository
	remote *remote.Pusher
	blobs  image.Blobs
	tally
}

func (p *pusher) push(ctx context.Context, d ocispec.Descriptor, tag string) error {
	var err error
	if p.remote, err = p.repo.Pusher(ctx); err != nil {
		return err
	}
	if err := p.document(ctx, d, 0); err != nil || tag == "" {
		return err
	}
	text, err := p.blobs.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return err
	}
	return p.remote.Push(ctx, p.repo.Name.Tag(tag), raw{d, text})
}

func (p *pusher) document(ctx context.Context, d ocispec.Descriptor, depth int) error {
	if depth > maxNesting {
		return errors.New("indexes lie too deep in indexes")
	}
	if p.seen(d.Digest) {
		return nil
	}
	text, err := p.blobs.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return err
	}
	doc, err := parse(d, text)
	if err != nil {
		return err
	}
	for _, x := range doc.documents {
		if err := p.document(ctx, x, depth+1); err != nil {
			return err
		}
	}
	if err := each(ctx, doc.blobs, p.blob); err != nil {
		return err
	}
	switch there, err := p.repo.Has(ctx, "manifests/"+d.Digest.String(), documents); {
	case err != nil:
		return err
	case there:
		p.add(d, false)
		return nil
	}
	p.add(d, true)
	return p.remote.Push(ctx, p.repo.Name.Digest(d.Digest.String()), raw{d, text})
}

func (p *pusher) blob(ctx context.Context, d ocispec.Descriptor) error {
	if p.seen(d.Digest) {
		return nil
	}
	switch there, err := p.repo.Has(ctx, "blobs/"+d.Digest.String(), documents); {
	case err != nil:
		return err
	case there:
		p.add(d, false)
		return nil
	}
	if err := p.remote.Upload(ctx, p.repo.Name, Blob(p.blobs, d)); err != nil {
		return err
	}
	p.add(d, true)
	return nil
}

// raw is a document as go-containerregistry pushes one.
type raw struct {
	desc ocispec.Descriptor
	text []byte
}

func (r raw) RawManifest() ([]byte, error) { return r.text, nil }

// MediaType implements remote.Taggable's sibling: the header of the request.
func (r raw) MediaType() (types.MediaType, error) { return types.MediaType(r.desc.MediaType), nil }

// Blob is a blob as go-containerregistry uploads one, as a layer or part of an
// image: checked while it is sent.
func Blob(blobs image.Blobs, desc ocispec.Descriptor) v1.Layer { return &blob{blobs, desc} }

type blob struct {
	blobs image.Blobs
	desc  ocispec.Descriptor
}

func (b *blob) Digest() (v1.Hash, error)             { return v1.NewHash(b.desc.Digest.String()) }
func (b *blob) DiffID() (v1.Hash, error)             { return b.Digest() }
func (b *blob) Size() (int64, error)                 { return b.desc.Size, nil }
func (b *blob) MediaType() (types.MediaType, error)  { return types.MediaType(b.desc.MediaType), nil }
func (b *blob) Uncompressed() (io.ReadCloser, error) { return nil, fs.ErrInvalid }
func (b *blob) Compressed() (io.ReadCloser, error) {
	f, err := b.blobs.Open(b.desc.Digest)
	if err != nil {
		return nil, err
	}
	return &checked{f, b.desc.Digest, b.desc.Digest.Verifier()}, nil
}

// checked ends with an error if the content is not what its digest says.
type checked struct {
	io.ReadCloser
	want digest.Digest
	sum  digest.Verifier
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	_, _ = c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && !c.sum.Verified() {
		return n, fmt.Errorf("blob %s: corrupted in the store", c.want)
	}
	return n, err
}
