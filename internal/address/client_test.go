package address

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestHTTPClient(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto+r.Header.Get("Accept-Encoding"))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o644); err != nil {
		t.Fatal(err)
	}
	get := func(r *Resolver, url string) string {
		t.Helper()
		resp, err := r.HTTPClient().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	byEnv := machine{env: map[string]string{"TWICE_CA_FILE": ca}}.must(t, Mirrors{})
	if got := get(byEnv, srv.URL); got != "HTTP/2.0" {
		t.Errorf("answer %q, want HTTP/2.0 and no encoding asked for", got)
	}
	byFile := machine{files: map[string]string{"home/.config/twice/config.toml": "ca = '" + ca + "'\n"}}
	upstream, err := Upstream(byFile.getenv(byFile.lay(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Resolver{byFile.must(t, Mirrors{}), upstream} {
		if got := get(r, srv.URL); got != "HTTP/2.0" {
			t.Errorf("answer %q", got)
		}
	}
	if got := get(byEnv, fileAddress(ca)); got != string(block) {
		t.Errorf("file address: %q", got)
	}
}
