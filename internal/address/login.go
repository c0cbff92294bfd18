package address

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
)

// LoginError says that an address wants a login and none can be had. Asking
// again doesn't help.
type LoginError struct{ err error }

func (e *LoginError) Error() string { return e.err.Error() }
func (e *LoginError) Unwrap() error { return e.err }

// logins add to requests what the servers want: a registry's token below its
// addresses, a name and a password of .netrc elsewhere. They go over TLS or
// to this machine's loopback, and nowhere else; a redirect's target gets its
// own or none.
type logins struct {
	mu    sync.Mutex
	rules []*rule
	netrc map[string]credential.HostLogin // by host
}

// A rule is a registry's token for all addresses that begin with a prefix.
type rule struct {
	prefix string
	token  *token
}

// token asks for a registry's token once, and not before it is wanted.
type token struct {
	ask   func(ctx context.Context) (string, error)
	eager bool // the registry said that it always wants it

	mu    sync.Mutex
	known bool
	value string
	err   error
}

func (t *token) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		t.value, t.err = t.ask(ctx)
		t.known = ctx.Err() == nil
	}
	return t.value, t.err
}

// wanted tells whether the token goes along unasked.
func (t *token) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.eager || t.known && t.err == nil
}

// authorize gives a token to what is below an address.
func (l *logins) authorize(prefix string, t *token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = append(l.rules, &rule{prefix, t})
}

func (l *logins) tokenFor(address string) *token {
	l.mu.Lock()
	defer l.mu.Unlock()
	var best *rule
	for _, r := range l.rules {
		if strings.HasPrefix(address, r.prefix) && (best == nil || len(r.prefix) > len(best.prefix)) {
			best = r
		}
	}
	if best == nil {
		return nil
	}
	return best.token
}

// loginTransport adds logins to what it hands on.
type loginTransport struct {
	base   http.RoundTripper
	logins *logins
}

// RoundTrip implements http.RoundTripper.
func (l *loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !private(req.URL) || req.URL.User != nil || req.Header.Get("Authorization") != "" {
		return l.base.RoundTrip(req)
	}
	t := l.logins.tokenFor(req.URL.String())
	if t == nil {
		if n, ok := l.logins.netrc[req.URL.Hostname()]; ok {
			req = req.Clone(req.Context())
			req.SetBasicAuth(n.User, n.Password)
		}
		return l.base.RoundTrip(req)
	}
	with := func() (*http.Response, error) {
		value, err := t.get(req.Context())
		if err != nil {
			return nil, &LoginError{err}
		}
		again := req.Clone(req.Context())
		again.Header.Set("Authorization", value)
		return l.base.RoundTrip(again)
	}
	if t.wanted() {
		return with()
	}
	resp, err := l.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	resp.Body.Close()
	return with()
}

// private says whether nobody on the way can read a request.
func private(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// readNetrc reads the logins of $NETRC or ~/.netrc, by host.
func readNetrc(env func(string) string) (map[string]credential.HostLogin, error) {
	name := env("NETRC")
	if name == "" {
		name = filepath.Join(homeDir(env), ".netrc")
	}
	b, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Hintf(fmt.Errorf("reading logins: %w", err), "correct %s, or set NETRC to another file", name)
	}
	return credential.ParseNetrc(string(b)), nil
}
