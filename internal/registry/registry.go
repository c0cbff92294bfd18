// Package registry reaches repositories of OCI registries: who logs in, where
// and how they are asked, and what their refusals mean.
//
// A registry on the loopback interface or called localhost is spoken to in
// plain HTTP, every other in HTTPS. The protocol is OCI's distribution
// specification, v1.1.
//
// No login, and nothing that a login server said, is in an error; neither is
// the query of a URL, in which registries keep the state of an upload.
package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/craton-co/twice/internal/fault"
)

// Options say who asks and where.
type Options struct {
	// Username and Password log in; both empty: nobody does. The password
	// appears in no error.
	Username, Password string
	// Docker says that without them the login is Docker's own for the registry,
	// if it has one: see package base.
	Docker bool
	// At is where the registry is reached, host:port, if not under its own
	// name. Other hosts that it refers to (for tokens, for blobs) are themselves.
	At string
}

// Access is what is asked for.
type Access string

// Kinds of access. A stranger may Read where the registry hands out tokens for
// that only.
const (
	Read  = Access(transport.PullScope)
	Write = Access(transport.PushScope) // and read
)

// Repository is one repository of a registry. It may be used by several at a
// time.
type Repository struct {
	Name name.Repository

	opt       Options
	auth      authn.Authenticator
	transport *http.Transport

	mu      sync.Mutex
	clients map[Access]*http.Client
	pusher  *remote.Pusher
}

// Open finds the login. It asks nobody but Docker's credential helpers.
func Open(repository name.Repository, opt Options) (*Repository, error) {
	r := &Repository{Name: repository, opt: opt, clients: map[Access]*http.Client{}}
	var err error
	if r.auth, err = opt.login(repository); err != nil {
		return nil, err
	}
	r.transport = http.DefaultTransport.(*http.Transport).Clone()
	r.transport.MaxIdleConnsPerHost = 32 // blobs are asked for several at once
	r.transport.DialContext = patient(r.transport.DialContext)
	if opt.At != "" {
		dial, registry := r.transport.DialContext, hostPort(repository.Registry)
		r.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == registry {
				address = opt.At
			}
			return dial(ctx, network, address)
		}
		r.transport.Proxy = nil
	}
	return r, nil
}

// OpenName is Open of registry/name.
func OpenName(repository string, opt Options) (*Repository, error) {
	n, err := name.NewRepository(repository, name.StrictValidation)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("repository %.200q: %w", repository, err), "write registry/name, such as registry.example.org/team/tool")
	}
	return Open(n, opt)
}

// Close ends the idle connections.
func (r *Repository) Close() { r.transport.CloseIdleConnections() }

// String is registry/name.
func (r *Repository) String() string { return r.Name.Name() }

// Remote are the options for go-containerregistry's calls.
func (r *Repository) Remote(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuth(r.auth), remote.WithTransport(r.transport)}
}

// Client logs in and returns a client whose requests to the registry bear what
// the login gave. Requests have a context of their own.
func (r *Repository) Client(ctx context.Context, access Access) (*http.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.clients[access]; c != nil {
		return c, nil
	}
	if c := r.clients[Write]; c != nil {
		return c, nil
	}
	t, err := transport.NewWithContext(ctx, r.Name.Registry, r.auth, r.transport, []string{r.Name.Scope(string(access))})
	if err != nil {
		return nil, err
	}
	r.clients[access] = &http.Client{Transport: retrying{t}}
	return r.clients[access], nil
}

// Pusher uploads blobs, and remembers what it has asked.
func (r *Repository) Pusher(ctx context.Context) (*remote.Pusher, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.pusher == nil {
		r.pusher, err = remote.NewPusher(r.Remote(ctx)...)
	}
	return r.pusher, err
}

// URL is an address in the repository, /v2/NAME/…
func (r *Repository) URL(path string) string {
	return r.Name.Scheme() + "://" + r.Name.RegistryStr() + "/v2/" + r.Name.RepositoryStr() + "/" + path
}

// Ask sends a request to an address of the repository. mediaType is that of the
// body or, if there is none, of the answer that is wanted.
func (r *Repository) Ask(ctx context.Context, access Access, method, url string, body []byte, mediaType string) (*http.Response, error) {
	client, err := r.Client(ctx, access)
	if err != nil {
		return nil, err
	}
	var content io.Reader
	header := "Accept"
	if body != nil {
		content, header = bytes.NewReader(body), "Content-Type"
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		req.Header.Set(header, mediaType)
	}
	return client.Do(req)
}

// Has tells whether something is there: path is "manifests/REF" or "blobs/DIGEST".
// It asks with the login that may write, for that is what comes next.
func (r *Repository) Has(ctx context.Context, path, mediaType string) (bool, error) {
	resp, err := r.Ask(ctx, Write, http.MethodHead, r.URL(path), nil, mediaType)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	return true, transport.CheckError(resp, http.StatusOK)
}

// Put writes a manifest under a tag or its digest, and returns what the registry
// says of it.
func (r *Repository) Put(ctx context.Context, ref, mediaType string, manifest []byte) (http.Header, error) {
	resp, err := r.Ask(ctx, Write, http.MethodPut, r.URL("manifests/"+ref), manifest, mediaType)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Header, transport.CheckError(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted)
}

// MayPush finds out whether something could be pushed.
func (r *Repository) MayPush(ctx context.Context) error {
	return remote.CheckPushPermission(r.Name.Tag("x"), keychain{r.auth}, bound{ctx, r.transport})
}

// keychain has the one login.
type keychain struct{ authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.Authenticator, nil }

// bound ends its requests with a context.
type bound struct {
	ctx context.Context
	http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.RoundTripper.RoundTrip(r.WithContext(b.ctx))
}

// login is who asks.
func (opt Options) login(to name.Repository) (authn.Authenticator, error) {
	switch {
	case opt.Username != "" || opt.Password != "":
		return &authn.Basic{Username: opt.Username, Password: opt.Password}, nil
	case opt.Docker:
		auth, err := authn.DefaultKeychain.Resolve(to)
		if err != nil { // a credential helper's words are not ours to repeat
			return nil, fault.Hintf(fmt.Errorf("reading Docker's credentials for %s failed", to.RegistryStr()),
				"run `docker login %s`, which says what is wrong", to.RegistryStr())
		}
		return auth, nil
	}
	return authn.Anonymous, nil
}

// hostPort is the address that is dialled for a registry.
func hostPort(r name.Registry) string {
	host := r.RegistryStr()
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if r.Scheme() == "http" {
		return net.JoinHostPort(host, "80")
	}
	return net.JoinHostPort(host, "443")
}
