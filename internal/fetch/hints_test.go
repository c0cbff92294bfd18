package fetch

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

// Each refusal of a fetch has a hint, and doing what it says works.
func TestHintsAreFollowed(t *testing.T) {
	right := serve(t, good)
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("other bytes")) })
	down := httptest.NewServer(nil)
	down.Close()
	gone, private := serve(t, code(404)), serve(t, code(401))
	// follows: fetch: the mirror %s://%s served other bytes
	// follows: fetch: check the network and HTTPS_PROXY
	// follows: fetch: add a mirror that has it to [mirrors]
	// follows: fetch: no address is known
	// follows: fetch: it wants a login
	for _, c := range []struct {
		name, hint    string
		before, after []string
	}{
		{"other bytes", "remove it from [mirrors], or run `twice fetch --no-mirror`", []string{other.URL}, []string{right.URL}},
		{"no network", "`twice fetch` goes on where it stopped", []string{down.URL}, []string{right.URL}},
		{"not there", "add a mirror that has it", []string{gone.URL}, []string{gone.URL, right.URL}},
		{"no address", "add a mirror", nil, []string{right.URL}},
		{"a login", ".netrc", []string{private.URL}, []string{right.URL}}, // that a login is sent: package address, and company.txt
	} {
		s := open(t)
		err := fetcher(s).Fetch(t.Context(), []Item{item(c.before...)})
		if err == nil || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v; hint %q", c.name, err, fault.HintOf(err))
		}
		check(t, s, fetcher(s).Fetch(t.Context(), []Item{item(c.after...)}))
	}

	// follows: fetch: run `twice fetch` with a network first
	s := open(t)
	f := fetcher(s)
	f.Offline = true
	if err := f.Fetch(t.Context(), []Item{item(right.URL)}); !strings.HasPrefix(fault.HintOf(err), "run `twice fetch`") {
		t.Errorf("offline: %v; hint %q", err, fault.HintOf(err))
	}
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{item(right.URL)}))
	check(t, s, f.Fetch(t.Context(), []Item{item(right.URL)}))

	// follows: fetch: offline: %s is not asked
	if _, err := f.Get(t.Context(), []string{right.URL}, 1<<20); fault.HintOf(err) != "run it without --offline" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	// follows: fetch: no address is known: %w
	if _, err := fetcher(s).Get(t.Context(), nil, 1<<20); !strings.HasPrefix(fault.HintOf(err), "add a mirror") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := fetcher(s).Get(t.Context(), []string{right.URL}, 64<<20); err != nil {
		t.Error(err)
	}

	// follows: fetch: %s: %s has %d bytes, the lock says %d
	wrong := item(right.URL)
	wrong.Size++
	if err := f.Fetch(t.Context(), []Item{wrong}); !strings.HasPrefix(fault.HintOf(err), "the lock was edited by hand; restore it") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	check(t, s, f.Fetch(t.Context(), []Item{item(right.URL)}))

	// follows: fetch: what is installed on this machine has been changed
	changed := item(right.URL)
	changed.Local = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("changed")), nil }
	only := changed
	only.URLs = nil
	s = open(t)
	if err := fetcher(s).Fetch(t.Context(), []Item{only}); !strings.HasSuffix(fault.HintOf(err), "it is not used") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{changed}))
}
