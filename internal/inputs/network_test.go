package inputs_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/inputs"
)

// A call of the module trusts the certificate that it was given, has git trust
// it, logs in at a mirror and asks it where its crates are.
func TestNetwork(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "right-word" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		if _, err := w.Write([]byte(`{"dl":"https://crates.test/dl"}`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	try := func(ca, netrc string) (crates []string, warned error) {
		t.Helper()
		for _, v := range []string{"TWICE_CA_FILE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "CARGO_HTTP_CAINFO", "XDG_CONFIG_HOME", "CARGO_HOME", "NETRC", "TWICE_MIRROR_CRATES", "HTTPS_PROXY", "https_proxy"} {
			t.Setenv(v, "")
		}
		t.Setenv("HOME", t.TempDir())
		t.Setenv("TWICE_NO_DEFAULTS", "1")
		back, err := credential.Logins{Netrc: netrc}.Lend()
		if err != nil {
			t.Fatal(err)
		}
		net := inputs.Network{Mirrors: []string{"crates=sparse+" + srv.URL + "/index/"}, CA: ca, Warn: func(err error) { warned = err }}
		tools, err := net.Tools(t.Context(), t.TempDir())
		if err := back(); err != nil {
			t.Error(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tools.Resolver.Crate("some", "1.0.0"), warned
	}
	login := "machine 127.0.0.1 login user password right-word\n"
	crates, warned := try(ca, login)
	if warned != nil || len(crates) != 1 || crates[0] != "https://crates.test/dl/some/1.0.0/download" {
		t.Errorf("%v, warned %v", crates, warned)
	}
	if text, err := os.ReadFile(os.Getenv("GIT_SSL_CAINFO")); err != nil || !strings.Contains(string(text), strings.TrimSpace(ca)) {
		t.Errorf("git does not trust it: %v", err)
	}
	if crates, warned = try("", login); len(crates) != 0 || warned == nil || !strings.Contains(warned.Error(), "unknown authority") || !strings.Contains(fault.HintOf(warned), "--ca") {
		t.Errorf("without the certificate: %v, warned %v; hint %q", crates, warned, fault.HintOf(warned))
	}
	if crates, warned = try(ca, ""); len(crates) != 0 || warned == nil || !strings.Contains(warned.Error(), "401") || !strings.Contains(fault.HintOf(warned), "--netrc") {
		t.Errorf("without a login: %v, warned %v; hint %q", crates, warned, fault.HintOf(warned))
	}
	if _, err := (inputs.Network{CA: "no certificate"}).Tools(t.Context(), t.TempDir()); err == nil || fault.HintOf(err) == "" {
		t.Errorf("no certificate: %v", err)
	}
}
