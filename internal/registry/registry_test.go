package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

// A bad moment of a registry is waited for, and what was sent is sent again.
func TestAgain(t *testing.T) {
	var bodies []string
	bad := 2
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		if len(bodies) <= bad {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	r, err := OpenName(strings.TrimPrefix(srv.URL, "http://")+"/team/tool", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Put(t.Context(), "x", "text/plain", []byte("manifest")); err != nil {
		t.Fatal(err)
	}
	if strings.Join(bodies, " ") != "manifest manifest manifest" {
		t.Errorf("it got %q", bodies)
	}
	bodies, bad = nil, 100
	_, err = r.Put(t.Context(), "x", "text/plain", []byte("manifest"))
	var refused *Refused
	if err := r.Explain("pushing to x", err); !errors.As(err, &refused) || refused.Status != 503 || fault.HintOf(err) == "" || len(bodies) != tries {
		t.Errorf("%v after %d tries", err, len(bodies))
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Put(ctx, "x", "text/plain", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", "tool", "registry.test/Tool", "registry.test/tool:1"} {
		if _, err := OpenName(bad, Options{}); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
