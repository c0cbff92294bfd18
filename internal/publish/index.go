package publish

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/image"
)

// pushedIndex is an index of the store as go-containerregistry wants it.
type pushedIndex struct {
	text   []byte
	index  *v1.IndexManifest
	images map[v1.Hash]v1.Image
}

func newPushedIndex(ctx context.Context, blobs image.Blobs, d digest.Digest) (*pushedIndex, error) {
	p := &pushedIndex{images: map[v1.Hash]v1.Image{}}
	var err error
	if p.text, err = blobs.ReadBytes(d, image.MaxManifest); err != nil {
		return nil, err
	}
	ix, err := image.ParseIndex(p.text)
	if err != nil {
		return nil, err
	}
	p.index = &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, m := range ix.Manifests {
		im, err := image.Load(ctx, blobs, m)
		if err != nil {
			return nil, err
		}
		h, err := v1.NewHash(m.Digest.String())
		if err != nil {
			return nil, err
		}
		if p.images[h], err = newPushed(blobs, im); err != nil {
			return nil, err
		}
		p.index.Manifests = append(p.index.Manifests, v1.Descriptor{MediaType: types.MediaType(m.MediaType), Digest: h, Size: m.Size})
	}
	return p, nil
}

func (p *pushedIndex) MediaType() (types.MediaType, error)       { return types.OCIImageIndex, nil }
func (p *pushedIndex) Digest() (v1.Hash, error)                  { return v1.NewHash(digest.FromBytes(p.text).String()) }
func (p *pushedIndex) Size() (int64, error)                      { return int64(len(p.text)), nil }
func (p *pushedIndex) IndexManifest() (*v1.IndexManifest, error) { return p.index, nil }
func (p *pushedIndex) RawManifest() ([]byte, error)              { return p.text, nil }
func (p *pushedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, errors.New("an index in an index")
}

func (p *pushedIndex) Image(h v1.Hash) (v1.Image, error) {
	if im, ok := p.images[h]; ok {
		return im, nil
	}
	return nil, fmt.Errorf("the index has no image %s", h)
}
