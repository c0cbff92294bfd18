package base

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/craton-co/twice/internal/fault"
)

// What registries refuse is said once, with what to do about it.
func TestRefusals(t *testing.T) {
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code) }
	}
	// follows: base: what it has is %s
	// follows: base: failure
	// follows: base: %s limits how much it hands out
	// follows: base: check name and digest
	// follows: base: %s has a problem of its own
	for name, c := range map[string]struct {
		where      string // part of the path that goes wrong
		with       func(http.ResponseWriter)
		text, hint string
	}{
		"401 manifest":   {"/manifests/", status(401), "401 Unauthorized", "docker login"},
		"403 manifest":   {"/manifests/", status(403), "403 Forbidden", "docker login"},
		"404 manifest":   {"/manifests/", status(404), "404 Not Found", "check name and digest"},
		"429 manifest":   {"/manifests/", status(429), "429 Too Many Requests", "limits how much"},
		"500 manifest":   {"/manifests/", status(500), "500 Internal Server Error", "try again later"},
		"404 layer":      {"/blobs/", status(404), "404 Not Found", "check name and digest"},
		"500 layer":      {"/blobs/", status(503), "503 Service Unavailable", "try again later"},
		"other manifest": {"/manifests/", func(w http.ResponseWriter) { fmt.Fprint(w, "{}") }, "what it has is sha256:44136fa355b3", "other bytes"},
		"other layer":    {"/blobs/", func(w http.ResponseWriter) { fmt.Fprint(w, "other") }, "has sha256:d9298a10d1b0", "other bytes"},
		"half a layer": {"/blobs/", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "50")
			fmt.Fprint(w, "half")
		}, "unexpected EOF", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, st := newServer(t), newStore(t)
			p := s.image("app", "amd64", oci, nil)
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, c.where) || strings.HasSuffix(r.URL.Path, p.manifest.Config.Digest.String()) {
					return false
				}
				c.with(w)
				return true
			})
			ref := at(s.host, "app", p.desc.Digest)
			_, err := Pull(t.Context(), st, resolver(t, nil), ref, Options{Platform: amd64, Retry: quick})
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "pulling "+ref+": ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q in it", err, c.text)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("hint %q, want %q in it", fault.HintOf(err), c.hint)
			}
			for _, l := range p.manifest.Layers {
				if st.Has(l.Digest) {
					t.Errorf("layer %s is in the store", l.Digest)
				}
			}
			// It works as soon as the registry does.
			s.answer(nil)
			if _, err := Pull(t.Context(), st, resolver(t, nil), ref, Options{Platform: amd64, Retry: quick}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A registry that breaks off is asked for the rest.
func TestResume(t *testing.T) {
	s, st := newServer(t), newStore(t)
	p := s.image("app", "amd64", oci, nil)
	broken := false
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if broken || !strings.HasSuffix(r.URL.Path, p.manifest.Layers[0].Digest.String()) {
			return false
		}
		broken = true
		w.Header().Set("Content-Length", fmt.Sprint(p.manifest.Layers[0].Size))
		rc, err := s.blobs.Get(r.Context(), "app", hash(p.manifest.Layers[0].Digest))
		if err != nil {
			t.Error(err)
			return true
		}
		defer rc.Close()
		b := make([]byte, 20)
		_, _ = rc.Read(b)
		_, _ = w.Write(b)
		return true
	})
	if _, err := Pull(t.Context(), st, resolver(t, nil), at(s.host, "app", p.desc.Digest), Options{Retry: quick}); err != nil {
		t.Error(err)
	}
	if !broken {
		t.Error("the registry did not break off")
	}
}

const user, password = "builder", "s3cr3t-p4ss"

type nobody struct{}

func (nobody) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// dockerConfig sets Docker's configuration for the test.
func dockerConfig(t *testing.T, host, user, password string) {
	t.Helper()
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	b, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": auth}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

// basic wants a user and password for everything.
func basic(w http.ResponseWriter, r *http.Request) bool {
	if u, p, ok := r.BasicAuth(); ok && u == user && p == password {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

// bearer wants a token, which it gives for user and password.
func bearer(host string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, "%q is not the password", p)
				return true
			}
			fmt.Fprintf(w, `{"token": "t0k3n-%s"}`, r.URL.Query().Get("scope"))
			return true
		}
		if r.Header.Get("Authorization") == "Bearer t0k3n-repository:app:pull" {
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, host))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

func TestCredentials(t *testing.T) {
	for name, guard := range map[string]func(host string) func(http.ResponseWriter, *http.Request) bool{
		"basic":  func(string) func(http.ResponseWriter, *http.Request) bool { return basic },
		"bearer": bearer,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			p := s.image("app", "amd64", oci, nil)
			s.answer(guard(s.host))
			pull := func() error {
				_, err := Pull(t.Context(), newStore(t), resolver(t, nil), at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick})
				return err
			}
			// follows: base: run `docker login %s` as a user who may read %s
			dockerConfig(t, s.host, user, password)
			if err := pull(); err != nil {
				t.Error(err)
			}
			for what, c := range map[string][2]string{"wrong": {user, "wr0ng-p4ss"}, "other host's": {"", ""}} {
				dockerConfig(t, s.host, c[0], c[1])
				if c[0] == "" {
					dockerConfig(t, "registry.test", user, password)
				}
				err := pull()
				if err == nil || !strings.Contains(err.Error(), "401 Unauthorized") || !strings.Contains(fault.HintOf(err), "docker login "+s.host) {
					t.Errorf("%s password: %v; hint %q", what, err, fault.HintOf(err))
				}
				for _, secret := range []string{user, password, "wr0ng-p4ss", "t0k3n", base64.StdEncoding.EncodeToString([]byte(user + ":" + password))} {
					if err != nil && strings.Contains(err.Error()+fault.HintOf(err), secret) {
						t.Errorf("%s password: %q is in the error: %v", what, secret, err)
					}
				}
			}
		})
	}
}

// What a login server says is not repeated, and its 404 is not the image's.
func TestLoginServer(t *testing.T) {
	for body, code := range map[string]int{
		`{"refresh_token": "s3cr3t-p4ss"}`: 200,
		`s3cr3t-p4ss`:                      200,
		`not here: s3cr3t-p4ss`:            404,
	} {
		s := newServer(t)
		p := s.image("app", "amd64", oci, nil)
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				w.WriteHeader(code)
				fmt.Fprint(w, body)
				return true
			}
			return bearer(s.host)(w, r)
		})
		_, err := Pull(t.Context(), newStore(t), resolver(t, nil), at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick})
		if err == nil || !strings.Contains(err.Error(), "logging in at "+s.host) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", body, err)
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: taken for an image that doesn't exist", body)
		}
	}
}

func TestCredentialHelper(t *testing.T) {
	s := newServer(t)
	p := s.image("app", "amd64", oci, nil)
	s.answer(basic)
	bin, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore": "twicetest"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// follows: base: reading Docker's credentials for %s failed
	for script, works := range map[string]bool{
		fmt.Sprintf("cat >/dev/null; echo '{\"Username\": %q, \"Secret\": %q}'", user, password): true,
		"cat >/dev/null; echo broken " + password + "; exit 1":                                   false,
	} {
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-twicetest"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Pull(t.Context(), newStore(t), resolver(t, nil), at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick})
		if works && err != nil {
			t.Error(err)
		}
		if !works && (err == nil || !strings.Contains(fault.HintOf(err), "docker login") || strings.Contains(err.Error(), password)) {
			t.Errorf("%v; hint %q", err, fault.HintOf(err))
		}
	}
}

// Registries redirect to where their blobs are. Credentials stay behind.
func TestRedirect(t *testing.T) {
	s := newServer(t)
	p := s.image("app", "amd64", oci, nil)
	served := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s came with credentials", r.URL)
		}
		for _, l := range p.manifest.Layers {
			if strings.HasSuffix(r.URL.Path, l.Digest.Encoded()) {
				rc, err := s.blobs.Get(r.Context(), "app", hash(l.Digest))
				if err != nil {
					t.Error(err)
					return
				}
				defer rc.Close()
				b := make([]byte, l.Size)
				_, _ = rc.Read(b)
				_, _ = w.Write(b)
			}
		}
	}))
	defer elsewhere.Close()
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if basic(w, r) {
			return true
		}
		for _, l := range p.manifest.Layers {
			if strings.HasSuffix(r.URL.Path, l.Digest.String()) {
				http.Redirect(w, r, elsewhere.URL+"/cdn/"+l.Digest.Encoded(), http.StatusTemporaryRedirect)
				return true
			}
		}
		return false
	})
	dockerConfig(t, s.host, user, password)
	if _, err := Pull(t.Context(), newStore(t), resolver(t, nil), at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick}); err != nil {
		t.Error(err)
	}
	if served != 2 {
		t.Errorf("%d layers came from elsewhere, want 2", served)
	}
}

// plainMirror is a network in which 10.1.2.3:5000 is a server that speaks plain HTTP
// only.
type plainMirror struct{ at string }

func (p plainMirror) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" {
		return nil, errors.New("connection refused")
	}
	r = r.Clone(r.Context())
	r.URL.Host = p.at
	return http.DefaultTransport.RoundTrip(r)
}

// follows: base: %s is not asked without encryption
func TestPlainMirror(t *testing.T) {
	s := newServer(t)
	p := s.image("app", "amd64", oci, nil)
	ref := at("registry.test", "app", p.desc.Digest)
	pull := func(mirror string) error {
		_, err := Pull(t.Context(), newStore(t), resolver(t, map[string]string{"registry.test": mirror}), ref, Options{Platform: amd64, Retry: quick, Transport: plainMirror{s.host}})
		return err
	}
	err := pull("10.1.2.3:5000")
	if want := "write http://10.1.2.3:5000 in [mirrors.registries]"; !strings.Contains(fault.HintOf(err), want) {
		t.Fatalf("%v; hint %q", err, fault.HintOf(err))
	}
	if err := pull("http://10.1.2.3:5000"); err != nil {
		t.Error(err)
	}
}
