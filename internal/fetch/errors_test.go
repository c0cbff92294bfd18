package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
)

func TestMismatch(t *testing.T) {
	s := open(t)
	long := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			if _, err := w.Write(content); err != nil {
				return
			}
		}
	})
	wrong := serve(t, garbage)
	html := digest.FromString("<html>Please log in</html>")
	right := digest.FromBytes(content)
	for name, c := range map[string]struct {
		url  string
		want MismatchError
		text string
	}{
		"wrong": {strings.Replace(wrong.URL, "://", "://user:secret@", 1) + "/serde",
			MismatchError{Kind: "crate", Name: "serde 1.0.228", From: strings.Replace(wrong.URL, "://", "://user:xxxxx@", 1) + "/serde",
				Expected: right, Got: html, ExpectedSize: 3 << 20, GotSize: 26},
			"crate serde 1.0.228: " + strings.Replace(wrong.URL, "://", "://user:xxxxx@", 1) + "/serde has " + string(html[:19]) + "… (26 bytes), the lock says " +
				string(right[:19]) + "… (3145728 bytes)"},
		"long": {long.URL, MismatchError{Kind: "crate", Name: "serde 1.0.228", From: long.URL, Expected: right, ExpectedSize: 3 << 20}, "bytes or more"},
	} {
		err := fetcher(s).Fetch(t.Context(), []Item{item(c.url)})
		var got *MismatchError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "long" {
			if got.GotSize <= 3<<20 || got.GotSize > 4<<20 {
				t.Errorf("cut off after %d bytes", got.GotSize)
			}
			c.want.GotSize = got.GotSize
		}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %q lacks %q", name, err, c.text)
		}
		if hint := fault.HintOf(err); !strings.Contains(hint, "the mirror http://127.0.0.1:") || !strings.Contains(hint, "--no-mirror") || strings.Contains(hint, "secret") {
			t.Errorf("%s: hint %q", name, hint)
		}
		if s.Has(right) || s.Has(html) {
			t.Errorf("%s: something was kept", name)
		}
	}
	wrong.want(t, "")
	empty(t, s)
}

// The hint of a mismatch depends on whose content it is.
func TestMismatchHints(t *testing.T) {
	up, err := address.Upstream(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		up.Rust("dist/x")[0]:             "ask the publisher",
		"this machine":                   "installed on this machine",
		"http://mirror.test:90/x/y":      "the mirror http://mirror.test:90 served",
		"https://u:xxxxx@mirror.test/x/": "the mirror https://mirror.test served",
	} {
		if hint := fault.HintOf((&MismatchError{From: from}).hinted()); !strings.Contains(hint, want) {
			t.Errorf("%s: hint %q, want %q", from, hint, want)
		}
	}
}

func TestErrors(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	gone := serve(t, code(404))
	broken := serve(t, code(500))
	for name, c := range map[string]struct {
		urls       []string
		text, hint string
		notExist   bool
	}{
		"404":        {[]string{gone.URL}, gone.URL + ": 404 Not Found", "add a mirror", true},
		"both":       {[]string{gone.URL + "/a", broken.URL}, gone.URL + "/a: 404 Not Found; " + broken.URL + ": 500 Internal", "add a mirror", false},
		"down":       {[]string{down.URL}, "connection refused", "check the network", false},
		"no address": {nil, "no address is known", "TWICE_NO_DEFAULTS", false},
		"scheme":     {[]string{"ftp://127.0.0.1/x"}, "unsupported protocol scheme", "", false},
	} {
		err := fetcher(open(t)).Fetch(t.Context(), []Item{item(c.urls...)})
		if err == nil || !strings.HasPrefix(err.Error(), "crate serde 1.0.228: ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if hint := fault.HintOf(err); !strings.Contains(hint, c.hint) {
			t.Errorf("%s: hint %q", name, hint)
		}
		if got := errors.Is(err, fs.ErrNotExist); got != c.notExist {
			t.Errorf("%s: errors.Is(%q, ErrNotExist) = %v", name, err, got)
		}
	}
}

// All that is missing is told at once, and what can be had is had.
func TestSeveralFailures(t *testing.T) {
	s, srv, gone := open(t), serve(t, good), serve(t, code(404))
	items := []Item{item(srv.URL)}
	for i := range 5 {
		name := fmt.Sprint("x", i, " 1.0.0")
		items = append(items, Item{Kind: "crate", Name: name, Digest: digest.FromString(name), Size: 3, URLs: []string{gone.URL}})
	}
	err := fetcher(s).Fetch(t.Context(), items)
	want := "5 of 6 inputs can't be had: crate x0 1.0.0, crate x1 1.0.0, crate x2 1.0.0, and 2 more; crate x0 1.0.0: " + gone.URL + ": 404 Not Found"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	var e *Error
	if !errors.As(err, &e) || len(e.Items) != 5 || e.Total != 6 {
		t.Errorf("%+v", e)
	}
	check(t, s, nil)
}

// With no network at all, one item's patience is enough for all.
func TestNetworkDown(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	var items []Item
	for i := range 100 {
		items = append(items, Item{Kind: "crate", Name: fmt.Sprint(i), Digest: digest.FromString(fmt.Sprint(i)), Size: 3, URLs: []string{down.URL}})
	}
	f := fetcher(open(t))
	f.Retry.Pause, f.Retry.MaxPause = 100*time.Millisecond, time.Second
	f.Parallel = 2
	start := time.Now()
	err := f.Fetch(t.Context(), items)
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Fetch: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// A host that is down is asked last, and no longer waited for.
func TestOneHostDown(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	s, srv := open(t), serve(t, good)
	f := fetcher(s)
	f.Parallel = 1
	f.Retry.Pause, f.Retry.MaxPause = 100*time.Millisecond, time.Second
	items := []Item{item(srv.URL)}
	for i := range 20 {
		items = append(items, Item{Kind: "deb", Name: fmt.Sprint(i), Digest: digest.FromString(fmt.Sprint(i)), Size: 3, URLs: []string{down.URL}})
	}
	start := time.Now()
	err := f.Fetch(t.Context(), items)
	var e *Error
	if !errors.As(err, &e) || len(e.Items) != 20 {
		t.Errorf("Fetch: %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %s", took)
	}
	check(t, s, nil)
}
