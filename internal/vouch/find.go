package vouch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/image"
)

const (
	simpleSigning  = "application/vnd.dev.cosign.simplesigning.v1+json"
	cosignArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"
	sigstoreBundle = "application/vnd.dev.sigstore.bundle" // what its media types begin with

	maxSignatures = 50
	maxPayload    = 1 << 20
	maxBundle     = 8 << 20
)

// signatures returns all that may be signatures of the image.
func signatures(ctx context.Context, m *base.Remote) ([]signature, error) {
	f := finder{m: m}
	b, err := m.Manifest(ctx, "sha256-"+m.Digest().Encoded()+".sig")
	switch {
	case err == nil:
		err = f.layers(ctx, b)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	referrers, err := m.Referrers(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range referrers {
		if d.MediaType != ocispec.MediaTypeImageManifest || !mayHold(d.ArtifactType) {
			continue
		}
		if f.asked++; f.asked > maxSignatures {
			return nil, fmt.Errorf("more than %d referrers", maxSignatures)
		}
		b, err := m.Manifest(ctx, d.Digest.String())
		if err == nil {
			err = f.layers(ctx, b)
		}
		if err != nil {
			return nil, err
		}
	}
	return f.found, nil
}

// mayHold tells whether a referrer of a type may hold signatures. Some
// registries give the config's type, which is that of an empty document, in
// place of the manifest's.
func mayHold(artifactType string) bool {
	return artifactType == cosignArtifact || strings.HasPrefix(artifactType, sigstoreBundle) ||
		artifactType == "" || artifactType == ocispec.MediaTypeEmptyJSON
}

type finder struct {
	m     *base.Remote
	asked int
	seen  map[digest.Digest]bool // bundles; of simple signing, several signatures may be of one payload
	found []signature
}

// layers adds what a manifest holds.
func (f *finder) layers(ctx context.Context, manifest []byte) error {
	m, err := image.ParseManifest(manifest)
	if err != nil {
		return err
	}
	for _, d := range m.Layers {
		limit := int64(maxBundle)
		switch {
		case d.MediaType == simpleSigning:
			limit = maxPayload
		case !strings.HasPrefix(d.MediaType, sigstoreBundle) || f.seen[d.Digest]:
			continue
		}
		if len(f.found) == maxSignatures {
			return fmt.Errorf("more than %d signatures", maxSignatures)
		}
		b, err := f.m.Blob(ctx, d, limit)
		if err != nil {
			return err
		}
		f.add(d, b)
	}
	return nil
}

func (f *finder) add(d ocispec.Descriptor, content []byte) {
	var s signature
	var err error
	vouches := true
	if d.MediaType == simpleSigning {
		s, err = parseSimple(content, d.Annotations)
	} else {
		if f.seen == nil {
			f.seen = map[digest.Digest]bool{}
		}
		f.seen[d.Digest] = true
		s, vouches, err = parseBundle(content)
	}
	switch {
	case err != nil:
		f.found = append(f.found, broken{err: err})
	case vouches:
		f.found = append(f.found, s)
	}
}
