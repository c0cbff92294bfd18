package credential_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/source"
)

func lend(t *testing.T, l credential.Logins) (back func() error) {
	t.Helper()
	t.Setenv("HOME", t.TempDir()) // nobody's own login
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("REGISTRY_AUTH_FILE", "")
	back, err := l.Lend()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back() })
	return back
}

func TestDocker(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", "/before")
	text := fmt.Sprintf(`{"auths":{"registry.test":{"auth":%q},"helped.test":{}},"credHelpers":{"helped.test":"cloud"},"HttpHeaders":{"X":"y"}}`,
		base64.StdEncoding.EncodeToString([]byte("bob:right-word")))
	back := lend(t, credential.Logins{Docker: text})
	dir := os.Getenv("DOCKER_CONFIG")
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "config.json": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	for host, want := range map[string]string{"registry.test": "bob right-word", "other.test": " ", "helped.test": " "} {
		reg, err := name.NewRegistry(host)
		if err != nil {
			t.Fatal(err)
		}
		a, err := authn.DefaultKeychain.Resolve(reg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Authorization()
		if got := c.Username + " " + c.Password; err != nil || got != want {
			t.Errorf("%s: %q, %v", host, got, err)
		}
	}
	if err := back(); err != nil {
		t.Error(err)
	}
	if got := os.Getenv("DOCKER_CONFIG"); got != "/before" {
		t.Errorf("DOCKER_CONFIG is %s after", got)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

// git logs in at the host of the line and says clearly when it can't.
func TestGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git on this machine")
	}
	backend := gitBackend(t)
	root, commit := newRepository(t)
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u != "bob" || p != "right-word" {
			if u != "" {
				asked++
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		(&cgi.Handler{Path: backend, Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		}, InheritEnv: []string{"PATH"}}).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	with := func(login string) string { return strings.Replace(srv.URL, "://", "://"+login+"@", 1) }
	fetch := func() error {
		_, err := source.FetchGit(t.Context(), source.GitOptions{URLs: []string{srv.URL + "/repo"}, Commit: commit, Dir: t.TempDir()})
		return err
	}
	back := lend(t, credential.Logins{Git: "# of the lab\n\n" + with("bob:right-word") + "\n"})
	file := filepath.Join(filepath.Dir(os.Getenv("GIT_CONFIG_GLOBAL")), "git-credentials")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := fetch(); err != nil {
		t.Error(err)
	}
	if err := back(); err != nil {
		t.Error(err)
	}
	// follows: source: it wants another login
	if err := fetch(); err == nil || !strings.Contains(fault.HintOf(err), "it wants another login: git's own settings have to hold one") {
		t.Errorf("without a login: %v; hint %q", err, fault.HintOf(err))
	}
	if back := lend(t, credential.Logins{Git: with("bob:right-word")}); true {
		if err := errors.Join(fetch(), back()); err != nil {
			t.Error(err)
		}
	}
	lend(t, credential.Logins{Git: with("bob:wrong-word")})
	for range 2 { // it is not forgotten after the first time
		err := fetch()
		if err == nil || !strings.Contains(err.Error(), "Authentication failed") {
			t.Errorf("with a wrong login: %v", err)
		}
		if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), "wrong-word") {
			t.Errorf("the password is in %v", err)
		}
	}
	if asked == 0 {
		t.Error("no login was tried")
	}
	lend(t, credential.Logins{Git: "https://bob:right-word@elsewhere.test"})
	asked = 0
	if err := fetch(); err == nil || asked != 0 {
		t.Errorf("a login of another host: %v, tried %d times", err, asked)
	}
}

func gitBackend(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "git-http-backend")
}

func newRepository(t *testing.T) (root, commit string) {
	t.Helper()
	root = t.TempDir()
	at := filepath.Join(root, "repo")
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", at, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	if err := os.WriteFile(filepath.Join(at, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	git("add", "file")
	git("commit", "-q", "-m", "first")
	return root, git("rev-parse", "HEAD")
}

// What is not a login is refused, and not repeated.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		l    credential.Logins
		want string
	}{
		{credential.Logins{Docker: "hidden-word"}, "not what Docker writes"},
		{credential.Logins{Docker: `{"auths":"hidden-word"}`}, "not what Docker writes"},
		{credential.Logins{Docker: `{"hidden-word":1}`}, "has no login"},
		{credential.Logins{Docker: `{"auths":{"registry.test":{}}}`}, "has no login"},
		{credential.Logins{Docker: `{"auths":{"registry.test":{}},"credsStore":"desktop"}`}, "credential helper"},
		{credential.Logins{Git: "\nhidden-word"}, "line 2 of the git credentials"},
		{credential.Logins{Git: "https://hidden-word@git.test"}, "line 1 of the git credentials"},
		{credential.Logins{Git: "ssh://git:hidden-word@git.test"}, "line 1 of the git credentials"},
		{credential.Logins{Git: "https://u:hidden-word%zz@git.test"}, "line 1 of the git credentials"},
		{credential.Logins{Git: "# nothing\n"}, "are empty"},
		{credential.Logins{Netrc: "machine git.test login hidden-word\n"}, "has no login"},
		{credential.Logins{Netrc: "hidden-word"}, "has no login"},
	} {
		back, err := c.l.Lend()
		if err == nil {
			_ = back()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: error %v, hint %q", c.want, err, fault.HintOf(err))
		}
		if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), "hidden-word") {
			t.Errorf("%v holds the text", err)
		}
	}
}

// What the hints of refusals say to write is taken, as it stands there.
func TestHintsAreFollowed(t *testing.T) {
	// follows: credential: the Docker configuration is not what Docker writes
	// follows: credential: the Docker configuration leaves its logins to a credential helper
	// follows: credential: the Docker configuration has no login
	// follows: credential: line %d of the git credentials is no login
	// follows: credential: the git credentials are empty
	// follows: credential: the cargo credentials are not what cargo login writes
	// follows: credential: the cargo credentials have no registry's token
	for _, c := range []struct {
		wrong credential.Logins
		begin string // of what to write, in the hint
		right func(string) credential.Logins
	}{
		{credential.Logins{Docker: "x"}, `{"auths"`, func(s string) credential.Logins { return credential.Logins{Docker: s} }},
		{credential.Logins{Docker: `{"auths":{"registry.test":{}},"credsStore":"desktop"}`}, `{"auths"`, func(s string) credential.Logins { return credential.Logins{Docker: s} }},
		{credential.Logins{Docker: `{"x":1}`}, `{"auths"`, func(s string) credential.Logins { return credential.Logins{Docker: s} }},
		{credential.Logins{Git: "x"}, "https://", func(s string) credential.Logins { return credential.Logins{Git: s} }},
		{credential.Logins{Git: "# nothing\n"}, "https://", func(s string) credential.Logins { return credential.Logins{Git: s} }},
		{credential.Logins{Cargo: "token = x"}, "registries.", func(s string) credential.Logins { return credential.Logins{Cargo: s} }},
		{credential.Logins{Cargo: "[registry]\ntoken = \"x\"\n"}, "registries.", func(s string) credential.Logins { return credential.Logins{Cargo: s} }},
	} {
		_, err := c.wrong.Lend()
		at := strings.Index(fault.HintOf(err), c.begin)
		if at < 0 {
			t.Errorf("%v: hint %q", err, fault.HintOf(err))
			continue
		}
		text, _, _ := strings.Cut(fault.HintOf(err)[at:], ", one a line")
		back, err := c.right(strings.ReplaceAll(text, "…", "dTpw")).Lend()
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if err := back(); err != nil {
			t.Error(err)
		}
	}
}

func TestNone(t *testing.T) {
	t.Setenv("GIT_CONFIG_GLOBAL", "/mine")
	back, err := credential.Logins{}.Lend()
	if err != nil {
		t.Fatal(err)
	}
	if got := os.Getenv("GIT_CONFIG_GLOBAL"); got != "/mine" {
		t.Errorf("GIT_CONFIG_GLOBAL is %s", got)
	}
	if err := back(); err != nil {
		t.Error(err)
	}
}

// Tokens of registries are lent as cargo's variables, and taken back.
func TestCargo(t *testing.T) {
	t.Setenv("CARGO_REGISTRIES_MY_COMPANY_TOKEN", "before")
	back := lend(t, credential.Logins{Cargo: "[registries.my-company]\ntoken = \"right-word\"\n[registry]\ntoken = \"of crates.io\"\n"})
	if got := os.Getenv("CARGO_REGISTRIES_MY_COMPANY_TOKEN"); got != "right-word" {
		t.Errorf("%q", got)
	}
	if err := back(); err != nil || os.Getenv("CARGO_REGISTRIES_MY_COMPANY_TOKEN") != "before" {
		t.Errorf("%v, %q", err, os.Getenv("CARGO_REGISTRIES_MY_COMPANY_TOKEN"))
	}
	for _, text := range []string{"token = right-word", "[registry]\ntoken = \"right-word\"\n"} {
		_, err := credential.Logins{Cargo: text}.Lend()
		if err == nil || strings.Contains(err.Error(), "right-word") || !strings.Contains(fault.HintOf(err), "cargo login") {
			t.Errorf("%v (%s)", err, fault.HintOf(err))
		}
	}
}

func TestParseNetrc(t *testing.T) {
	got := credential.ParseNetrc("# a comment\nmachine a login u password p\nmachine b\n  login v\n  password \"q\"\nmacdef init\n machine c login w password r\n\ndefault login x password y\nmachine a login late password late\n")
	want := map[string]credential.HostLogin{"a": {"u", "p"}, "b": {"v", "\"q\""}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A .netrc serves git, and is gone after.
func TestNetrc(t *testing.T) {
	backend := gitBackend(t)
	root, commit := newRepository(t)
	tried := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, ok := r.BasicAuth()
		if ok {
			tried = u + " " + p
		}
		if u != "bob" || p != "right-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		(&cgi.Handler{Path: backend, Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		}, InheritEnv: []string{"PATH"}}).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	fetch := func() error {
		_, err := source.FetchGit(t.Context(), source.GitOptions{URLs: []string{srv.URL + "/repo"}, Commit: commit, Dir: t.TempDir()})
		return err
	}
	t.Setenv("NETRC", "/before")
	// follows: credential: the .netrc has no login
	if _, err := (credential.Logins{Netrc: "machine 127.0.0.1 login bob\n"}).Lend(); err == nil || fault.HintOf(err) != "a line is: machine HOST login USER password TOKEN" {
		t.Errorf("no login: %v; hint %q", err, fault.HintOf(err))
	}
	back := lend(t, credential.Logins{Netrc: "machine 127.0.0.1 login bob password right-word\n"})
	file, home := os.Getenv("NETRC"), os.Getenv("HOME")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || filepath.Join(home, ".netrc") != file {
		t.Errorf("%s is not 0600 in %s: %v", file, home, err)
	}
	if err := fetch(); err != nil {
		t.Error(err)
	}
	if err := back(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(home); !errors.Is(err, fs.ErrNotExist) || os.Getenv("NETRC") != "/before" || os.Getenv("HOME") == home {
		t.Errorf("still there after: %v, NETRC=%s HOME=%s", err, os.Getenv("NETRC"), os.Getenv("HOME"))
	}
	lend(t, credential.Logins{Netrc: "machine 127.0.0.1 login bob password wrong-word\n"})
	if err := fetch(); err == nil || tried != "bob wrong-word" || fault.HintOf(err) == "" || strings.Contains(fmt.Sprint(err, fault.HintOf(err)), "wrong-word") {
		t.Errorf("with a wrong login: %v, hint %q, tried %q", err, fault.HintOf(err), tried)
	}
}
