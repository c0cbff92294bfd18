package publish

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	twiceregistry "github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
)

// server is a registry on the loopback interface that says what was asked of
// it, and may want a login.
type server struct {
	host string
	mu   sync.Mutex
	puts []string // paths, in the order in which they were asked for
	// refuse answers in the registry's place where it returns true.
	refuse func(w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if r.Method == http.MethodPut {
			s.puts = append(s.puts, r.URL.Path)
		}
		s.mu.Unlock()
		if s.refuse == nil || !s.refuse(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s.host = strings.TrimPrefix(srv.URL, "http://")
	return s
}

// login refuses everybody but one user.
func login(user, password string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		u, p, _ := r.BasicAuth()
		if u == user && p == password {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

// An index goes after its images, and all of it is as the store has it.
func TestPushedIndex(t *testing.T) {
	s := newServer(t)
	st, amd64 := small(t)
	arm64, err := image.Write(t.Context(), st, nil, nil, image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}})
	if err != nil {
		t.Fatal(err)
	}
	desc, err := image.WriteIndex(t.Context(), st, []image.Image{arm64, amd64})
	if err != nil {
		t.Fatal(err)
	}
	got, err := send(t, st, desc, verdict.Index, parse(t, s.host+"/team/tool:1.2.3"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := s.host + "/team/tool@" + desc.Digest.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ref, err := name.ParseReference(s.host + "/team/tool:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := pulled.Digest(); err != nil || d.String() != desc.Digest.String() {
		t.Errorf("pulled %s, %v", d, err)
	}
	for _, im := range []image.Image{amd64, arm64} {
		if _, err := remote.Image(ref.Context().Digest(im.Desc.Digest.String())); err != nil {
			t.Error(err)
		}
	}
	if last := s.puts[len(s.puts)-1]; last != "/v2/team/tool/manifests/1.2.3" {
		t.Errorf("the last that was put is %s", last)
	}
}

// small is an image of one layer.
func small(t *testing.T) (*store.Store, image.Image) {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	tree := layer.NewTree()
	if err := tree.Add(layer.File("file", 0o644, 0, []byte("content"))); err != nil {
		t.Fatal(err)
	}
	l, err := layer.Write(t.Context(), st, tree, layer.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Write(t.Context(), st, nil, []layer.Layer{l}, image.Config{Epoch: 1, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	return st, img
}

func parse(t *testing.T, s string) Address {
	t.Helper()
	a, err := ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPushedBytesAreTheStores(t *testing.T) {
	s := newServer(t)
	st, img := small(t)
	to := parse(t, s.host+"/team/tool:1.2.3")
	if err := Check(t.Context(), to, Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := send(t, st, img.Desc, verdict.Image, to, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := s.host + "/team/tool@" + img.Desc.Digest.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ref, err := name.ParseReference(s.host + "/team/tool:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pulled.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if d.String() != img.Desc.Digest.String() {
		t.Errorf("the tag has %s, want %s", d, img.Desc.Digest)
	}
	// The tag comes when all is there.
	last := s.puts[len(s.puts)-1]
	if last != "/v2/team/tool/manifests/1.2.3" {
		t.Errorf("the last thing that was pushed is %s", last)
	}
	for _, p := range s.puts[:len(s.puts)-1] {
		if strings.Contains(p, "/manifests/1.2.3") {
			t.Errorf("the tag was written before the end: %s", s.puts)
		}
	}
}

func TestLogin(t *testing.T) {
	s := newServer(t)
	s.refuse = login("bob", "right-word")
	st, img := small(t)
	to := parse(t, s.host+"/team/tool:1")
	good := Options{Username: "bob", Password: "right-word"}
	if err := Check(t.Context(), to, good); err != nil {
		t.Error(err)
	}
	if _, err := send(t, st, img.Desc, verdict.Image, to, good); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		opt  Options
		hint string
	}{
		{Options{}, "it wants a login"},
		{Options{Username: "bob", Password: "wrong-word"}, "password of user bob"},
	} {
		_, err := send(t, st, img.Desc, verdict.Image, to, c.opt)
		for _, err := range []error{err, Check(t.Context(), to, c.opt)} {
			if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			if strings.Contains(fmt.Sprintf("%+v %s", err, fault.HintOf(err)), "wrong-word") {
				t.Errorf("the password is in %v", err)
			}
		}
	}
}

// Without a user name the login may be Docker's, and it is named when it is
// refused.
func TestDockersLogin(t *testing.T) {
	s := newServer(t)
	s.refuse = login("bob", "right-word")
	st, img := small(t)
	to := parse(t, s.host+"/team/tool:1")
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	for _, c := range []struct{ password, hint string }{{"right-word", ""}, {"wrong-word", "another login"}} {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"username":"bob","password":%q}}}`, s.host, c.password), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := send(t, st, img.Desc, verdict.Image, to, Options{Docker: true})
		for _, err := range []error{err, Check(t.Context(), to, Options{Docker: true})} {
			if (err == nil) != (c.hint == "") || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), "wrong-word") {
				t.Errorf("the password is in %v", err)
			}
		}
		// It is not used unasked.
		if err := Check(t.Context(), to, Options{}); err == nil {
			t.Error("Docker's login was used unasked")
		}
	}
}

// Of what a login server says nothing is repeated, nor the state that a
// registry keeps in the URL of an upload.
func TestNothingIsRepeated(t *testing.T) {
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Fprint(w, `{"refresh_token":"hidden-word"}`)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="registry"`, srv.URL))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	to := parse(t, strings.TrimPrefix(srv.URL, "http://")+"/team/tool:1")
	r, err := twiceregistry.Open(to.tag.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	upload := &url.Error{Op: "Patch", URL: "https://user:hidden-word@registry.test/v2/tool/blobs/uploads/1?_state=hidden-word", Err: io.ErrUnexpectedEOF}
	for want, err := range map[string]error{
		"no token":     Check(t.Context(), to, Options{Username: "bob", Password: "right-word"}),
		"/uploads/1\"": explain(r, to, fmt.Errorf("uploading: %w", upload)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pushing to "+to.String()) {
			t.Errorf("%v, want %s", err, want)
		}
		if text := fmt.Sprintf("%v %s", err, fault.HintOf(err)); strings.Contains(text, "hidden-word") || strings.Contains(text, "right-word") {
			t.Errorf("too much is said: %s", text)
		}
	}
	if !errors.Is(explain(r, to, upload), io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	st, img := small(t)
	to := parse(t, s.host+"/team/tool:1")
	s.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if _, err := send(t, st, img.Desc, verdict.Image, to, Options{}); err == nil || !strings.Contains(fault.HintOf(err), "team/tool") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	nobody := parse(t, "127.0.0.1:1/team/tool:1")
	for _, err := range []error{Check(t.Context(), nobody, Options{})} {
		if err == nil || !strings.Contains(fault.HintOf(err), "can it be reached") {
			t.Errorf("error %v, hint %q", err, fault.HintOf(err))
		}
	}
}

// A registry that is reached at another address keeps its own name.
func TestRegistryElsewhere(t *testing.T) {
	s := newServer(t)
	st, img := small(t)
	opt := Options{At: s.host}
	got, err := send(t, st, img.Desc, verdict.Image, parse(t, "localhost:1/team/tool:1"), opt)
	if err != nil || !strings.HasPrefix(got, "localhost:1/team/tool@sha256:") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAddresses(t *testing.T) {
	for _, ok := range []string{"localhost:5000/tool:1", "registry.example.org/a/b/tool:v1.2"} {
		if a, err := ParseAddress(ok); err != nil || a.String() != ok {
			t.Errorf("%s: %s, %v", ok, a, err)
		}
	}
	for bad, want := range map[string]string{
		"":                              "empty",
		"registry.example.org/tool":     "lacks",
		"tool":                          "lacks",
		"tool:1":                        "",
		"registry.example.org/Tool:1":   "",
		"registry.example.org/tool:a b": "",
		"registry.example.org/tool@sha256:" + strings.Repeat("0", 64): "has a digest",
	} {
		_, err := ParseAddress(bad)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), "registry/name:tag") {
			t.Errorf("%q: error %v, hint %q", bad, err, fault.HintOf(err))
		}
	}
}

// A blob that has changed in the store never gets there whole.
func TestDamagedLayer(t *testing.T) {
	s := newServer(t)
	st, img := small(t)
	file := st.Path(img.Manifest.Layers[0].Digest)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, data, 0o444)); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, st, img.Desc, verdict.Image, parse(t, s.host+"/team/tool:1"), Options{}); err == nil || !strings.Contains(err.Error(), "corrupted") {
		t.Errorf("a damaged layer: %v", err)
	}
	ref, err := name.ParseReference(s.host + "/team/tool:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err == nil {
		t.Error("the tag is there")
	}
}
