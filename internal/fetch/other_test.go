package fetch

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// failures are what another store was said to have done wrong.
type failures struct {
	mu  sync.Mutex
	all []error
}

func (f *failures) add(_ digest.Digest, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, err)
}

// Another store is asked once, before the addresses, and offline too; what it
// lacks or has wrong is had from the addresses.
func TestOther(t *testing.T) {
	good := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
	wrong := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, len(content))) }
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3145728")
		_, _ = w.Write(content[:1<<20])
	}
	broken := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	for name, c := range map[string]struct {
		other    http.HandlerFunc
		offline  bool
		ok       bool
		failures int
		upstream int // requests
	}{
		"has it":               {good, false, true, 0, 0},
		"has it, offline":      {good, true, true, 0, 0},
		"lacks it":             {http.NotFound, false, true, 0, 1},
		"lacks it, offline":    {http.NotFound, true, false, 0, 0},
		"has another":          {wrong, false, true, 1, 1},
		"breaks off":           {half, false, true, 1, 1},
		"is broken":            {broken, false, true, 1, 1},
		"is broken, offline":   {broken, true, false, 1, 0},
		"has another, offline": {wrong, true, false, 1, 0},
	} {
		other, upstream := serve(t, c.other), serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
		var failed failures
		f := fetcher(open(t))
		f.Offline = c.offline
		f.Other = &Other{Address: func(digest.Digest) string { return other.URL }, Failed: failed.add}
		var from string
		f.Progress = func(e Event) {
			if e.Kind == Done {
				from = e.From
			}
		}
		err := f.Fetch(t.Context(), []Item{item(upstream.URL)})
		if (err == nil) != c.ok || len(failed.all) != c.failures || len(upstream.ranges) != c.upstream || len(other.ranges) != 1 {
			t.Errorf("%s: %v; failures %v, %d requests, %d of the other", name, err, failed.all, len(upstream.ranges), len(other.ranges))
		}
		if c.ok && (f.Store.Verify(t.Context(), item().Digest) != nil || (from == FromOther) != (c.upstream == 0)) {
			t.Errorf("%s: it came from %q", name, from)
		}
	}
}

// A store in a directory brings blobs by itself.
func TestOtherDirectory(t *testing.T) {
	upstream := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	for name, c := range map[string]struct {
		err      error
		failures int
		requests int
	}{"has it": {nil, 0, 0}, "lacks it": {fs.ErrNotExist, 0, 1}, "has another": {errors.New("another"), 1, 1}} {
		upstream.ranges = nil
		var failed failures
		f := fetcher(open(t))
		f.Other = &Other{Failed: failed.add, Take: func(ctx context.Context, _ digest.Digest, _ int64) error {
			if c.err == nil {
				_, err := f.Store.PutBytes(ctx, content)
				return err
			}
			return c.err
		}}
		if err := f.Fetch(t.Context(), []Item{item(upstream.URL)}); err != nil || len(failed.all) != c.failures || len(upstream.ranges) != c.requests {
			t.Errorf("%s: %v; failures %v, %d requests", name, err, failed.all, len(upstream.ranges))
		}
		if err := f.Nearby(t.Context(), item(upstream.URL)); err != nil {
			t.Errorf("%s: what is in the store is nearby: %v", name, err)
		}
	}
	f := fetcher(open(t))
	if err := f.Nearby(t.Context(), item(upstream.URL)); err == nil {
		t.Error("an address was asked")
	}
}
