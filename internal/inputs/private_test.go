package inputs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
)

// fresh are tools with nothing fetched yet.
func fresh(t *testing.T, offline bool) resolve.Tools {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := address.New(address.Mirrors{}, func(name string) string {
		if strings.HasPrefix(name, "CARGO_REGISTRIES_") { // what credential.Logins lends
			return os.Getenv(name)
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Client: r.HTTPClient(), Offline: offline}}
}

// privateBase is an image for linux/amd64 at a registry that wants a login,
// named by the digest of its index, which has one for another platform first.
func privateBase(t *testing.T) (ref, host string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "bob" || p != "right-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	host = strings.TrimPrefix(srv.URL, "http://")
	var ix v1.ImageIndex = empty.Index
	for _, arch := range []string{"arm64", "amd64"} {
		img, err := random.Image(100, 1)
		if err != nil {
			t.Fatal(err)
		}
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c.OS, c.Architecture = "linux", arch
		if img, err = mutate.ConfigFile(img, c); err != nil {
			t.Fatal(err)
		}
		ix = mutate.AppendManifests(ix, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	repo, err := name.NewRepository(host + "/team/base")
	if err != nil {
		t.Fatal(err)
	}
	d, err := ix.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(repo.Digest(d.String()), ix, remote.WithAuth(&authn.Basic{Username: "bob", Password: "right-word"})); err != nil {
		t.Fatal(err)
	}
	return host + "/team/base@" + d.String(), host
}

// gitDependency is a Cargo.lock with one crate of a repository here.
func gitDependency(t *testing.T) (cargoLock, dir, commit string) {
	t.Helper()
	dir = t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte("[package]\nname = \"dep\"\nversion = \"0.1.0\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", "Cargo.toml")
	git("commit", "-q", "-m", "first")
	commit = git("rev-parse", "HEAD")
	return fmt.Sprintf("version = 4\n\n[[package]]\nname = \"dep\"\nversion = \"0.1.0\"\nsource = \"git+ssh://git@git.test/team/dep#%s\"\n", commit), dir, commit
}

func project(t *testing.T, cargoLock string, bases ...string) *resolve.Project {
	t.Helper()
	p := &resolve.Project{Config: &config.File{}, CargoLockText: cargoLock}
	var err error
	if p.CargoLock, err = cargo.ParseLock([]byte(cargoLock)); err != nil {
		t.Fatal(err)
	}
	for _, b := range bases {
		p.Config.Images = append(p.Config.Images, config.Image{Base: b})
	}
	return p
}

// What took a login is taken from the bundle without one, offline, and the
// bundle's bytes don't say who logged in.
func TestPrivate(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git on this machine")
	}
	t.Setenv("HOME", t.TempDir())
	ref, host := privateBase(t)
	cargoLock, repo, commit := gitDependency(t)
	v := NewPrivate(project(t, cargoLock, ref, "runtime-cc", ref), true, true, false)
	if d := cmp.Diff(Private{CargoLock: cargoLock, Bases: []string{ref}}, v); d != "" {
		t.Error(d)
	}
	login := credential.Logins{Docker: fmt.Sprintf(`{"auths":{%q:{"username":"bob","password":"right-word"}}}`, host)}
	var dirs []string
	for range 2 {
		tools := fresh(t, false)
		asked := 0
		tools.BringGit = func(_ context.Context, url, c string) (string, error) {
			asked++
			if url != "ssh://git@git.test/team/dep" || c != commit {
				t.Errorf("asked for %s at %s", url, c)
			}
			return repo, nil
		}
		back, err := login.Lend()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "private")
		if err := errors.Join(v.Write(t.Context(), tools, dir), back()); err != nil {
			t.Fatal(err)
		}
		if asked != 1 {
			t.Errorf("git was brought %d times", asked)
		}
		dirs = append(dirs, dir)
	}
	if a, b := indexOf(t, dirs[0]), indexOf(t, dirs[1]); a != b {
		t.Errorf("two of the same differ:\n%s\n%s", a, b)
	}
	tools := fresh(t, true)
	if err := ReadBundle(t.Context(), tools, dirs[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := resolve.Pull(t.Context(), tools, ref, true); err != nil {
		t.Error(err)
	}
	if _, err := source.FetchGit(t.Context(), source.GitOptions{URLs: []string{"ssh://git@git.test/team/dep"}, Commit: commit, Dir: resolve.GitCache(tools), Offline: true}); err != nil {
		t.Error(err)
	}
}

func indexOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Without the login, or with a wrong one, the error says what to do and nothing
// of the login.
func TestPrivateRefused(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	ref, host := privateBase(t)
	for _, l := range []credential.Logins{
		{},
		{Docker: fmt.Sprintf(`{"auths":{%q:{"username":"bob","password":"wrong-word"}}}`, host)},
		{Docker: `{"auths":{"other.test":{"username":"bob","password":"wrong-word"}}}`},
	} {
		back, err := l.Lend()
		if err != nil {
			t.Fatal(err)
		}
		err = Private{Bases: []string{ref}}.Write(t.Context(), fresh(t, false), filepath.Join(t.TempDir(), "private"))
		if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(fault.HintOf(err), "docker login "+host) {
			t.Errorf("error %v, hint %q", err, fault.HintOf(err))
		}
		if strings.Contains(fmt.Sprintf("%+v %s", err, fault.HintOf(err)), "wrong-word") {
			t.Errorf("the password is in %v", err)
		}
		if err := back(); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingPrivate(t *testing.T) {
	cargoLock, _, _ := gitDependency(t)
	ref := "registry.test/a@sha256:" + strings.Repeat("0", 64)
	for name, v := range map[string]Private{
		"no login at all":   NewPrivate(project(t, cargoLock, ref), false, false, true),
		"no git dependency": NewPrivate(project(t, "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n", ref), true, false, false),
		"no base by digest": NewPrivate(project(t, cargoLock, "runtime-cc"), false, true, false),
	} {
		if !v.Empty() {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Crates of a registry that wants a token are fetched with the one that was
// lent, and are in the bundle; nothing else of the lock is.
func TestPrivateCrates(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CARGO_HOME", t.TempDir())
	const crate = "what the crate is"
	var host string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "right-word":
			http.Error(w, "", http.StatusUnauthorized)
		case r.URL.Path == "/index/config.json":
			fmt.Fprintf(w, `{"dl":"%s/dl","auth-required":true}`, host)
		case r.URL.Path == "/dl/dep/1.0.0/download":
			io.WriteString(w, crate)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	host = srv.URL
	index := "sparse+" + host + "/index/"
	sum := digest.FromString(crate)
	text := fmt.Sprintf("version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"dep\",\n \"other\",\n]\n\n"+
		"[[package]]\nname = \"dep\"\nversion = \"1.0.0\"\nsource = %q\nchecksum = %q\n\n"+
		"[[package]]\nname = \"other\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = %q\n", index, sum.Encoded(), strings.Repeat("0", 64))
	p := project(t, text)
	p.Workspace = &cargo.Workspace{Config: cargo.Config{Registries: map[string]string{"company": index}}}
	v := NewPrivate(p, true, true, true)
	if d := cmp.Diff(Private{Crates: text, Registries: []string{"company=" + index}}, v); d != "" {
		t.Error(d)
	}
	dir := filepath.Join(t.TempDir(), "private")
	err := v.Write(t.Context(), fresh(t, false), dir)
	if err == nil || !strings.Contains(err.Error(), "wants a login") || !strings.Contains(fault.HintOf(err), "CARGO_REGISTRIES_COMPANY_TOKEN") {
		t.Fatalf("without a token: %v (%s)", err, fault.HintOf(err))
	}
	back, err := credential.Logins{Cargo: "[registries.company]\ntoken = \"right-word\"\n"}.Lend()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.Write(t.Context(), fresh(t, false), dir), back()); err != nil {
		t.Fatal(err)
	}
	tools := fresh(t, true)
	if err := ReadBundle(t.Context(), tools, dir); err != nil {
		t.Fatal(err)
	}
	if !tools.Store.Has(sum) {
		t.Error("the crate is not in the bundle")
	}
	if strings.Contains(indexOf(t, dir), "right-word") {
		t.Error("the token is in the bundle")
	}
}
