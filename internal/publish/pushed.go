package publish

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/transfer"
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
			// Of a layer only the compressed bytes are known: its diff ID is not its digest.
			return struct{ partial.CompressedLayer }{transfer.Blob(p.blobs, d)}, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}
