package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/store"
)

// WriteIndex writes an index of images for different platforms into st, in
// canonical order: by operating system, architecture, variant and version.
func WriteIndex(ctx context.Context, st *store.Store, images []Image) (ocispec.Descriptor, error) {
	if len(images) == 0 {
		return ocispec.Descriptor{}, errors.New("writing index: no images")
	}
	ix := NewIndex(images)
	for i := 1; i < len(ix.Manifests); i++ {
		p := *ix.Manifests[i].Platform
		if ComparePlatforms(p, *ix.Manifests[i-1].Platform) == 0 {
			return ocispec.Descriptor{}, fmt.Errorf("writing index: two images for %s", PlatformString(p))
		}
	}
	b, err := Marshal(ix)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("writing index: %w", err)
	}
	if _, err := st.PutBytes(ctx, b); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("writing index: %w", err)
	}
	return Describe(ocispec.MediaTypeImageIndex, b), nil
}

// NewIndex returns the canonical index of images.
func NewIndex(images []Image) ocispec.Index {
	ix := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{},
	}
	for _, img := range images {
		d := OCIDescriptor(img.Desc)
		p := img.Config.Platform
		if img.Desc.Platform != nil {
			p = *img.Desc.Platform
		}
		d.Platform = &p
		ix.Manifests = append(ix.Manifests, d)
	}
	slices.SortFunc(ix.Manifests, func(a, b ocispec.Descriptor) int {
		return cmp.Or(ComparePlatforms(*a.Platform, *b.Platform), cmp.Compare(a.Digest, b.Digest))
	})
	return ix
}

// ComparePlatforms is the canonical order of platforms.
func ComparePlatforms(a, b ocispec.Platform) int {
	return cmp.Or(
		cmp.Compare(a.OS, b.OS),
		cmp.Compare(a.Architecture, b.Architecture),
		cmp.Compare(a.Variant, b.Variant),
		cmp.Compare(a.OSVersion, b.OSVersion),
		slices.Compare(a.OSFeatures, b.OSFeatures),
	)
}
