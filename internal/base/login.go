package base

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
)

// login is an http.RoundTripper that logs in at registries.
type login struct {
	inner    http.RoundTripper
	keychain authn.Keychain
	sessions map[string]*session // by host

	mu     sync.Mutex
	status int    // of the last answer
	host   string // whose it was
}

// session is what login knows of one registry.
type session struct {
	repo  name.Repository
	plain bool

	mu sync.Mutex
	rt http.RoundTripper
}

func newLogin(inner http.RoundTripper, keychain authn.Keychain, places []place) *login {
	l := &login{inner: inner, keychain: keychain, sessions: map[string]*session{}}
	for _, p := range places {
		if !p.layout {
			l.sessions[p.repo.RegistryStr()] = &session{repo: p.repo, plain: p.plain}
		}
	}
	return l
}

// RoundTrip implements http.RoundTripper.
func (l *login) RoundTrip(req *http.Request) (*http.Response, error) {
	s := l.sessions[req.URL.Host]
	if s == nil || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return l.inner.RoundTrip(req) // a layout, another store, or where a registry redirects
	}
	req = req.Clone(req.Context())
	if !strings.Contains(req.URL.Path, "/blobs/") {
		req.Header.Set("Accept", strings.Join([]string{
			ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
			"application/vnd.docker.distribution.manifest.v2+json",
			"application/vnd.docker.distribution.manifest.list.v2+json",
		}, ", "))
	}
	rt, err := s.open(req.Context(), l)
	var resp *http.Response
	if err == nil {
		resp, err = rt.RoundTrip(req)
	}
	if err != nil {
		resp, err = s.answer(req, err)
	}
	if err != nil {
		return nil, err
	}
	if strings.Contains(req.URL.Path, "/referrers/") && slices.Contains(noReferrers, resp.StatusCode) {
		resp.StatusCode = http.StatusNotFound
	}
	l.mu.Lock()
	l.status, l.host = resp.StatusCode, req.URL.Host
	l.mu.Unlock()
	return resp, nil
}

// noReferrers are answers of registries that don't know the referrers API.
var noReferrers = []int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented}

// last is the status of the last answer of a registry.
func (l *login) last() (status int, host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status, l.host
}

// open finds out what the registry wants, and logs in.
func (s *session) open(ctx context.Context, l *login) (http.RoundTripper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rt != nil {
		return s.rt, nil
	}
	auth, err := authn.Resolve(ctx, l.keychain, s.repo)
	if err != nil { // a credential helper's words are not ours to repeat
		return nil, fault.Hintf(fmt.Errorf("reading Docker's credentials for %s failed", s.repo.RegistryStr()),
			"run `docker login %s`, which says what is wrong", s.repo.RegistryStr())
	}
	inner := l.inner
	if !s.plain {
		inner = secure{inner}
	}
	rt, err := transport.NewWithContext(ctx, s.repo.Registry, auth, inner, []string{s.repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	s.rt = rt
	return rt, nil
}

// answer makes of an error of logging in what it means for the request. Errors
// may hold what a login server said, which may hold credentials.
func (s *session) answer(req *http.Request, err error) (*http.Response, error) {
	var refused *transport.Error
	var network net.Error
	switch {
	case errors.As(err, &refused):
		code := refused.StatusCode
		if code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusTooManyRequests || code >= 500 {
			return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		}
		return nil, fmt.Errorf("logging in at %s: %d %s", s.repo.RegistryStr(), code, http.StatusText(code))
	case fault.HintOf(err) != "", errors.As(err, &network), req.Context().Err() != nil:
		return nil, err
	}
	return nil, fmt.Errorf("logging in at %s: its answer can't be understood", s.repo.RegistryStr())
}

// secure refuses plain HTTP.
type secure struct{ inner http.RoundTripper }

func (t secure) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, fault.Hintf(fmt.Errorf("%s is not asked without encryption", req.URL.Host),
			"if it is a mirror that speaks plain HTTP only, write http://%s in [mirrors.registries]", req.URL.Host)
	}
	return t.inner.RoundTrip(req)
}
