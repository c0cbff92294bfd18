package inputs

import (
	"context"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/transfer"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// RegistryScheme is before the name of a bundle in a registry:
// oci://registry/name:tag, or @sha256:….
const RegistryScheme = "oci://"

// PushBundle is WriteBundle to a registry. The artefact is an index with what
// index.json of a bundle has, so that its digest is the one of the file; each
// input is a blob of its own, and those that the registry has aren't sent.
func PushBundle(ctx context.Context, tools resolve.Tools, p *resolve.Project, to string) (digest.Digest, transfer.Moved, error) {
	repo, ref, err := openBundle(to)
	if err != nil {
		return "", transfer.Moved{}, err
	}
	defer repo.Close()
	tag, isTag := ref.(name.Tag)
	if !isTag {
		return "", transfer.Moved{}, fault.Hint(fmt.Errorf("%s has a digest: what is in the bundle decides that", to), "write oci://registry/name:tag")
	}
	roots, err := bundle(ctx, tools, p)
	if err != nil {
		return "", transfer.Moved{}, fmt.Errorf("bundling the inputs: %w", err)
	}
	d, err := putIndex(ctx, tools, ocispec.Index{Manifests: roots})
	if err != nil {
		return "", transfer.Moved{}, err
	}
	moved, err := transfer.Push(ctx, repo, tools.Store, d, tag.TagStr())
	return d.Digest, moved, err
}

// AttachBundle pushes a bundle as a referrer of an image, registry/name@sha256:….
func AttachBundle(ctx context.Context, tools resolve.Tools, p *resolve.Project, to string) (digest.Digest, transfer.Moved, error) {
	none := transfer.Moved{}
	repo, ref, err := openBundle(to)
	if err != nil {
		return "", none, err
	}
	defer repo.Close()
	at, byDigest := ref.(name.Digest)
	if !byDigest {
		return "", none, fault.Hint(fmt.Errorf("%s has no digest", to), "write registry/name@sha256:…")
	}
	subject, err := transfer.Describe(ctx, repo, digest.Digest(at.DigestStr()))
	if err != nil {
		return "", none, err
	}
	roots, err := bundle(ctx, tools, p)
	if err != nil {
		return "", none, fmt.Errorf("bundling the inputs: %w", err)
	}
	d, err := putIndex(ctx, tools, ocispec.Index{ArtifactType: BundleType, Subject: &subject, Manifests: roots})
	if err != nil {
		return "", none, err
	}
	moved, err := transfer.Push(ctx, repo, tools.Store, d, "")
	if err != nil {
		return "", moved, err
	}
	d.ArtifactType = BundleType
	return d.Digest, moved, referrer.Enter(ctx, repo, subject.Digest, d)
}

func openBundle(to string) (*registry.Repository, name.Reference, error) {
	ref, err := name.ParseReference(strings.TrimPrefix(to, RegistryScheme), name.StrictValidation)
	if err != nil {
		return nil, nil, fault.Hint(fmt.Errorf("%.200q: %w", to, err), "write oci://registry/name:tag")
	}
	repo, err := registry.Open(ref.Context(), registry.Options{Docker: true})
	return repo, ref, err
}

func putIndex(ctx context.Context, tools resolve.Tools, ix ocispec.Index) (ocispec.Descriptor, error) {
	ix.Versioned, ix.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageIndex
	data, err := image.Marshal(ix)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := tools.Store.PutBytes(ctx, data)
	return ocispec.Descriptor{MediaType: ix.MediaType, Digest: d, Size: int64(len(data))}, err
}

// pullBundle fetches a bundle from a registry, and returns its index.
func pullBundle(ctx context.Context, tools resolve.Tools, ref string) ([]byte, error) {
	repo, r, err := openBundle(ref)
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	d := digest.Digest(r.Identifier())
	if _, byDigest := r.(name.Digest); !byDigest { // which it is matters to nobody: see ReadBundle
		if d, err = transfer.Resolve(ctx, repo, r.Identifier()); err != nil {
			return nil, err
		}
	}
	if _, _, err := transfer.Pull(ctx, repo, tools.Store, d); err != nil {
		return nil, err
	}
	return tools.Store.ReadBytes(d, image.MaxManifest)
}

// ReadAttached is ReadBundle of the bundles that are attached to an image, until one
// can be read.
func ReadAttached(ctx context.Context, tools resolve.Tools, repo *registry.Repository, subject digest.Digest) error {
	for desc, err := range referrer.List(ctx, repo, subject) {
		if err != nil {
			return err
		}
		if desc.ArtifactType != BundleType {
			continue
		}
		if _, _, err := transfer.Pull(ctx, repo, tools.Store, desc.Digest); err != nil {
			return err
		}
		index, err := tools.Store.ReadBytes(desc.Digest, image.MaxManifest)
		if err != nil {
			return err
		}
		return takeBundle(ctx, tools, index)
	}
	return fault.Hint(fmt.Errorf("no bundle is attached to %s@%s", repo, subject), "`twice bundle SOURCE --attach IMAGE` attaches one")
}
