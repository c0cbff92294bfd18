// Package transfer copies what an OCI descriptor names between the store and a
// registry, byte for byte.
//
// What the other side has already isn't sent: two releases share the inputs that
// they have in common, because each is a blob of its own. A document (a manifest
// or an index) is sent after all that it names, so that a copy that is cut off
// names nothing that isn't there. Everything that is received is checked against
// its digest while it streams; no blob is held in memory, and several are copied
// at once.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
	"golang.org/x/sync/errgroup"
)

// Moved counts blobs and documents.
type Moved struct {
	Sent, Shared           int   // shared: the other side had them
	SentBytes, SharedBytes int64 //
}

func (m *Moved) add(d ocispec.Descriptor, sent bool) {
	if sent {
		m.Sent, m.SentBytes = m.Sent+1, m.SentBytes+d.Size
	} else {
		m.Shared, m.SharedBytes = m.Shared+1, m.SharedBytes+d.Size
	}
}

const maxNesting = 4

// atOnce is how many blobs of a document are copied at a time.
const atOnce = 8

// each calls f for each of the blobs, several at once, until one fails.
func each(ctx context.Context, blobs []ocispec.Descriptor, f func(context.Context, ocispec.Descriptor) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, b := range blobs {
		g.Go(func() error {
			if err := f(ctx, b); err != nil {
				return fmt.Errorf("%s: %w", b.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// tally counts what is copied, each digest once.
type tally struct {
	mu    sync.Mutex
	known map[digest.Digest]bool
	moved Moved
}

// seen tells whether it was asked before of the same digest.
func (t *tally) seen(d digest.Digest) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[digest.Digest]bool{}
	}
	before := t.known[d]
	t.known[d] = true
	return before
}

func (t *tally) add(d ocispec.Descriptor, sent bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved.add(d, sent)
}

// document is a manifest or an index, as far as it names others.
type document struct {
	documents, blobs []ocispec.Descriptor
}

func parse(d ocispec.Descriptor, text []byte) (document, error) {
	if image.IsIndex(d.MediaType) {
		ix, err := image.ParseIndex(text)
		return document{documents: ix.Manifests}, err
	}
	m, err := image.ParseManifest(text)
	if err != nil {
		return document{}, err
	}
	return document{blobs: append([]ocispec.Descriptor{m.Config}, m.Layers...)}, nil
}

// Pull brings what a digest names, and all that this names, into the store. The
// first result is its descriptor.
func Pull(ctx context.Context, repo *registry.Repository, st *store.Store, d digest.Digest) (ocispec.Descriptor, Moved, error) {
	p := &puller{repo: repo, st: st}
	var err error
	if p.client, err = repo.Client(ctx, registry.Read); err == nil {
		var root ocispec.Descriptor
		if root, err = p.head(ctx, d); err == nil {
			if err = p.document(ctx, root, 0); err == nil {
				return root, p.moved, nil
			}
		}
	}
	return ocispec.Descriptor{}, p.moved, repo.Explain(fmt.Sprintf("reading %s@%s", repo, d), err)
}

type puller struct {
	repo   *registry.Repository
	client *http.Client
	st     *store.Store
	tally
}

func (p *puller) get(ctx context.Context, at string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.repo.URL(at), nil)
	if err != nil {
		return nil, err
	}
	for _, t := range []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"} {
		req.Header.Add("Accept", t)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// head finds out what a digest names.
func (p *puller) head(ctx context.Context, d digest.Digest) (ocispec.Descriptor, error) {
	resp, err := p.get(ctx, "manifests/"+d.String())
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, image.MaxManifest+1))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if got := digest.FromBytes(text); got != d {
		return ocispec.Descriptor{}, &store.MismatchError{Expected: d, Got: got, ExpectedSize: -1, GotSize: int64(len(text))}
	}
	return ocispec.Descriptor{MediaType: image.MediaType(text), Digest: d, Size: int64(len(text))}, nil
}

// document fetches d and what it names.
func (p *puller) document(ctx context.Context, d ocispec.Descriptor, depth int) error {
	if depth > maxNesting {
		return errors.New("indexes lie too deep in indexes")
	}
	if d.Size > image.MaxManifest {
		return fmt.Errorf("document %s has %d bytes", d.Digest, d.Size)
	}
	if err := p.blob(ctx, "manifests/", d); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	text, err := p.st.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return err
	}
	doc, err := parse(d, text)
	if err != nil {
		return err
	}
	if err := each(ctx, doc.blobs, func(ctx context.Context, b ocispec.Descriptor) error { return p.blob(ctx, "blobs/", b) }); err != nil {
		return err
	}
	for _, x := range doc.documents {
		if err := p.document(ctx, x, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *puller) blob(ctx context.Context, at string, d ocispec.Descriptor) error {
	if err := image.CheckDescriptor(d); err != nil {
		return err
	}
	if p.seen(d.Digest) {
		return nil
	}
	if p.st.Has(d.Digest) {
		p.add(d, false)
		return nil
	}
	resp, err := p.get(ctx, at+d.Digest.String())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, _, err := p.st.Put(ctx, resp.Body, d.Digest, d.Size); err != nil {
		return err
	}
	p.add(d, true)
	return nil
}

// Describe is the descriptor of a document in the registry.
func Describe(ctx context.Context, repo *registry.Repository, d digest.Digest) (ocispec.Descriptor, error) {
	client, err := repo.Client(ctx, registry.Read)
	if err != nil {
		return ocispec.Descriptor{}, repo.Explain("asking "+repo.String(), err)
	}
	desc, err := (&puller{repo: repo, client: client}).head(ctx, d)
	return desc, repo.Explain(fmt.Sprintf("reading %s@%s", repo, d), err)
}

// Resolve asks for the digest that a tag has now.
func Resolve(ctx context.Context, repo *registry.Repository, tag string) (digest.Digest, error) {
	client, err := repo.Client(ctx, registry.Read)
	if err != nil {
		return "", repo.Explain("asking "+repo.String(), err)
	}
	p := &puller{repo: repo, client: client}
	resp, err := p.get(ctx, "manifests/"+tag)
	if err != nil {
		return "", repo.Explain("asking for "+repo.String()+":"+tag, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, image.MaxManifest+1))
	return digest.FromBytes(text), err
}
