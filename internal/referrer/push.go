package referrer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	text, desc, err := r.Manifest(subject)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := push(ctx, repo, subject.Digest, r, text, desc); err != nil {
		return ocispec.Descriptor{}, repo.Explain(fmt.Sprintf("pushing a referrer of %s@%s", repo, subject.Digest), err)
	}
	return desc, nil
}

func push(ctx context.Context, repo *registry.Repository, subject digest.Digest, r Referrer, text []byte, desc ocispec.Descriptor) error {
	client, err := repo.Client(ctx, registry.Write)
	if err != nil {
		return err
	}
	listed := false // by the registry itself
	switch there, err := exists(ctx, client, repo, desc.Digest); {
	case err != nil:
		return err
	case there:
		if listed, err = hasAPI(ctx, client, repo, subject); err != nil {
			return err
		}
	default:
		if listed, err = upload(ctx, client, repo, r, text, desc); err != nil {
			return err
		}
		if !listed { // a registry may list it without saying so in its answer
			if listed, err = hasAPI(ctx, client, repo, subject); err != nil {
				return err
			}
		}
	}
	if listed {
		return nil
	}
	return enter(ctx, client, repo, subject, desc)
}

// exists tells whether the manifest is there.
func exists(ctx context.Context, client *http.Client, repo *registry.Repository, d digest.Digest) (bool, error) {
	resp, err := ask(ctx, client, http.MethodHead, repo.URL("manifests/"+d.String()), nil, ocispec.MediaTypeImageManifest)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	return true, transport.CheckError(resp, http.StatusOK)
}

// upload sends blobs and manifest, and tells whether the registry says that it
// has seen the subject.
func upload(ctx context.Context, client *http.Client, repo *registry.Repository, r Referrer, text []byte, desc ocispec.Descriptor) (bool, error) {
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
	resp, err := put(ctx, client, repo, desc.Digest.String(), desc.MediaType, text)
	if err != nil {
		return false, err
	}
	return resp.Get("OCI-Subject") != "", nil
}

func put(ctx context.Context, client *http.Client, repo *registry.Repository, ref, mediaType string, text []byte) (http.Header, error) {
	resp, err := ask(ctx, client, http.MethodPut, repo.URL("manifests/"+ref), text, mediaType)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Header, transport.CheckError(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted)
}

// ask sends a request: mediaType is that of the body, or of the answer if there
// is no body.
func ask(ctx context.Context, client *http.Client, method, url string, body []byte, mediaType string) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return nil, err
	}
	header := "Accept"
	if body != nil {
		header = "Content-Type"
	}
	if mediaType != "" {
		req.Header.Set(header, mediaType)
	}
	return client.Do(req)
}

// hasAPI tells whether the registry lists referrers.
func hasAPI(ctx context.Context, client *http.Client, repo *registry.Repository, subject digest.Digest) (bool, error) {
	resp, err := ask(ctx, client, http.MethodGet, repo.URL("referrers/"+subject.String()), nil, ocispec.MediaTypeImageIndex)
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

// enter adds an entry to the fallback tag, until it is seen there.
func enter(ctx context.Context, client *http.Client, repo *registry.Repository, subject digest.Digest, desc ocispec.Descriptor) error {
	const attempts = 10
	for range attempts {
		index, err := fallback(ctx, client, repo, subject)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == desc.Digest }) {
			return nil
		}
		index.Manifests = append(index.Manifests, desc)
		slices.SortFunc(index.Manifests, func(a, b ocispec.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
		text, err := json.Marshal(index)
		if err != nil {
			return err
		}
		if len(text) > MaxManifest {
			return fmt.Errorf("the list of referrers in tag %s would have %d bytes: %w", fallbackTag(subject), len(text), ErrTooLarge)
		}
		if _, err := put(ctx, client, repo, fallbackTag(subject), ocispec.MediaTypeImageIndex, text); err != nil {
			return err
		}
	}
	return errors.New("others write the list of referrers at the same time, in tag " + fallbackTag(subject))
}

// fallback reads the index of the fallback tag; without one it is empty.
func fallback(ctx context.Context, client *http.Client, repo *registry.Repository, subject digest.Digest) (*ocispec.Index, error) {
	index := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	resp, err := ask(ctx, client, http.MethodGet, repo.URL("manifests/"+fallbackTag(subject)), nil, ocispec.MediaTypeImageIndex)
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
