package address

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
)

// registry is a sparse registry that wants a token, and remembers who had one.
func registry(t *testing.T, token string, required bool) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	guard := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != token {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			f(w, r)
		}
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("/index/config.json", guard(func(w http.ResponseWriter, r *http.Request) {
		auth := ""
		if required {
			auth = `,"auth-required":true`
		}
		io.WriteString(w, `{"dl":"`+srv.URL+`/dl/{crate}/{sha256-checksum}"`+auth+`}`)
	}))
	mux.HandleFunc("/dl/", guard(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	return srv
}

// get fetches as package fetch does, in short.
func get(c *http.Client) func(ctx context.Context, urls []string, max int64) ([]byte, error) {
	return func(ctx context.Context, urls []string, max int64) ([]byte, error) {
		resp, err := c.Get(urls[0])
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, &LoginError{io.EOF}
		}
		return io.ReadAll(resp.Body)
	}
}

func file(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// Every way in which cargo finds a token is followed; without one the error says
// which of them to take.
func TestRegistryTokens(t *testing.T) {
	srv := registry(t, "s3cret", true)
	index := "sparse+" + srv.URL + "/index/"
	bin := t.TempDir()
	plugin := file(t, filepath.Join(bin, "plugin"), `#!/bin/sh
[ "$1" = --cargo-plugin ] || exit 3
echo '{"v":[1]}'
read ask
case $ask in
*'"kind":"get"'*'"index-url":"`+index+`"'*) echo '{"Ok":{"kind":"get","token":"s3cret","cache":"session","operation_independent":true}}' ;;
*) echo '{"Err":{"kind":"not-found"}}' ;;
esac
`, 0o755)
	none := file(t, filepath.Join(bin, "none"), "#!/bin/sh\necho '{\"v\":[1]}'\nread ask\necho '{\"Err\":{\"kind\":\"not-found\"}}'\n", 0o755)
	broken := file(t, filepath.Join(bin, "broken"), "#!/bin/sh\necho hello\n", 0o755)
	named := "[registries.my-company]\nindex = \"" + index + "\"\n"
	for _, c := range []struct {
		name, config, credentials string
		env                       map[string]string
		err, hint                 string
	}{
		{name: "the environment", env: map[string]string{"CARGO_REGISTRIES_MY_COMPANY_TOKEN": "s3cret"}},
		{name: "what cargo login wrote", credentials: "[registries.my-company]\ntoken = \"s3cret\"\n"},
		{name: "a program that prints it", config: "credential-provider = [\"cargo:token-from-stdout\", \"echo\", \"s3cret\"]\n"},
		{name: "a program with cargo's protocol", config: "credential-provider = \"" + plugin + "\"\n"},
		{name: "an alias", config: "credential-provider = \"mine\"\n[credential-alias]\nmine = [\"cargo:token-from-stdout\", \"echo\", \"s3cret\"]\n"},
		{name: "the global ones, the last first", config: "[registry]\nglobal-credential-providers = [\"cargo:token\", \"" + none + "\"]\n", credentials: "[registries.my-company]\ntoken = \"s3cret\"\n"},
		// follows: address: run `cargo login --registry %s`, or set %s
		// follows: address: %w, and its credential provider %s is not one that can be asked here
		// follows: address: it is the registry's credential provider cargo:token-from-stdout
		// follows: address: asking the credential provider %s: %w
		{name: "a keychain, and the variable", config: "credential-provider = \"cargo:libsecret\"\n", env: map[string]string{"CARGO_REGISTRIES_MY_COMPANY_TOKEN": "s3cret"}},
		{name: "nothing", err: "the registry my-company (" + index + ") wants a login", hint: "run `cargo login --registry my-company`, or set CARGO_REGISTRIES_MY_COMPANY_TOKEN; a call of the Dagger module takes the token as --cargo-credentials"},
		{name: "a keychain", config: "credential-provider = \"cargo:libsecret\"\n", err: "its credential provider cargo:libsecret is not one that can be asked here", hint: "set CARGO_REGISTRIES_MY_COMPANY_TOKEN, or use cargo:token-from-stdout"},
		{name: "a program that fails", config: "credential-provider = [\"cargo:token-from-stdout\", \"false\"]\n", err: "asking false for a token", hint: "credential provider"},
		{name: "a program that says something else", config: "credential-provider = \"" + broken + "\"\n", err: "doesn't speak version 1", hint: "cargo login"},
		{name: "a damaged file", credentials: "[registries.my-company]\ntoken = s3cret\n", err: "reading cargo's configuration: line 2 can't be read", hint: "credentials.toml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			file(t, filepath.Join(home, "config.toml"), named+c.config, 0o644)
			file(t, filepath.Join(home, "credentials.toml"), c.credentials, 0o600)
			env := map[string]string{"CARGO_HOME": home, "HOME": home}
			for k, v := range c.env {
				env[k] = v
			}
			r, err := newResolver(Mirrors{}, func(k string) string { return env[k] }, t.TempDir())
			if err == nil {
				client := r.HTTPClient()
				err = r.OpenIndex(context.Background(), index, nil, Asker{Get: get(client)})
				if err == nil {
					urls := r.CrateOf(index, "", "a", "1.0.0", "abc")
					if d := cmp.Diff([]string{srv.URL + "/dl/a/abc"}, urls); d != "" {
						t.Error(d)
					}
					if b, err := get(client)(context.Background(), urls, 0); err != nil || string(b) != "/dl/a/abc" {
						t.Errorf("%q, %v", b, err)
					}
				}
			}
			if (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(fault.HintOf(err), c.hint)) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			if err != nil && strings.Contains(err.Error()+fault.HintOf(err), "s3cret") {
				t.Errorf("the token is in the error: %v", err)
			}
		})
	}
}

// A registry that cargo's configuration has no name for is given one.
func TestUnnamedRegistryToken(t *testing.T) {
	srv := registry(t, "s3cret", true)
	index := "sparse+" + srv.URL + "/index/"
	ask := func(config string, env map[string]string) error {
		home := t.TempDir()
		file(t, filepath.Join(home, "config.toml"), config, 0o644)
		env["CARGO_HOME"], env["HOME"] = home, home
		r, err := newResolver(Mirrors{}, func(k string) string { return env[k] }, t.TempDir())
		if err != nil {
			return err
		}
		return r.OpenIndex(context.Background(), index, nil, Asker{Get: get(r.HTTPClient())})
	}
	// follows: address: give it a name: registries.NAME.index =
	if err := ask("", map[string]string{}); !strings.HasPrefix(fault.HintOf(err), "give it a name: registries.NAME.index = ") || !strings.HasSuffix(fault.HintOf(err), "CARGO_REGISTRIES_NAME_TOKEN; a call of the Dagger module takes the token as --cargo-credentials") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if err := ask("registries.NAME.index = \""+index+"\"\n", map[string]string{"CARGO_REGISTRIES_NAME_TOKEN": "s3cret"}); err != nil {
		t.Error(err)
	}
}

// recorder is a transport that keeps what it was asked.
type recorder struct {
	asked  []string
	status int
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.asked = append(r.asked, req.URL.String()+" "+req.Header.Get("Authorization"))
	return &http.Response{StatusCode: r.status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{"Location": {"https://elsewhere.test/x"}}, Request: req}, nil
}

// A login reaches the place that it is for, over TLS or on this machine.
func TestWhereLoginsGo(t *testing.T) {
	ask := func(context.Context) (string, error) { return "s3cret", nil }
	for _, c := range []struct {
		url  string
		want string
	}{
		{"https://crates.test/index/a", "s3cret"},
		{"https://crates.test/other", ""},
		{"https://crates.test.evil.test/index/a", ""},
		{"http://crates.test/index/a", ""},
		{"http://plain.test/index/a", ""},
		{"http://127.0.0.1:9/index/a", "s3cret"},
		{"https://mirror.test/x", "Basic dTpw"},
		{"http://mirror.test/x", ""},
		{"https://x:y@mirror.test/x", ""},
	} {
		rec := &recorder{status: 200}
		l := &logins{netrc: credential.ParseNetrc("machine mirror.test login u password p\n")}
		for _, p := range []string{"https://crates.test/index/", "http://crates.test/index/", "http://plain.test/index/", "http://127.0.0.1:9/index/"} {
			l.authorize(p, &token{ask: ask, eager: true})
		}
		resp, err := (&http.Client{Transport: &loginTransport{rec, l}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(c.url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if _, got, _ := strings.Cut(rec.asked[0], " "); got != c.want && !(c.want == "" && strings.HasPrefix(got, "Basic eDp5")) {
			t.Errorf("%s: sent %q, want %q", c.url, got, c.want)
		}
	}
	// What has a login already keeps it: container registries have their own.
	own := &recorder{status: 200}
	req, err := http.NewRequest(http.MethodGet, "https://mirror.test/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer own")
	if _, err := (&loginTransport{own, &logins{netrc: credential.ParseNetrc("machine mirror.test login u password p\n")}}).RoundTrip(req); err != nil || own.asked[0] != "https://mirror.test/v2/ Bearer own" {
		t.Errorf("%v, %v", own.asked, err)
	}
	// A redirect's target gets nothing.
	rec := &recorder{status: 302}
	l := &logins{}
	l.authorize("https://crates.test/", &token{ask: ask, eager: true})
	n := 0
	client := &http.Client{Transport: &loginTransport{rec, l}, CheckRedirect: func(*http.Request, []*http.Request) error {
		if n++; n > 1 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	if resp, err := client.Get("https://crates.test/dl"); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	if d := cmp.Diff([]string{"https://crates.test/dl s3cret", "https://elsewhere.test/x "}, rec.asked); d != "" {
		t.Error(d)
	}
}

// A proxy of cargo's is used where the environment names none.
func TestCargoProxy(t *testing.T) {
	home := t.TempDir()
	file(t, filepath.Join(home, "config.toml"), "[http]\nproxy = \"proxy.test:3128\"\ncainfo = \"company.pem\"\n", 0o644)
	h, err := readCargoHome(func(k string) string { return map[string]string{"CARGO_HOME": home}[k] })
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(home), "company.pem"); h.HTTP.CAInfo != want {
		t.Errorf("cainfo %s, want %s", h.HTTP.CAInfo, want)
	}
	r := &Resolver{cargo: h}
	req, err := http.NewRequest(http.MethodGet, "https://crates.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(v) != "" {
			t.Skip("this machine has a proxy of its own")
		}
	}
	if p, err := r.proxy(req); err != nil || p == nil || p.Host != "proxy.test:3128" {
		t.Errorf("proxy %v, %v", p, err)
	}
}
