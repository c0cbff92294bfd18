package remotestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/transfer"
)

const (
	// artefactType is that of all that is written to a repository.
	artefactType = "application/vnd.twice.store.v1+json"
	blobType     = "application/vnd.twice.store.blob.v1"

	annotationKind  = "io.github.craton-co.twice.store.kind"
	annotationKey   = "io.github.craton-co.twice.store.key"
	annotationValue = "io.github.craton-co.twice.store.value"

	maxValue = 64 << 10

	// patience is how long the answer to a question may take.
	patience = 30 * time.Second

	// maxLayers is how many blobs an artefact names: registries bound the size of
	// a manifest, some the number of its layers.
	maxLayers = 1000
)

// repository is a store in a registry.
type repository struct {
	repo   *registry.Repository
	failed func(error)
	lost   atomic.Bool // it is not asked any more
}

func openRepository(name string, failed func(error)) (*repository, error) {
	repo, err := registry.OpenName(name, registry.Options{Docker: true})
	if err != nil {
		return nil, err
	}
	return &repository{repo: repo, failed: failed}, nil
}

func (r *repository) String() string { return Scheme + r.repo.String() }

func (r *repository) Close() error {
	r.repo.Close()
	return nil
}

// other has the Fetcher ask for oci://registry/name/blobs/sha256:….
func (r *repository) other(f *fetch.Fetcher) *fetch.Other {
	inner := http.DefaultTransport
	client := http.Client{}
	if f.Client != nil {
		client = *f.Client
	}
	if client.Transport != nil {
		inner = client.Transport
	}
	client.Transport = asking{inner, r}
	f.Client = &client
	return &fetch.Other{
		Address: func(d digest.Digest) string {
			if r.lost.Load() {
				return ""
			}
			return r.String() + "/blobs/" + d.String()
		},
		Failed: func(d digest.Digest, err error) {
			var wrong *fetch.MismatchError
			if errors.As(err, &wrong) {
				r.failed(fmt.Errorf("blob %s: its content is %s", d, wrong.Got))
			} else if !r.lost.Swap(true) {
				r.failed(fmt.Errorf("%w; it is not asked any more", err))
			}
		},
	}
}

// asking sends requests for oci addresses to the repository, with its login.
type asking struct {
	http.RoundTripper
	to *repository
}

func (a asking) RoundTrip(req *http.Request) (*http.Response, error) {
	path, ours := strings.CutPrefix(req.URL.String(), a.to.String()+"/")
	if !ours {
		return a.RoundTripper.RoundTrip(req)
	}
	ctx := req.Context()
	client, err := a.to.repo.Client(ctx, registry.Read)
	if err == nil {
		var out *http.Request
		if out, err = http.NewRequestWithContext(ctx, req.Method, a.to.repo.URL(path), nil); err != nil {
			return nil, err
		}
		out.Header = req.Header.Clone()
		var resp *http.Response
		if resp, err = client.Do(out); err == nil {
			switch resp.StatusCode {
			case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound:
				return resp, nil
			}
			err = transport.CheckError(resp, http.StatusOK)
			_ = resp.Body.Close()
		}
	}
	return nil, a.to.repo.Explain("reading", err)
}

func (r *repository) claim(ctx context.Context, kind string, key digest.Digest) ([]byte, error) {
	if r.lost.Load() {
		return nil, fs.ErrNotExist
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := r.repo.Ask(ctx, registry.Read, http.MethodGet, r.repo.URL("manifests/"+tag(kind, key)), nil, ocispec.MediaTypeImageManifest)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			return nil, fs.ErrNotExist
		}
		err = transport.CheckError(resp, http.StatusOK)
	}
	if err != nil {
		r.lost.Store(true)
		return nil, r.repo.Explain("reading", err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, image.MaxManifest+1))
	if err != nil {
		return nil, err
	}
	return parseClaim(text, kind, key)
}

// parseClaim reads the value of a claim's artefact.
func parseClaim(text []byte, kind string, key digest.Digest) ([]byte, error) {
	m, err := image.ParseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", tag(kind, key), err)
	}
	value := m.Annotations[annotationValue]
	switch {
	case m.ArtifactType != artefactType || m.Annotations[annotationKind] != kind || m.Annotations[annotationKey] != key.String():
		return nil, fmt.Errorf("claim %s: it is another document", tag(kind, key))
	case value == "" || len(value) > maxValue:
		return nil, fmt.Errorf("claim %s: its text has %d bytes", tag(kind, key), len(value))
	}
	return []byte(value), nil
}

func tag(kind string, key digest.Digest) string { return kind + "-" + key.Encoded() }

func (r *repository) save(ctx context.Context, st *store.Store, used []ocispec.Descriptor, claims []Claim) (transfer.Moved, error) {
	var all transfer.Moved
	for _, c := range claims {
		d, err := artefact(ctx, st, c.Blobs, map[string]string{annotationKind: c.Kind, annotationKey: c.Key.String(), annotationValue: string(c.Value)})
		if err != nil {
			return all, err
		}
		if err := r.push(ctx, st, d, tag(c.Kind, c.Key), &all); err != nil {
			return all, err
		}
	}
	if len(used) == 0 {
		return all, nil
	}
	list, err := lists(ctx, st, used)
	if err != nil {
		return all, err
	}
	return all, r.push(ctx, st, list, tag("inputs", list.Digest), &all)
}

// push writes a document with all that it names, unless its tag has it already.
func (r *repository) push(ctx context.Context, st *store.Store, d ocispec.Descriptor, tag string, all *transfer.Moved) error {
	if have, err := transfer.Resolve(ctx, r.repo, tag); err == nil && have == d.Digest {
		return nil
	}
	moved, err := transfer.Push(ctx, r.repo, st, d, tag)
	all.Sent, all.SentBytes = all.Sent+moved.Sent, all.SentBytes+moved.SentBytes
	all.Shared, all.SharedBytes = all.Shared+moved.Shared, all.SharedBytes+moved.SharedBytes
	return err
}

// lists are the artefact that names the blobs, or an index of several.
func lists(ctx context.Context, st *store.Store, blobs []ocispec.Descriptor) (ocispec.Descriptor, error) {
	if len(blobs) <= maxLayers {
		return artefact(ctx, st, blobs, nil)
	}
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: artefactType}
	for len(blobs) > 0 {
		n := min(len(blobs), maxLayers)
		d, err := artefact(ctx, st, blobs[:n], nil)
		if err != nil {
			return d, err
		}
		ix.Manifests, blobs = append(ix.Manifests, d), blobs[n:]
	}
	return document(ctx, st, ix.MediaType, ix)
}

// artefact writes a manifest whose layers are blobs of the store.
func artefact(ctx context.Context, st *store.Store, blobs []ocispec.Descriptor, annotations map[string]string) (ocispec.Descriptor, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: artefactType, Config: ocispec.DescriptorEmptyJSON, Annotations: annotations, Layers: []ocispec.Descriptor{},
	}
	m.Config.Data = nil
	if _, err := st.PutBytes(ctx, ocispec.DescriptorEmptyJSON.Data); err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, b := range blobs {
		size, err := st.Size(b.Digest)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: blobType, Digest: b.Digest, Size: size})
	}
	d, err := document(ctx, st, m.MediaType, m)
	d.ArtifactType = artefactType
	return d, err
}

func document(ctx context.Context, st *store.Store, mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := image.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := st.PutBytes(ctx, data)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}, err
}
