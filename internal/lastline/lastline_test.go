package lastline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/lastline"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/publish"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/google/go-containerregistry/pkg/registry"
)

func last(err error) string {
	if err == nil {
		return ""
	}
	all := strings.Split(err.Error(), "\n")
	return all[len(all)-1]
}

func TestError(t *testing.T) {
	plain := errors.New("the cause")
	hinted := fault.Hint(plain, "do this")
	for _, c := range []struct {
		err  error
		want string
	}{
		{plain, "the cause"},
		{hinted, "the cause; hint: do this"},
		{fmt.Errorf("doing: %w", hinted), "doing: the cause; hint: do this"},
		{errors.Join(errors.New("more"), hinted), "more\nthe cause; hint: do this"},
		{errors.New("ends badly: \n"), "ends badly:"},
		{errors.New("work-1329052994/source/crates/tool has no Cargo.lock"), "source/crates/tool has no Cargo.lock"},
		{fault.Hint(errors.New("engine: refused [traceparent:18e21f46-232b]"), "ask"), "engine: refused; hint: ask"},
	} {
		got := lastline.Error(c.err)
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if lastline.Error(nil) != nil || lastline.Exec(nil, "a", "b") != nil {
		t.Error("no error became one")
	}
}

func TestExec(t *testing.T) {
	long := strings.Repeat("line\n", 30)
	got := lastline.Exec(fault.Hint(errors.New("exit 1"), "look above"), "", long).Error()
	if strings.Count(got, "line\n") != 20 || !strings.HasSuffix(got, "\nexit 1; hint: look above") {
		t.Errorf("%q", got)
	}
	if got := lastline.Exec(errors.New("exit 1"), "", "").Error(); got != "exit 1" {
		t.Errorf("%q", got)
	}
}

// Bad input is understood from the last line of a log alone.
func TestBadInput(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	host := privateRegistry(t)
	tools := newTools(t)
	to := func(s string) publish.Address {
		a, err := publish.ParseAddress(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	check := func(a string, opt publish.Options) error { return publish.Check(t.Context(), to(a), opt) }
	ref := host + "/team/base@sha256:" + strings.Repeat("1", 64)
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"a private registry without credentials", check(host+"/team/tool:1", publish.Options{}), []string{host + "/team/tool:1", "401 Unauthorized", "user name and a password"}},
		{"a wrong password", check(host+"/team/tool:1", publish.Options{Username: "bob", Password: "wrong-word"}), []string{host, "401", "password of user bob"}},
		{"a registry that isn't there", check("127.0.0.1:1/team/tool:1", publish.Options{}), []string{"127.0.0.1:1", "refused", "can it be reached"}},
		{"an address without a tag", second(publish.ParseAddress("registry.example.org/team/tool")), []string{"registry.example.org/team/tool", "lacks its registry or its tag", "write registry/name:tag"}},
		{"an address with a short name", second(publish.ParseAddress("localhost:1/x")), []string{"between 2 and 255", "write registry/name:tag"}},
		{"no Cargo.lock", opened(t, tools, map[string]string{"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n"}), []string{"has no Cargo.lock", "cargo generate-lockfile"}},
		{"no Cargo.toml", opened(t, tools, map[string]string{"main.rs": "fn main() {}\n"}), []string{"Cargo.toml"}},
		{"a broken twice.toml", opened(t, tools, map[string]string{"Cargo.toml": manifest, "Cargo.lock": cargoLock, "src/main.rs": "fn main() {}\n", "twice.toml": "[build]\n\nwhat = 1\n"}), []string{"twice.toml", "what", "init --help"}},
		{"a damaged twice.lock", relocked(t, tools), []string{lock.Name, "twice lock"}},
		{"a private base image without credentials", pulled(t, tools, ref), []string{ref, "401", "--docker-config"}},
		{"a login that isn't one", lent(credential.Logins{Docker: "wrong-word"}), []string{"Docker configuration", "docker login writes it"}},
		{"a git login that isn't one", lent(credential.Logins{Git: "wrong-word"}), []string{"line 1 of the git credentials", "https://USER:TOKEN@HOST"}},
		{"an unknown mirror", second(address.ParseMirrors([]string{"crate=http://m.test"})), []string{`"crate=http://m.test"`, "KIND is crates"}},
	} {
		got := last(lastline.Error(c.err))
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: the last line has no %q: %s", c.name, w, got)
			}
		}
		if c.err != nil && strings.Contains(lastline.Error(c.err).Error(), "wrong-word") {
			t.Errorf("%s: the password is in %v", c.name, lastline.Error(c.err))
		}
	}
}

const (
	manifest  = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"
	cargoLock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n"
)

func second[T any](_ T, err error) error { return err }

func privateRegistry(t *testing.T) (host string) {
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
	return strings.TrimPrefix(srv.URL, "http://")
}

func newTools(t *testing.T) resolve.Tools {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := address.New(address.Mirrors{}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Client: r.HTTPClient(), Offline: true}}
}

// opened is what opening a folder with these files says.
func opened(t *testing.T, tools resolve.Tools, files map[string]string) error {
	t.Helper()
	p, err := open(t, tools, files)
	if err == nil {
		_ = p.Close()
	}
	return err
}

func open(t *testing.T, tools resolve.Tools, files map[string]string) (*resolve.Project, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return resolve.Open(t.Context(), tools, dir, resolve.Options{Locked: true})
}

func relocked(t *testing.T, tools resolve.Tools) error {
	t.Helper()
	p, err := open(t, tools, map[string]string{"Cargo.toml": manifest, "Cargo.lock": cargoLock, "src/main.rs": "fn main() {}\n", lock.Name: "version = 99\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.UseLock(t.Context(), tools)
}

func pulled(t *testing.T, tools resolve.Tools, ref string) error {
	t.Helper()
	return second(base.Pull(context.Background(), tools.Store, tools.Resolver, ref, base.Options{}))
}

func lent(l credential.Logins) error {
	back, err := l.Lend()
	if err == nil {
		_ = back()
	}
	return err
}
