package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
)

// Manifest returns the manifest or index that has a digest or a tag in the
// image's repository. The error wraps fs.ErrNotExist where every place says
// that there is none. Content that isn't its digest's is refused.
func (m *Remote) Manifest(ctx context.Context, reference string) ([]byte, error) {
	var urls []string
	for _, p := range m.places {
		if u := p.manifest(reference); u != "" {
			urls = append(urls, u)
		}
	}
	want := digest.Digest(reference)
	if want.Validate() != nil {
		want = ""
	}
	return m.get(ctx, urls, image.MaxManifest, want)
}

// Blob returns a small blob of the image's repository.
func (m *Remote) Blob(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if err := image.CheckDescriptor(desc); err != nil {
		return nil, err
	}
	if desc.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", desc.Digest, desc.Size, limit)
	}
	var urls []string
	for _, p := range m.places {
		urls = append(urls, p.blob(desc.Digest))
	}
	return m.get(ctx, urls, desc.Size, desc.Digest)
}

// Referrers returns the manifests that say that they are about the image: what
// each place's referrers API has, and the index that stands in for it where a
// registry has no such API.
func (m *Remote) Referrers(ctx context.Context) ([]ocispec.Descriptor, error) {
	var urls [][]string
	for _, p := range m.places {
		if !p.layout {
			urls = append(urls, []string{p.url + "/referrers/" + m.ref.DigestStr()})
		}
	}
	var tags []string
	for _, p := range m.places {
		if u := p.manifest("sha256-" + m.Digest().Encoded()); u != "" {
			tags = append(tags, u)
		}
	}
	if len(tags) > 0 {
		urls = append(urls, tags)
	}
	var out []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, u := range urls {
		b, err := m.get(ctx, u, image.MaxManifest, "")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ix, err := image.ParseIndex(b)
		if err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", m, err)
		}
		for _, d := range ix.Manifests {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// get returns a document of the first place that has it, with the right digest
// where one is given.
func (m *Remote) get(ctx context.Context, urls []string, limit int64, want digest.Digest) ([]byte, error) {
	if len(urls) == 0 && len(m.places) > 0 {
		return nil, fs.ErrNotExist
	}
	b, err := m.fetcher(nil).GetChecked(ctx, urls, limit, func(b []byte) error {
		if got := digest.FromBytes(b); want != "" && got != want {
			return fault.Hint(fmt.Errorf("what it has is %s", got), otherBytes)
		}
		return nil
	})
	return b, m.failure(err)
}

const otherBytes = "a registry, mirror or proxy served other bytes than the digest names: remove the mirror, or ask who runs the registry"

// failure says what can be done about an error, by what registries answered.
// It doesn't repeat what package fetch has to say: that speaks of locked files.
func (m *Remote) failure(err error) error {
	var other *fetch.MismatchError
	status, host := m.login.last()
	switch {
	case err == nil || m.opt.Offline || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
	case errors.As(err, &other):
		return fault.Hint(answer{err}, otherBytes)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.Hintf(answer{err}, "run `docker login %s` as a user who may read %s, or check the name; a call of the Dagger module takes the login as --docker-config", host, m.Name())
	case status == http.StatusTooManyRequests:
		return fault.Hintf(answer{err}, "%s limits how much it hands out: wait, run `docker login %[1]s`, or name a mirror in [mirrors.registries]", host)
	case status == http.StatusNotFound:
		return fault.Hint(answer{err}, "check name and digest; registries drop images that no tag names any more, a mirror or bundle may still have it")
	case status >= 500:
		return fault.Hintf(answer{err}, "%s has a problem of its own: try again later, or name a mirror in [mirrors.registries]", host)
	}
	return err
}

// answer is an error without its hint.
type answer struct{ err error }

func (a answer) Error() string        { return a.err.Error() }
func (a answer) Is(target error) bool { return errors.Is(a.err, target) }
