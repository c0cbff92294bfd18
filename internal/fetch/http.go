package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/craton-co/twice/internal/address"
)

var (
	errStalled   = errors.New("the connection stalled")
	errDowngrade = errors.New("redirected from https to an address that isn't")
	errRedirect  = errors.New("redirected to what isn't on the web")
	errLoop      = errors.New("redirected more than 10 times")
)

func checkRedirect(req *http.Request, via []*http.Request) error {
	switch last := via[len(via)-1].URL.Scheme; {
	case last == "https" && req.URL.Scheme != "https":
		return errDowngrade
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return errRedirect
	case len(via) >= 10:
		return errLoop
	}
	return nil
}

// request makes one GET request for what is at an address from an offset on.
func (r *run) request(ctx context.Context, address string, offset int64, read func(*http.Response, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(r.retry.Stall, func() { cancel(errStalled) })
	defer watch.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return bad{err}
	}
	req.Header.Set("User-Agent", "twice")
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := r.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		err = read(resp, watched{resp.Body, watch, r.retry.Stall})
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // the caller says which address
	}
	if err != nil && context.Cause(ctx) == errStalled {
		err = fmt.Errorf("%w: nothing came for %s", errStalled, r.retry.Stall)
	}
	return err
}

// watched puts the end of patience off with every byte.
type watched struct {
	r     io.Reader
	watch *time.Timer
	stall time.Duration
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(w.stall)
	}
	return n, err
}

// rounds tries the addresses in order, and those that may still answer again
// after a pause. It returns the address that did, or the last error of each.
func (r *run) rounds(ctx context.Context, it *Item, urls []string, try func(address string) (int64, error)) (string, causes, error) {
	const enough = 1 << 20
	failures := map[string]error{}
	live := slices.Clone(urls)
	for attempt := 1; ; {
		var pause time.Duration
		counts := true
		for _, u := range r.reachable(live) {
			n, err := try(u)
			if ctx.Err() != nil && err != nil {
				return "", nil, context.Cause(ctx)
			}
			var fatal *storeError
			if errors.As(err, &fatal) {
				return "", nil, fatal.error
			}
			r.heard(u, err)
			if err == nil {
				return u, nil, nil
			}
			again, after := temporary(err)
			if !again {
				live = slices.DeleteFunc(live, func(l string) bool { return l == u })
			}
			pause, counts = max(pause, after), counts && n < enough
			failures[u] = at(u, err)
			r.report(Event{Kind: Trouble, Item: it, From: redact(u), Err: err})
		}
		if len(live) == 0 || counts && (attempt >= r.retry.Attempts || r.hopeless(live)) {
			r.giveUp(live)
			var all causes
			for _, u := range urls {
				all = append(all, failures[u])
			}
			return "", all, nil
		}
		pause = min(max(pause, r.retry.Pause<<min(attempt-1, 16)), r.retry.MaxPause)
		pause += time.Duration(rand.Int64N(int64(pause)/2 + 1))
		if counts {
			attempt++
		}
		select {
		case <-ctx.Done():
			return "", nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// temporary tells whether the same address may do better later, and how long
// it wants to be left alone.
func temporary(err error) (bool, time.Duration) {
	var (
		s        *statusError
		wrong    *MismatchError
		dns      *net.DNSError
		cert     *tls.CertificateVerificationError
		unusable bad
		login    *address.LoginError
	)
	switch {
	case errors.As(err, &s):
		return s.code >= 500 || slices.Contains([]int{408, 425, 429}, s.code), s.after
	case errors.As(err, &wrong), errors.As(err, &cert), errors.As(err, &unusable), errors.As(err, &login),
		errors.As(err, &dns) && dns.IsNotFound,
		errors.Is(err, errDowngrade), errors.Is(err, errRedirect), errors.Is(err, errLoop):
		return false, 0
	}
	return true, 0
}

func status(resp *http.Response) error {
	e := &statusError{code: resp.StatusCode}
	if v := resp.Header.Get("Retry-After"); v != "" {
		if seconds, err := strconv.ParseUint(v, 10, 16); err == nil {
			e.after = time.Duration(seconds) * time.Second
		} else if t, err := http.ParseTime(v); err == nil {
			e.after = max(time.Until(t), 0)
		}
	}
	io.CopyN(io.Discard, resp.Body, 16<<10) // so that the connection can be used again
	return e
}

// redact takes a password out of an address.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if u.User == nil {
		return address
	}
	return u.Redacted()
}
