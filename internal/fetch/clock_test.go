package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/fault"
)

// A certificate that is not valid yet, or no longer, is so by this machine's
// clock, which may be what is wrong. With the clock set, the same host is good.
func TestClock(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(good))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the refusals
	srv.StartTLS()
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	at := func(now time.Time) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: func() time.Time { return now }}}}
	}
	// follows: fetch: by this machine's clock the certificate is not valid now
	for name, now := range map[string]time.Time{
		"a clock that has stopped in the past": srv.Certificate().NotBefore.Add(-time.Hour),
		"a clock that is ahead":                srv.Certificate().NotAfter.Add(time.Hour),
	} {
		s := open(t)
		f := fetcher(s)
		f.Client = at(now)
		err := f.Fetch(t.Context(), []Item{item(srv.URL)})
		if err == nil || !strings.Contains(err.Error(), "certificate has expired or is not yet valid: current time "+now.UTC().Format("2006-01-02")) {
			t.Errorf("%s: %v", name, err)
		}
		if h := fault.HintOf(err); !strings.Contains(h, "set the clock right") || strings.Contains(h, "TWICE_CA_FILE") {
			t.Errorf("%s: hint %q", name, h)
		}
		f.Client = at(time.Now())
		check(t, s, f.Fetch(t.Context(), []Item{item(srv.URL)}))
	}
}
