package referrer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/registry"
)

const (
	// maxPage is the size in bytes of one answer of a registry.
	maxPage = 2 * MaxManifest
	// maxPages ends a registry's list that would never end.
	maxPages = 10000
)

// List is what refers to an image, in the registry's order, page by page: no
// more than one entry is in memory. The list may be endless for all that is
// known of the registry; whoever reads it breaks off when it has enough. An error
// is the last that comes. An image that nothing refers to, or that is not there,
// has an empty list.
//
// Each descriptor has its artifact type and the annotations of its manifest,
// where the registry doesn't say them, by asking for the manifest.
func List(ctx context.Context, repo *registry.Repository, subject digest.Digest) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		fail := func(err error) {
			yield(ocispec.Descriptor{}, repo.Explain(fmt.Sprintf("listing what refers to %s@%s", repo, subject), err))
		}
		if err := subject.Validate(); err != nil {
			fail(err)
			return
		}
		l := &lister{ctx: ctx, repo: repo, yield: yield}
		if err := l.list(subject); err != nil && !errors.Is(err, errEnough) {
			fail(err)
		}
	}
}

var errEnough = errors.New("the reader has enough")

type lister struct {
	ctx   context.Context
	repo  *registry.Repository
	yield func(ocispec.Descriptor, error) bool
}

func (l *lister) list(subject digest.Digest) error {
	at := l.repo.URL("referrers/" + subject.String())
	for page := range maxPages {
		next, err := l.page(at, page == 0)
		if errors.Is(err, errNoAPI) {
			return l.fallback(subject)
		}
		if err != nil || next == "" {
			return err
		}
		at = next
	}
	return fmt.Errorf("the list has more than %d pages", maxPages)
}

var errNoAPI = errors.New("the registry has no referrers API")

// page yields one page and returns the address of the next one.
func (l *lister) page(at string, first bool) (string, error) {
	resp, err := l.repo.Ask(l.ctx, registry.Read, http.MethodGet, at, nil, ocispec.MediaTypeImageIndex)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if first {
		if ok, err := lists(resp); err != nil || !ok {
			return "", cmp.Or(err, errNoAPI)
		}
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return "", err
	}
	if err := l.entries(resp.Body); err != nil {
		return "", err
	}
	return nextPage(at, resp.Header.Get("Link"))
}

func (l *lister) fallback(subject digest.Digest) error {
	resp, err := l.repo.Ask(l.ctx, registry.Read, http.MethodGet, l.repo.URL("manifests/"+fallbackTag(subject)), nil, ocispec.MediaTypeImageIndex)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return err
	}
	if !isIndex(resp) {
		return fmt.Errorf("tag %s is no OCI index", fallbackTag(subject))
	}
	return l.entries(resp.Body)
}

func (l *lister) entries(body io.Reader) error {
	for d, err := range entries(body) {
		if err != nil {
			return err
		}
		if d.ArtifactType == "" || d.ArtifactType == ocispec.MediaTypeEmptyJSON {
			m, err := manifest(l.ctx, l.repo, d)
			if err != nil {
				return err
			}
			if d.ArtifactType = m.ArtifactType; d.ArtifactType == "" {
				d.ArtifactType = m.Config.MediaType
			}
			d.Annotations = m.Annotations
		}
		if !l.yield(d, nil) {
			return errEnough
		}
	}
	return nil
}

// nextPage is the address in a Link header (RFC 8288), which has to be one of
// the same registry's referrers.
func nextPage(at, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	target, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
	if !ok || !strings.Contains(rest, "next") {
		return "", nil
	}
	from, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	to, err := from.Parse(target)
	if err != nil {
		return "", errors.New("the address of the list's next page is none")
	}
	if to.Scheme != from.Scheme || to.Host != from.Host || to.User != nil || !strings.HasPrefix(to.Path, "/v2/") {
		return "", errors.New("the list's next page is on another host")
	}
	if to.String() == at {
		return "", errors.New("the list's next page is the same one")
	}
	return to.String(), nil
}

// entries reads the descriptors of an index, one at a time.
func entries(body io.Reader) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		limited := &io.LimitedReader{R: body, N: maxPage}
		dec := json.NewDecoder(limited)
		err := members(dec, func(name string) error {
			if name != "manifests" {
				var skipped json.RawMessage
				return dec.Decode(&skipped)
			}
			return elements(dec, func() error {
				var d ocispec.Descriptor
				if err := dec.Decode(&d); err != nil {
					return err
				}
				if err := d.Digest.Validate(); err != nil {
					return err
				}
				if !yield(d, nil) {
					return errEnough
				}
				return nil
			})
		})
		switch {
		case err == nil || errors.Is(err, errEnough):
		case limited.N <= 0:
			yield(ocispec.Descriptor{}, fmt.Errorf("a page of the list has more than %d bytes: %w", maxPage, ErrTooLarge))
		default:
			yield(ocispec.Descriptor{}, fmt.Errorf("the list is no OCI index: %w", err))
		}
	}
}

// members calls f for each member of an object, to read its value.
func members(dec *json.Decoder, f func(name string) error) error {
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := f(name); err != nil {
			return err
		}
	}
	return expect(dec, json.Delim('}'))
}

// elements calls f for each element of an array, or never for null.
func elements(dec *json.Decoder, f func() error) error {
	t, err := dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("manifests is no list")
	}
	for dec.More() {
		if err := f(); err != nil {
			return err
		}
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if t != want {
		return fmt.Errorf("%v in the place of %v", t, want)
	}
	return nil
}
