package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/store"
)

// content is what the servers of these tests have, 3 MiB of noise.
var content = func() []byte {
	b := make([]byte, 3<<20)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(b)
	return b
}()

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fetcher is one that doesn't wait long.
func fetcher(s *store.Store) *Fetcher {
	return &Fetcher{Store: s, Retry: Retry{Attempts: 3, Pause: time.Millisecond, MaxPause: 50 * time.Millisecond, Stall: time.Second}}
}

func item(urls ...string) Item {
	return Item{Kind: "crate", Name: "serde 1.0.228", Digest: digest.FromBytes(content), Size: int64(len(content)), URLs: urls}
}

// server answers the n-th request, from 1 on, with the n-th handler, and all
// further ones with the last. It records the Range headers.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
}

func serve(t *testing.T, handlers ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.ranges)
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		handlers[min(n, len(handlers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) want(t *testing.T, ranges ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(ranges, s.ranges, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Range headers of the requests: -want +got\n%s", diff)
	}
}

func good(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func whole(w http.ResponseWriter, _ *http.Request) { w.Write(content) } // knows no ranges

func code(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
}

func nothing(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// half breaks the connection off after n bytes of what is asked for.
func half(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		good(&limited{w, n}, r)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

type limited struct {
	http.ResponseWriter
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n == 0 {
		return 0, io.ErrShortWrite
	}
	p = p[:min(len(p), l.n)]
	l.n -= len(p)
	return l.ResponseWriter.Write(p)
}

func garbage(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Please log in</html>") }

func silence(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// stuck sends n bytes and then no more.
func stuck(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:n])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// check says that the store has the content and nothing half done.
func check(t *testing.T, s *store.Store, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), digest.FromBytes(content)); err != nil {
		t.Error(err)
	}
	empty(t, s)
}

func empty(t *testing.T, s *store.Store) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "ingest", "*")); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
}

func TestAnswers(t *testing.T) {
	const whole1 = ""
	rest := func(n int) string { return fmt.Sprintf("bytes=%d-", n) }
	for name, c := range map[string]struct {
		handlers []http.HandlerFunc
		ranges   []string
	}{
		"good":                {[]http.HandlerFunc{good}, []string{whole1}},
		"500, then good":      {[]http.HandlerFunc{code(500), code(503), good}, []string{"", "", ""}},
		"429, then good":      {[]http.HandlerFunc{code(429), good}, []string{"", ""}},
		"nothing, then good":  {[]http.HandlerFunc{nothing, good}, []string{"", ""}},
		"silence, then good":  {[]http.HandlerFunc{silence, good}, []string{"", ""}},
		"half, then the rest": {[]http.HandlerFunc{half(1000), good}, []string{"", rest(1000)}},
		"stuck, then the rest": {[]http.HandlerFunc{stuck(4096), good},
			[]string{"", rest(4096)}},
		"half, then ranges unknown": {[]http.HandlerFunc{half(1000), whole}, []string{"", rest(1000)}},
		"half, then 416":            {[]http.HandlerFunc{half(1000), code(416), good}, []string{"", rest(1000), ""}},
		"half, then another range": {[]http.HandlerFunc{half(1000), func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=5-")
			good(w, r)
		}, good}, []string{"", rest(1000), ""}},
		"half, then a little": {[]http.HandlerFunc{half(1000), func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=1000-1999")
			good(w, r)
		}, good}, []string{"", rest(1000), rest(2000)}},
		"half of something else": {[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(make([]byte, 1000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, good}, []string{"", rest(1000), ""}},
		// An attempt that gets on isn't one of the three.
		"many halves": {[]http.HandlerFunc{half(1<<20 - 1), half(1 << 20), half(1000), half(1000), good},
			[]string{"", rest(1<<20 - 1), rest(2<<20 - 1), rest(2<<20 + 999), rest(2<<20 + 1999)}},
		"no length": {[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(content)
		}}, []string{""}},
		"redirect": {[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, good}, []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, srv := open(t), serve(t, c.handlers...)
			f := fetcher(s)
			if name == "many halves" {
				f.Retry.Attempts = 5
			}
			check(t, s, f.Fetch(t.Context(), []Item{item(srv.URL)}))
			srv.want(t, c.ranges...)
		})
	}
}

func TestUnknownSize(t *testing.T) {
	s, srv := open(t), serve(t, half(1000), good)
	it := item(srv.URL)
	it.Size = -1
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{it}))
	srv.want(t, "", "bytes=1000-")
}

func TestRetryAfter(t *testing.T) {
	s := open(t)
	var first, second time.Time
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		first = time.Now()
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	}, func(w http.ResponseWriter, r *http.Request) {
		second = time.Now()
		good(w, r)
	})
	f := fetcher(s)
	f.Retry.MaxPause = 300 * time.Millisecond
	check(t, s, f.Fetch(t.Context(), []Item{item(srv.URL)}))
	// It asked for more than MaxPause, so MaxPause and its jitter it is.
	if waited := second.Sub(first); waited < 300*time.Millisecond || waited >= 30*time.Second {
		t.Errorf("waited %s", waited)
	}
}

func TestRetryAfterHeader(t *testing.T) {
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "99999999999999999999": 0, "soon": 0, at: time.Hour,
		"Mon, 01 Jan 2001 00:00:00 GMT": 0,
	} {
		err := status(&http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {v}}, Body: http.NoBody})
		_, after := temporary(err)
		if d := want - after; d < 0 || d > 2*time.Second {
			t.Errorf("Retry-After %q: %s, want %s", v, after, want)
		}
	}
}

// What the first address can't give, the next one does, at once.
func TestNextAddress(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	for name, c := range map[string]struct {
		first http.HandlerFunc
		asked []string
	}{
		"404": {code(404), []string{""}}, "403": {code(403), []string{""}}, "500": {code(500), []string{""}},
		"garbage": {garbage, []string{""}}, "nothing": {nothing, []string{""}}, "half": {half(1000), []string{""}},
		"too much": {func(w http.ResponseWriter, _ *http.Request) { w.Write(append(content, 'x')) }, []string{""}},
		"down":     {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, second := open(t), serve(t, good)
			f := fetcher(s)
			f.Retry.Pause = time.Hour
			url := down.URL
			if c.first != nil {
				first := serve(t, c.first)
				defer first.want(t, c.asked...)
				url = first.URL
			}
			check(t, s, f.Fetch(t.Context(), []Item{item(url, second.URL)}))
			if name == "half" {
				second.want(t, "bytes=1000-")
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, content, 0o644); err != nil {
		t.Fatal(err)
	}
	plain := serve(t, good)
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusMovedPermanently) }
	}
	tls := httptest.NewTLSServer(redirect(plain.URL))
	defer tls.Close()
	loop := serve(t, redirect("/"))
	file := serve(t, redirect("file://"+secret))
	for name, c := range map[string]struct {
		url    string
		client *http.Client
		want   error
	}{
		"https to http": {tls.URL, tls.Client(), errDowngrade},
		"http to file":  {file.URL, nil, errRedirect},
		"loop":          {loop.URL, nil, errLoop},
	} {
		s := open(t)
		f := fetcher(s)
		f.Client = c.client
		if err := f.Fetch(t.Context(), []Item{item(c.url)}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Has(digest.FromBytes(content)) {
			t.Errorf("%s: was followed", name)
		}
	}
	plain.want(t)
}

func TestCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(good))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the refusal
	srv.StartTLS()
	defer srv.Close()
	s := open(t)
	f := fetcher(s)
	// follows: fetch: set TWICE_CA_FILE to the certificate of your proxy or mirror
	err := f.Fetch(t.Context(), []Item{item(srv.URL)})
	if err == nil || !strings.Contains(fault.HintOf(err), "TWICE_CA_FILE") {
		t.Errorf("Fetch: %v; hint %q", err, fault.HintOf(err))
	}
	f.Client = srv.Client()
	check(t, s, f.Fetch(t.Context(), []Item{item(srv.URL)}))
}

func TestFileAddress(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a+b~1.deb")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t)
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{item("file:///does/not/exist", "file://"+strings.ReplaceAll(name, "+", "%2B"))}))
}

func TestLocal(t *testing.T) {
	from := func(b []byte, err error) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) {
			if err != nil {
				return nil, err
			}
			return io.NopCloser(bytes.NewReader(b)), nil
		}
	}
	broken := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("x"), &failingReader{})), nil
	}
	for name, c := range map[string]struct {
		local func(context.Context) (io.ReadCloser, error)
		asked int
	}{
		"right":  {from(content, nil), 0},
		"wrong":  {from([]byte("tampered"), nil), 1},
		"none":   {from(nil, fs.ErrNotExist), 1},
		"broken": {broken, 1},
	} {
		s, srv := open(t), serve(t, good)
		it := item(srv.URL)
		it.Local = c.local
		f := fetcher(s)
		check(t, s, f.Fetch(t.Context(), []Item{it}))
		srv.want(t, make([]string, c.asked)...)

		// The same without addresses.
		s = open(t)
		f = fetcher(s)
		f.Offline = true
		err := f.Fetch(t.Context(), []Item{it})
		if (err == nil) != (c.asked == 0) {
			t.Errorf("%s, offline: %v", name, err)
		}
		var m *MismatchError
		if errors.As(err, &m) != (name == "wrong") {
			t.Errorf("%s, offline: %v", name, err)
		}
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("bad sector") }

func TestOffline(t *testing.T) {
	s, srv := open(t), serve(t, good)
	if _, err := s.PutBytes(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	f := fetcher(s)
	f.Offline = true
	check(t, s, f.Fetch(t.Context(), []Item{item(srv.URL)}))
	items := []Item{item(srv.URL)}
	for i := range 5 {
		items = append(items, Item{Kind: "deb", Name: fmt.Sprint(i), Digest: digest.FromString(fmt.Sprint(i)), Size: 3, URLs: []string{srv.URL}})
	}
	err := f.Fetch(t.Context(), items)
	if want := "5 of 6 inputs are missing: deb 0, deb 1, deb 2, and 2 more"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "run `twice fetch`") {
		t.Errorf("hint %q", hint)
	}
	if _, err := f.Get(t.Context(), []string{srv.URL}, 10); err == nil {
		t.Error("Get went online")
	}
	srv.want(t)
}

func TestBadItems(t *testing.T) {
	s := open(t)
	it := item()
	it.Digest = "sha256:../../etc/passwd"
	if err := fetcher(s).Fetch(t.Context(), []Item{it}); err == nil {
		t.Error("a bad digest was taken")
	}
	if _, err := s.PutBytes(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	it = item()
	it.Size = 7
	if err := fetcher(s).Fetch(t.Context(), []Item{it}); err == nil || !strings.Contains(err.Error(), "has 3145728 bytes, the lock says 7") {
		t.Errorf("wrong size in the lock: %v", err)
	}
	if !s.Has(it.Digest) {
		t.Error("the blob was removed")
	}
}

// A blob that the disk has cut short is fetched again.
func TestHealing(t *testing.T) {
	s, srv := open(t), serve(t, good)
	d, err := s.PutBytes(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(s.Path(d), 0o644), os.Truncate(s.Path(d), 100)); err != nil {
		t.Fatal(err)
	}
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{item(srv.URL)}))
}

func TestGet(t *testing.T) {
	gone, broken := serve(t, code(404)), serve(t, code(503), good)
	f := fetcher(open(t))
	b, err := f.Get(t.Context(), []string{gone.URL, broken.URL}, int64(len(content)))
	if err != nil || !bytes.Equal(b, content) {
		t.Errorf("Get: %d bytes, %v", len(b), err)
	}
	if _, err := f.Get(t.Context(), []string{broken.URL}, int64(len(content))-1); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Get beyond its limit: %v", err)
	}
	if _, err := f.Get(t.Context(), []string{gone.URL}, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %v", err)
	}
	if _, err := f.Get(t.Context(), nil, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %v", err)
	}
	wrong, right := serve(t, garbage), serve(t, good)
	b, err = f.GetChecked(t.Context(), []string{wrong.URL, right.URL}, 4<<20, func(b []byte) error {
		if !bytes.Equal(b, content) {
			return errors.New("not signed")
		}
		return nil
	})
	if err != nil || len(b) != len(content) {
		t.Errorf("GetChecked: %d bytes, %v", len(b), err)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes 9-5/10", "bytes */10", "bytes -1-9/10", "items 0-9/10"} {
		mutate.Add(f, s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, total, ok := parseContentRange(s); ok && (first < 0 || total != -1 && first >= total) {
			t.Errorf("%q: %d of %d", s, first, total)
		}
	})
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string]bool{
		"bytes 0-9/10": true, "bytes 5-9/*": true, "bytes 9-5/10": false, "bytes */10": false, "bytes 0-10/10": false,
		"bytes -1-9/10": false, "items 0-9/10": false, "bytes 0-9": false, "": false, "bytes 0-9/x": false,
	} {
		if _, _, ok := parseContentRange(s); ok != want {
			t.Errorf("%q: %v", s, ok)
		}
	}
}
