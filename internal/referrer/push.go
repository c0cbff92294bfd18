package referrer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/registry"
)

// Push attaches a document to subject, which need not be in the registry yet.
// What is there already is not sent again. Blobs go first, then the manifest,
// the entry in the fallback tag last.
func Push(ctx context.Context, repo *registry.Repository, subject ocispec.Descriptor, r Referrer) (ocispec.Descriptor, error) {
	desc, _, err := Attach(ctx, repo, subject, r)
	return desc, err
}

// Attach is Push, and tells whether anything had to be sent.
func Attach(ctx context.Context, repo *registry.Repository, subject ocispec.Descriptor, r Referrer) (ocispec.Descriptor, bool, error) {
	text, desc, err := r.Manifest(subject)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	sent, err := push(ctx, repo, subject.Digest, r, text, desc)
	if err != nil {
		return ocispec.Descriptor{}, false, repo.Explain(fmt.Sprintf("pushing a referrer of %s@%s", repo, subject.Digest), err)
	}
	return desc, sent, nil
}

func push(ctx context.Context, repo *registry.Repository, subject digest.Digest, r Referrer, text []byte, desc ocispec.Descriptor) (sent bool, err error) {
	there, err := repo.Has(ctx, "manifests/"+desc.Digest.String(), ocispec.MediaTypeImageManifest)
	if err != nil {
		return false, err
	}
	listed := false // by the registry itself
	if !there {
		if listed, err = upload(ctx, repo, r, text, desc); err != nil {
			return false, err
		}
	}
	if !listed { // a registry may list it without saying so in its answer
		if listed, err = hasAPI(ctx, repo, subject); err != nil {
			return false, err
		}
	}
	if listed {
		return !there, nil
	}
	entered, err := enter(ctx, repo, subject, desc)
	return !there || entered, err
}

// Enter has a registry without the referrers API list a manifest that was pushed
// already and whose subject is subject.
func Enter(ctx context.Context, repo *registry.Repository, subject digest.Digest, desc ocispec.Descriptor) error {
	listed, err := hasAPI(ctx, repo, subject)
	if err == nil && !listed {
		_, err = enter(ctx, repo, subject, desc)
	}
	return repo.Explain(fmt.Sprintf("pushing a referrer of %s@%s", repo, subject), err)
}

// upload sends blobs and manifest, and tells whether the registry says that it
// has seen the subject.
func upload(ctx context.Context, repo *registry.Repository, r Referrer, text []byte, desc ocispec.Descriptor) (bool, error) {
	pusher, err := repo.Pusher(ctx)
	if err != nil {
		return false, err
	}
	for _, b := range []struct {
		data      []byte
		mediaType string
	}{{[]byte("{}"), ocispec.MediaTypeEmptyJSON}, {r.Data, r.Type}} {
		if err := pusher.Upload(ctx, repo.Name, static.NewLayer(b.data, types.MediaType(b.mediaType))); err != nil {
			return false, err
		}
	}
	header, err := repo.Put(ctx, desc.Digest.String(), desc.MediaType, text)
	if err != nil {
		return false, err
	}
	return header.Get("OCI-Subject") != "", nil
}

// hasAPI tells whether the registry lists referrers.
func hasAPI(ctx context.Context, repo *registry.Repository, subject digest.Digest) (bool, error) {
	resp, err := repo.Ask(ctx, registry.Write, http.MethodGet, repo.URL("referrers/"+subject.String()), nil, ocispec.MediaTypeImageIndex)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return lists(resp)
}

// lists tells whether an answer is the referrers API's.
func lists(resp *http.Response) (bool, error) {
	if err := transport.CheckError(resp, http.StatusOK, http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable); err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK && isIndex(resp), nil
}

func isIndex(resp *http.Response) bool {
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return mediaType == ocispec.MediaTypeImageIndex
}

// fallbackTag is the specification's tag of what refers to subject.
func fallbackTag(subject digest.Digest) string {
	return strings.Replace(subject.String(), ":", "-", 1)
}

// enter adds an entry to the fallback tag, until it is seen there, and tells
// whether it wasn't.
func enter(ctx context.Context, repo *registry.Repository, subject digest.Digest, desc ocispec.Descriptor) (bool, error) {
	const attempts = 10
	for try := range attempts {
		index, err := fallback(ctx, repo, subject)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == desc.Digest }) {
			return try > 0, nil
		}
		index.Manifests = append(index.Manifests, desc)
		slices.SortFunc(index.Manifests, func(a, b ocispec.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
		text, err := json.Marshal(index)
		if err != nil {
			return false, err
		}
		if len(text) > MaxManifest {
			return false, fmt.Errorf("the list of referrers in tag %s would have %d bytes: %w", fallbackTag(subject), len(text), ErrTooLarge)
		}
		if _, err := repo.Put(ctx, fallbackTag(subject), ocispec.MediaTypeImageIndex, text); err != nil {
			return false, err
		}
	}
	return false, errors.New("others write the list of referrers at the same time, in tag " + fallbackTag(subject))
}

// fallback reads the index of the fallback tag; without one it is empty.
func fallback(ctx context.Context, repo *registry.Repository, subject digest.Digest) (*ocispec.Index, error) {
	index := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	resp, err := repo.Ask(ctx, registry.Write, http.MethodGet, repo.URL("manifests/"+fallbackTag(subject)), nil, ocispec.MediaTypeImageIndex)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return index, nil
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, err
	}
	if !isIndex(resp) {
		return nil, fmt.Errorf("tag %s is no OCI index", fallbackTag(subject))
	}
	for d, err := range entries(resp.Body) {
		if err != nil {
			return nil, err
		}
		d.Annotations = maps.Clone(d.Annotations)
		index.Manifests = append(index.Manifests, d)
	}
	return index, nil
}
