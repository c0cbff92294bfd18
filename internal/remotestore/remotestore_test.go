package remotestore

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/transfer"
)

// served is a registry on the loopback interface.
type served struct {
	*httptest.Server
	puts atomic.Int64
	gets atomic.Int64

	mu     sync.Mutex
	status int    // answered to all but the first question, if not 0
	lie    string // the end of a path under which other bytes are served
}

func newRegistry(t *testing.T) *served {
	r := &served{}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		status, lie := r.status, r.lie != "" && strings.HasSuffix(req.URL.Path, r.lie) && req.Method == http.MethodGet
		r.mu.Unlock()
		switch {
		case status != 0:
			w.WriteHeader(status)
			return
		case lie:
			_, _ = io.WriteString(w, "lie")
			return
		case req.Method == http.MethodPut || req.Method == http.MethodPost || req.Method == http.MethodPatch:
			r.puts.Add(1)
		case req.Method == http.MethodGet:
			r.gets.Add(1)
		}
		inner.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	return r
}

func (r *served) name() string { return Scheme + strings.TrimPrefix(r.URL, "http://") + "/team/store" }

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// machine is one with a store of its own and a remote one.
type machine struct {
	*Remote
	st       *store.Store
	f        *fetch.Fetcher
	warnings []string
}

func newMachine(t *testing.T, from, to string) *machine {
	t.Helper()
	m := &machine{st: newStore(t)}
	m.f = &fetch.Fetcher{Store: m.st, Client: &http.Client{}, Retry: fetch.Retry{Attempts: 1}}
	var mu sync.Mutex
	var err error
	m.Remote, err = Open(t.Context(), Options{From: from, To: to, Warn: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		m.warnings = append(m.warnings, text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	m.Attach(m.f)
	return m
}

func (m *machine) put(t *testing.T, text string) ocispec.Descriptor {
	t.Helper()
	d, err := m.st.PutBytes(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{Digest: d, Size: int64(len(text))}
}

func item(text string) fetch.Item {
	return fetch.Item{Kind: "thing", Name: text, Digest: digest.FromString(text), Size: -1}
}

// each runs a test with a directory and with a repository.
func each(t *testing.T, f func(t *testing.T, where string)) {
	t.Run("directory", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), "kept")) })
	t.Run("repository", func(t *testing.T) { f(t, newRegistry(t).name()) })
}

func TestThereAndBack(t *testing.T) {
	key := digest.FromString("key")
	each(t, func(t *testing.T, where string) {
		one := newMachine(t, where, where)
		a, b := one.put(t, "a"), one.put(t, "b")
		one.put(t, "never noted")
		if moved := one.Save(t.Context(), one.st); moved != (transfer.Moved{}) {
			t.Errorf("a run that wasn't ready kept %+v", moved)
		}
		one.Use(a)
		one.Say(Claim{Kind: "kind", Key: key, Value: []byte("b is it"), Blobs: []ocispec.Descriptor{b}})
		one.Ready()
		if moved := one.Save(t.Context(), one.st); moved.Sent < 2 || len(one.warnings) > 0 && !strings.HasPrefix(where, Scheme) {
			t.Errorf("moved %+v, warnings %q", moved, one.warnings)
		}
		if moved := one.Save(t.Context(), one.st); moved.Sent != 0 {
			t.Errorf("again: %+v", moved)
		}

		two := newMachine(t, where, "")
		if err := two.f.Fetch(t.Context(), []fetch.Item{item("a")}); err != nil {
			t.Fatal(err)
		}
		if value, ok := two.Claim(t.Context(), "kind", key); !ok || string(value) != "b is it" {
			t.Errorf("claim %q, %t", value, ok)
		}
		if err := two.f.Nearby(t.Context(), item("b")); err != nil {
			t.Error(err)
		}
		if err := two.f.Nearby(t.Context(), item("never noted")); err == nil {
			t.Error("what wasn't noted was kept")
		}
		if _, ok := two.Claim(t.Context(), "kind", digest.FromString("another")); ok {
			t.Error("a claim that nobody made")
		}
		if got := two.Taken(); got != (transfer.Moved{Sent: 2, SentBytes: 2}) || len(two.warnings) > 0 {
			t.Errorf("taken %+v, warnings %q", got, two.warnings)
		}
	})
}

// A repeated run asks a registry one thing for each claim and one for the rest,
// and sends nothing; more blobs than an artefact names are fine.
func TestFewQuestions(t *testing.T) {
	r := newRegistry(t)
	one := newMachine(t, "", r.name())
	for i := range maxLayers + 5 {
		one.Use(one.put(t, strings.Repeat("x", i)))
	}
	one.Ready()
	if moved := one.Save(t.Context(), one.st); moved.Sent < maxLayers+5 || len(one.warnings) > 0 {
		t.Fatalf("%+v, %q", moved, one.warnings)
	}
	r.puts.Store(0)
	r.gets.Store(0)
	if moved := one.Save(t.Context(), one.st); moved.Sent != 0 || r.puts.Load() > 0 || r.gets.Load() > 2 {
		t.Errorf("%+v, %d writes, %d reads", moved, r.puts.Load(), r.gets.Load())
	}
}

// Other bytes are never used, are said, and do no harm to what comes after.
func TestDamagedDirectory(t *testing.T) {
	where := filepath.Join(t.TempDir(), "kept")
	one := newMachine(t, "", where)
	one.Use(one.put(t, "good"), one.put(t, "also good"))
	one.Ready()
	one.Save(t.Context(), one.st)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "good") }))
	defer upstream.Close()
	d := digest.FromString("good")
	path := filepath.Join(where, "store", "blobs", "sha256", d.Encoded())
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("goOd"), 0o444)); err != nil {
		t.Fatal(err)
	}
	two := newMachine(t, where, where)
	it := item("good")
	it.URLs = []string{upstream.URL}
	if err := two.f.Fetch(t.Context(), []fetch.Item{it, item("also good")}); err != nil {
		t.Fatal(err)
	}
	if err := two.st.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
	if len(two.warnings) != 1 || !strings.Contains(two.warnings[0], "blob "+d.String()+": content is sha256:") {
		t.Errorf("warnings %q", two.warnings)
	}
	two.Ready()
	two.Save(t.Context(), two.st)
	if got, err := os.ReadFile(path); err != nil || string(got) != "good" {
		t.Errorf("not mended: %q, %v", got, err)
	}
}

func TestLyingRegistry(t *testing.T) {
	r := newRegistry(t)
	one := newMachine(t, "", r.name())
	one.Use(one.put(t, "good"), one.put(t, "also good"))
	one.Say(Claim{Kind: "kind", Key: digest.FromString("key"), Value: []byte("v"), Blobs: []ocispec.Descriptor{one.put(t, "good")}})
	one.Ready()
	one.Save(t.Context(), one.st)
	d := digest.FromString("good")
	r.mu.Lock()
	r.lie = d.String()
	r.mu.Unlock()
	two := newMachine(t, r.name(), "")
	if err := two.f.Fetch(t.Context(), []fetch.Item{item("good")}); err == nil || two.st.Has(d) {
		t.Errorf("other bytes were taken: %v", err)
	}
	if err := two.f.Fetch(t.Context(), []fetch.Item{item("also good")}); err != nil {
		t.Error(err)
	}
	if len(two.warnings) != 1 || !strings.Contains(two.warnings[0], d.String()) {
		t.Errorf("warnings %q", two.warnings)
	}
	r.mu.Lock()
	r.lie = tag("kind", digest.FromString("key"))
	r.mu.Unlock()
	if _, ok := two.Claim(t.Context(), "kind", digest.FromString("key")); ok || len(two.warnings) != 2 {
		t.Errorf("a document that is no claim: %t, %q", ok, two.warnings)
	}
}

// A registry that refuses, or is gone, is said once and asked no more.
func TestUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		make func(r *served)
		want string
	}{
		"login":   {func(r *served) { r.status = http.StatusUnauthorized }, "401 Unauthorized"},
		"refused": {func(r *served) { r.status = http.StatusForbidden }, "403 Forbidden"},
		"gone":    {func(r *served) { r.Close() }, "connection refused"},
	} {
		r := newRegistry(t)
		c.make(r)
		m := newMachine(t, r.name(), r.name())
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
		}))
		defer upstream.Close()
		var items []fetch.Item
		for _, text := range []string{"a", "b", "c"} {
			it := item(text)
			it.URLs = []string{upstream.URL + "/" + text}
			items = append(items, it)
		}
		if err := m.f.Fetch(t.Context(), items[:1]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.f.Fetch(t.Context(), items); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := m.Claim(t.Context(), "kind", digest.FromString("key")); ok {
			t.Errorf("%s: a claim", name)
		}
		if len(m.warnings) != 1 || !strings.Contains(m.warnings[0], c.want) {
			t.Errorf("%s: warnings %q", name, m.warnings)
		}
		m.Ready()
		m.Save(t.Context(), m.st)
		if len(m.warnings) != 2 || !strings.Contains(m.warnings[1], c.want) {
			t.Errorf("%s: writing: warnings %q", name, m.warnings)
		}
	}
}

// Directories that are no stores are named, except the one that is about to be
// made; what is malformed is an error.
func TestNames(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept")
	if m := newMachine(t, kept, kept); len(m.warnings) > 0 {
		t.Errorf("the first run: %q", m.warnings)
	}
	if m := newMachine(t, filepath.Join(t.TempDir(), "none"), ""); len(m.warnings) != 1 || m.Reads() {
		t.Errorf("none: %q", m.warnings)
	}
	own := newStore(t)
	if m := newMachine(t, own.Dir(), ""); len(m.warnings) > 0 || !m.Reads() {
		t.Errorf("a store itself: %q", m.warnings)
	}
	if _, err := Open(context.Background(), Options{From: Scheme + "nothing"}); err == nil {
		t.Error("a malformed name was taken")
	}
	var none *Remote
	none.Attach(&fetch.Fetcher{})
	none.Use()
	none.Say(Claim{})
	none.Ready()
	if _, ok := none.Claim(t.Context(), "kind", digest.FromString("key")); ok || none.Reads() || none.Save(t.Context(), own) != (transfer.Moved{}) || none.Close() != nil {
		t.Error("nil is a store")
	}
}

// Several write at once: all that they say is there afterwards.
func TestWritersAtOnce(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		var wg sync.WaitGroup
		for i := range 4 {
			m := newMachine(t, "", where)
			text := strings.Repeat("y", i+1)
			m.Use(m.put(t, "shared"), m.put(t, text))
			m.Say(Claim{Kind: "kind", Key: digest.FromString(text), Value: []byte(text), Blobs: []ocispec.Descriptor{m.put(t, text)}})
			m.Ready()
			wg.Go(func() { m.Save(t.Context(), m.st) })
		}
		wg.Wait()
		two := newMachine(t, where, "")
		for i := range 4 {
			text := strings.Repeat("y", i+1)
			if err := two.f.Nearby(t.Context(), item(text), item("shared")); err != nil {
				t.Error(err)
			}
			if v, ok := two.Claim(t.Context(), "kind", digest.FromString(text)); !ok || string(v) != text {
				t.Errorf("claim %q: %q", text, v)
			}
		}
	})
}

func FuzzParseClaim(f *testing.F) {
	key := digest.FromString("key")
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.twice.store.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],` +
		`"annotations":{"io.github.craton-co.twice.store.kind":"kind","io.github.craton-co.twice.store.key":"` + key.String() + `","io.github.craton-co.twice.store.value":"v"}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := parseClaim(text, "kind", key)
		if err == nil && (len(value) == 0 || len(value) > maxValue) {
			t.Errorf("a value of %d bytes", len(value))
		}
		if _, err := parseClaim(text, "another", key); err == nil {
			t.Error("a claim of another kind")
		}
	})
}
