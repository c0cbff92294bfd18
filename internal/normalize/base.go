package normalize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
)

// A base is the image that another was built on.
type base struct {
	image.Image
	digest digest.Digest // that it is named by, of a manifest or an index; "": docker save lost it
	from   source
	docs   []digest.Digest // manifest, config and index: what finds it again
}

// take has layer i of an image, whose diff ID is the base's, stay as it is. lost
// tells that the image has lost the compressed form of its layers.
func (b *base) take(t *layerTask, i int, lost bool) {
	t.how = copyBlob
	if b.digest != "" {
		desc := image.OCIDescriptor(b.Manifest.Layers[i])
		if t.desc.Digest == desc.Digest {
			return
		}
		if blob, err := b.from.blob(desc.Digest); err == nil {
			blob.Close()
			t.desc, t.from = desc, b.from
			return
		}
	}
	if lost && t.desc.Digest == t.diffID {
		t.how = compress
	}
}

// A finder finds the base of an image, or nil.
type finder func(context.Context, *imageTask) (*base, error)

// findBases finds the base of every image, and which roots are bases.
func (n *normalizer) findBases(ctx context.Context) error {
	find := finder(n.annotatedBase)
	if n.opt.Base != "" {
		var err error
		if find, err = n.givenBase(ctx); err != nil {
			return fmt.Errorf("base %s: %w", n.opt.Base, err)
		}
	}
	used := map[digest.Digest]bool{}
	for _, r := range n.roots {
		for _, img := range r.images {
			b, err := find(ctx, img)
			if err != nil {
				return err
			}
			if b == nil {
				continue
			}
			img.base = b
			used[b.Desc.Digest] = true
			if b.digest == "" {
				continue
			}
			used[b.digest] = true
			if err := n.carry(b); err != nil {
				return err
			}
		}
	}
	for _, r := range n.roots {
		r.keep = used[r.desc.Digest] || slices.ContainsFunc(r.images, func(img *imageTask) bool { return used[img.Desc.Digest] })
	}
	return nil
}

// carry copies what a base is found by to the output.
func (n *normalizer) carry(b *base) error {
	for _, d := range b.docs {
		if slices.Contains(n.extra, d) {
			continue
		}
		content, err := documents{b.from}.ReadBytes(d, image.MaxConfig)
		if err != nil {
			return err
		}
		if _, err := n.out.put(content); err != nil {
			return err
		}
		n.extra = append(n.extra, d)
	}
	return nil
}

// givenBase returns how to find Options.Base for an image.
func (n *normalizer) givenBase(ctx context.Context) (finder, error) {
	var from source
	var named digest.Digest
	docker := false
	switch d, err := digest.Parse(n.opt.Base); {
	case err == nil:
		from, named = n.everywhere(), d
	default:
		if _, err := os.Stat(n.opt.Base); err != nil {
			return nil, fault.Hint(err, "a base is a layout, an archive, or the digest of a manifest")
		}
		in, err := openInput(ctx, n.opt.Base, n.out.tmp)
		if err != nil {
			return nil, err
		}
		n.bases = append(n.bases, in)
		for _, r := range in.roots {
			if named != "" && named != r.Digest {
				return nil, fault.Hint(errors.New("it holds several images"), "give the digest of one")
			}
			named = r.Digest
		}
		from, docker = sources{in, n.everywhere()}, in.docker
	}
	return func(ctx context.Context, img *imageTask) (*base, error) {
		b, err := loadBase(ctx, from, named, img.platform)
		if errors.Is(err, fs.ErrNotExist) {
			err = fault.Hint(err, "it is looked for in the input and in the store; fetch it, or give a path")
		}
		if err != nil {
			return nil, fmt.Errorf("base %s: %w", n.opt.Base, err)
		}
		if !b.under(img) {
			return nil, fmt.Errorf("base %s: image %s isn't built on it: its first layers are others", n.opt.Base, img.Desc.Digest)
		}
		if docker {
			b.digest, b.docs = "", nil
		}
		return b, nil
	}, nil
}

// annotatedBase finds the base that an image names, or nil.
func (n *normalizer) annotatedBase(ctx context.Context, img *imageTask) (*base, error) {
	d, err := digest.Parse(img.Manifest.Annotations[ocispec.AnnotationBaseImageDigest])
	if err != nil {
		return nil, nil
	}
	b, err := loadBase(ctx, n.everywhere(), d, img.platform)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !b.under(img) {
		return nil, nil
	}
	return b, err
}

func (n *normalizer) everywhere() source {
	all := sources{n.in}
	if n.opt.Store != nil {
		all = append(all, storeSource{n.opt.Store})
	}
	return all
}

// under tells whether img starts with b's layers.
func (b *base) under(img *imageTask) bool {
	have, want := img.Config.RootFS.DiffIDs, b.Config.RootFS.DiffIDs
	return len(have) >= len(want) && slices.Equal(have[:len(want)], want)
}

func loadBase(ctx context.Context, from source, d digest.Digest, p ocispec.Platform) (*base, error) {
	docs := documents{from}
	content, err := docs.ReadBytes(d, image.MaxManifest)
	if err != nil {
		return nil, err
	}
	desc := image.Describe(ocispec.MediaTypeImageManifest, content)
	b := &base{from: from, digest: d, docs: []digest.Digest{d}}
	if _, err := image.ParseIndex(content); err == nil {
		desc.MediaType = ocispec.MediaTypeImageIndex
		desc.Platform = &ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
	}
	if b.Image, err = image.Load(ctx, docs, desc); err != nil {
		return nil, err
	}
	if b.Desc.Digest != d {
		b.docs = append(b.docs, b.Desc.Digest)
	}
	b.docs = append(b.docs, b.Manifest.Config.Digest)
	return b, nil
}
