package referrer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/registry"
)

// Read fetches the document of a manifest that List found, if it has limit
// bytes at most. Errors are, or wrap, ErrCorrupt, ErrTooLarge and *registry.Refused.
func Read(ctx context.Context, repo *registry.Repository, desc ocispec.Descriptor, limit int64) (Referrer, error) {
	r, err := read(ctx, repo, desc, limit)
	if err != nil {
		return Referrer{}, repo.Explain(fmt.Sprintf("reading %s@%s", repo, desc.Digest), err)
	}
	return r, nil
}

func read(ctx context.Context, repo *registry.Repository, desc ocispec.Descriptor, limit int64) (Referrer, error) {
	m, err := manifest(ctx, repo, desc)
	if err != nil {
		return Referrer{}, err
	}
	if len(m.Layers) != 1 {
		return Referrer{}, fmt.Errorf("it has %d layers, a document has one", len(m.Layers))
	}
	layer := m.Layers[0]
	if layer.Size > limit {
		return Referrer{}, fmt.Errorf("it has %d bytes, more than %d: %w", layer.Size, limit, ErrTooLarge)
	}
	r := Referrer{Type: m.ArtifactType, Title: layer.Annotations[ocispec.AnnotationTitle], Annotations: m.Annotations}
	if r.Type == "" {
		r.Type = layer.MediaType
	}
	r.Data, err = content(ctx, repo, repo.URL("blobs/"+layer.Digest.String()), "", layer.Digest, layer.Size)
	return r, err
}

// manifest fetches a referrer's manifest.
func manifest(ctx context.Context, repo *registry.Repository, desc ocispec.Descriptor) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if desc.Size > MaxManifest {
		return m, fmt.Errorf("its manifest has %d bytes: %w", desc.Size, ErrTooLarge)
	}
	text, err := content(ctx, repo, repo.URL("manifests/"+desc.Digest.String()), desc.MediaType, desc.Digest, desc.Size)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("its manifest is none: %w", err)
	}
	return m, nil
}

// content fetches size bytes with a digest.
func content(ctx context.Context, repo *registry.Repository, url, mediaType string, d digest.Digest, size int64) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	resp, err := repo.Ask(ctx, registry.Read, http.MethodGet, url, nil, mediaType)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size || d.Algorithm().FromBytes(data) != d {
		return nil, fmt.Errorf("%s: %w", d, ErrCorrupt)
	}
	return data, nil
}
