// Package publish pushes images to registries, byte for byte as the store has
// them: no engine's exporter touches them on the way.
//
// Blobs go first, each by its digest and only if the registry lacks it, the
// manifest last: a push that is cut off leaves no tag that points at half an
// image. Layers are streamed, and checked against their digests as they are
// sent.
//
// A registry on the loopback interface or called localhost is spoken to in
// plain HTTP, every other in HTTPS. The protocol is OCI's distribution
// specification, v1.1.
package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
)

// Options of Image.
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

// Address is a place that an image can be pushed to.
type Address struct{ tag name.Tag }

// String is the address as it was given.
func (a Address) String() string { return a.tag.String() }

// ParseAddress parses registry/name:tag. All three must be there.
func ParseAddress(s string) (Address, error) {
	const hint = "write registry/name:tag, such as registry.example.org/team/tool:1.2.3"
	if s == "" {
		return Address{}, fault.Hint(errors.New("the address is empty"), hint)
	}
	if _, err := name.NewDigest(s); err == nil {
		return Address{}, fault.Hint(fmt.Errorf("address %s has a digest: what is pushed decides that", s), hint)
	}
	t, err := name.NewTag(s, name.StrictValidation)
	if err != nil {
		loose, wrong := name.NewTag(s)
		if wrong == nil && loose.TagStr() == name.DefaultTag {
			return Address{}, fault.Hint(fmt.Errorf("address %s lacks its registry or its tag", s), hint)
		}
		if wrong != nil { // of what lacks its tag, too, this says what else is wrong
			err = wrong
		}
		return Address{}, fault.Hint(fmt.Errorf("address %q: %w", s, err), hint)
	}
	return Address{t}, nil
}

// Check finds out whether Image could push, before the work that leads there.
func Check(ctx context.Context, to Address, opt Options) error {
	auth, t, err := opt.connection(to)
	if err != nil {
		return err
	}
	defer t.CloseIdleConnections()
	if err := remote.CheckPushPermission(to.tag, keychain{auth}, bound{ctx, t}); err != nil {
		return explain(to, err, opt)
	}
	return nil
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

// login is who pushes.
func (opt Options) login(to Address) (authn.Authenticator, error) {
	switch {
	case opt.Username != "" || opt.Password != "":
		return &authn.Basic{Username: opt.Username, Password: opt.Password}, nil
	case opt.Docker:
		auth, err := authn.DefaultKeychain.Resolve(to.tag.Context())
		if err != nil { // a credential helper's words are not ours to repeat
			return nil, fault.Hintf(fmt.Errorf("reading Docker's credentials for %s failed", to.tag.RegistryStr()),
				"run `docker login %s`, which says what is wrong", to.tag.RegistryStr())
		}
		return auth, nil
	}
	return authn.Anonymous, nil
}

func (opt Options) connection(to Address) (authn.Authenticator, *http.Transport, error) {
	auth, err := opt.login(to)
	if err != nil {
		return nil, nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if opt.At != "" {
		dial, registry := t.DialContext, hostPort(to.tag.Registry)
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == registry {
				address = opt.At
			}
			return dial(ctx, network, address)
		}
		t.Proxy = nil
	}
	return auth, t, nil
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

// Image pushes img and returns its name by digest, name@sha256:…
func Image(ctx context.Context, blobs image.Blobs, img image.Image, to Address, opt Options) (string, error) {
	auth, t, err := opt.connection(to)
	if err != nil {
		return "", err
	}
	defer t.CloseIdleConnections()
	source, err := newPushed(blobs, img)
	if err != nil {
		return "", fmt.Errorf("pushing to %s: %w", to, err)
	}
	if err := remote.Write(to.tag, source, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(t)); err != nil {
		return "", explain(to, err, opt)
	}
	return to.tag.Context().Digest(img.Desc.Digest.String()).String(), nil
}

// fit is an error that everybody may read: without the queries of URLs, which
// registries keep the state of an upload in, and without what stands below its
// first line, which is what a login server said.
func fit(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	var at *url.Error
	if errors.As(err, &at) {
		u, bad := url.Parse(at.URL)
		if bad != nil {
			u = &url.URL{}
		}
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		line = strings.ReplaceAll(line, strconv.Quote(at.URL), strconv.Quote(u.String()))
	}
	return &cut{err, strings.TrimRight(line, ": ")}
}

// cut is an error of which a part of the text is left out.
type cut struct {
	error
	text string
}

func (c *cut) Error() string { return c.text }
func (c *cut) Unwrap() error { return c.error }

// explain says what to do about a registry's refusal. Of what the registry
// says only its codes are passed on.
func explain(to Address, err error, opt Options) error {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		var net net.Error
		err = fmt.Errorf("pushing to %s: %w", to, fit(err))
		if errors.As(err, &net) {
			return fault.Hintf(err, "is %s the right registry, and can it be reached from here?", to.tag.RegistryStr())
		}
		return err
	}
	text := fmt.Sprintf("pushing to %s: the registry answers %d %s", to, refused.StatusCode, http.StatusText(refused.StatusCode))
	for _, d := range refused.Errors {
		text += ", " + string(d.Code)
	}
	err = errors.New(text)
	switch {
	case refused.StatusCode == http.StatusUnauthorized && opt.Username == "" && opt.Docker:
		return fault.Hintf(err, "it wants another login: Docker's configuration has none for %s that it takes", to.tag.RegistryStr())
	case refused.StatusCode == http.StatusUnauthorized && opt.Username == "":
		return fault.Hint(err, "it wants a login: give a user name and a password")
	case refused.StatusCode == http.StatusUnauthorized:
		return fault.Hintf(err, "it does not know this password of user %s", opt.Username)
	case refused.StatusCode == http.StatusForbidden:
		return fault.Hintf(err, "who logs in must be allowed to push to %s", to.tag.RepositoryStr())
	case refused.StatusCode == http.StatusNotFound:
		return fault.Hintf(err, "some registries want a repository to be made before: make %s", to.tag.RepositoryStr())
	case refused.StatusCode == http.StatusTooManyRequests || refused.StatusCode >= 500:
		return fault.Hint(err, "try again later, or ask whoever runs the registry")
	}
	return fault.Hint(err, "the registry does not take such an image: ask whoever runs it why")
}
