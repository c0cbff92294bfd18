package publish

import (
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
)

// pushed is an image of the store as go-containerregistry wants it: manifest
// and config as they are, layers as streams.
type pushed struct {
	blobs            image.Blobs
	img              image.Image
	manifest, config []byte
}

func newPushed(blobs image.Blobs, img image.Image) (v1.Image, error) {
	p := &pushed{blobs: blobs, img: img}
	var err error
	if p.manifest, err = blobs.ReadBytes(img.Desc.Digest, image.MaxManifest); err != nil {
		return nil, err
	}
	if p.config, err = blobs.ReadBytes(img.Manifest.Config.Digest, image.MaxConfig); err != nil {
		return nil, err
	}
	return partial.CompressedToImage(p)
}

func (p *pushed) RawManifest() ([]byte, error)   { return p.manifest, nil }
func (p *pushed) RawConfigFile() ([]byte, error) { return p.config, nil }
func (p *pushed) MediaType() (types.MediaType, error) {
	return types.MediaType(p.img.Manifest.MediaType), nil
}

func (p *pushed) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range append([]ocispec.Descriptor{p.img.Manifest.Config}, p.img.Manifest.Layers...) {
		if d.Digest.String() == h.String() {
			return &blob{p.blobs, d}, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// blob is one blob of the store.
type blob struct {
	blobs image.Blobs
	desc  ocispec.Descriptor
}

func (b *blob) Digest() (v1.Hash, error)            { return v1.NewHash(b.desc.Digest.String()) }
func (b *blob) Size() (int64, error)                { return b.desc.Size, nil }
func (b *blob) MediaType() (types.MediaType, error) { return types.MediaType(b.desc.MediaType), nil }
func (b *blob) Compressed() (io.ReadCloser, error) {
	f, err := b.blobs.Open(b.desc.Digest)
	if err != nil {
		return nil, err
	}
	return &checked{f, b.desc.Digest, b.desc.Digest.Verifier()}, nil
}

// checked is a blob that ends with an error if it is not what its digest says.
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
