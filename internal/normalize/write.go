package normalize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
)

// writeRoot writes the documents of a root, once its layers are there, and
// returns what index.json says of it.
func (n *normalizer) writeRoot(ctx context.Context, r *rootTask) (ocispec.Descriptor, error) {
	if r.keep {
		for _, img := range r.images {
			n.result(img, img.Desc.Digest)
		}
		after := ocispec.Descriptor{MediaType: r.desc.MediaType, Digest: r.desc.Digest, Size: r.desc.Size, Platform: r.desc.Platform}
		return after, n.copyDocuments(ctx, r.desc, 0)
	}
	var images []image.Image
	for _, img := range r.images {
		after, err := n.writeImage(img)
		if err != nil {
			return after, fmt.Errorf("image %s: %w", img.Desc.Digest, err)
		}
		n.result(img, after.Digest)
		images = append(images, image.Image{Desc: after})
	}
	if len(images) == 1 {
		return images[0].Desc, nil
	}
	b, err := image.Marshal(image.NewIndex(images))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	_, err = n.out.put(b)
	return image.Describe(ocispec.MediaTypeImageIndex, b), err
}

// result completes what Result says of an image.
func (n *normalizer) result(img *imageTask, after digest.Digest) {
	res := &n.res.Images[img.result]
	res.After = after
	for i, t := range img.layers {
		res.Layers = append(res.Layers, Layer{
			Before: img.Manifest.Layers[i], After: t.out.Desc, DiffID: t.out.DiffID, Base: t.how != rewrite,
		})
	}
}

func (n *normalizer) writeImage(img *imageTask) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	m := ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Layers:      []ocispec.Descriptor{},
		Annotations: baseAnnotations(img),
	}
	diffIDs := []digest.Digest{}
	for _, t := range img.layers {
		m.Layers = append(m.Layers, t.out.Desc)
		diffIDs = append(diffIDs, t.out.DiffID)
	}
	config, err := documents{n.in}.ReadBytes(img.Manifest.Config.Digest, image.MaxConfig)
	if err != nil {
		return none, err
	}
	if config, err = image.CanonicalConfig(config, diffIDs, n.opt.Epoch); err != nil {
		return none, err
	}
	if _, err := n.out.put(config); err != nil {
		return none, err
	}
	m.Config = image.Describe(ocispec.MediaTypeImageConfig, config)
	b, err := image.Marshal(m)
	if err != nil {
		return none, err
	}
	desc := image.Describe(ocispec.MediaTypeImageManifest, b)
	desc.Platform = &img.platform
	_, err = n.out.put(b)
	return desc, err
}

func baseAnnotations(img *imageTask) map[string]string {
	a := map[string]string{}
	was := img.Manifest.Annotations
	if d := was[ocispec.AnnotationBaseImageDigest]; d != "" {
		a[ocispec.AnnotationBaseImageDigest] = d
	}
	if name := was[ocispec.AnnotationBaseImageName]; name != "" {
		a[ocispec.AnnotationBaseImageName] = name
	}
	if b := img.base; b != nil && b.digest != "" && a[ocispec.AnnotationBaseImageDigest] != b.digest.String() {
		a[ocispec.AnnotationBaseImageDigest] = b.digest.String()
		delete(a, ocispec.AnnotationBaseImageName) // of another base
	}
	return a
}

// copyDocuments copies a base that is in the input by name: all it consists of,
// except the layers of its images, which are copied with all others.
func (n *normalizer) copyDocuments(ctx context.Context, d ocispec.Descriptor, depth int) error {
	if depth > maxNesting {
		return errors.New("too many levels of indexes")
	}
	if n.copied[d.Digest] {
		return nil
	}
	n.copied[d.Digest] = true
	docs := documents{n.in}
	b, err := docs.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return err
	}
	if err := n.copySmall(ctx, d.Digest); err != nil {
		return err
	}
	if image.IsIndex(d.MediaType) {
		ix, err := image.ParseIndex(b)
		if err != nil {
			return err
		}
		for _, m := range ix.Manifests {
			if err := n.copyDocuments(ctx, m, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	m, err := image.ParseManifest(b)
	if err != nil {
		return err
	}
	for _, l := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		if err := n.copySmall(ctx, l.Digest); err != nil {
			return err
		}
	}
	return nil
}

// copySmall copies a blob that isn't in the output yet.
func (n *normalizer) copySmall(ctx context.Context, d digest.Digest) error {
	if b, err := n.out.blob(d); err == nil {
		return b.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := n.in.blob(d)
	if err != nil {
		return err
	}
	defer b.Close()
	t := &layerTask{desc: ocispec.Descriptor{Digest: d}}
	return n.copyLayer(ctx, t, b.SectionReader)
}
