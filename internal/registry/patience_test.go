package registry

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What moves goes on for as long as it takes; where nothing moves, it ends.
func TestPatience(t *testing.T) {
	old := patience
	patience = 2 * time.Second
	defer func() { patience = old }()
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow": // takes what it is sent, and answers bit by bit
			_, _ = io.Copy(io.Discard, r.Body)
			for range 4 {
				_, _ = io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(700 * time.Millisecond)
			}
		case "/half":
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-stop
		case "/never":
			<-stop
		}
	}))
	defer server.Close()
	defer close(stop)
	client := &http.Client{Transport: &http.Transport{DialContext: patient((&net.Dialer{}).DialContext)}}
	ask := func(path string, body io.Reader) error {
		r, err := http.NewRequest(http.MethodPost, server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := ask("/slow", &drops{4}); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/half", "/never"} {
		start := time.Now()
		if err := ask(path, nil); err == nil || !strings.Contains(err.Error(), "the registry said nothing for 2s") {
			t.Errorf("%s: %v", path, err)
		}
		if d := time.Since(start); d < patience {
			t.Errorf("%s: given up after %s", path, d)
		}
	}
}

// drops is a body that comes slowly.
type drops struct{ n int }

// Read implements io.Reader.
func (d *drops) Read(p []byte) (int, error) {
	if d.n == 0 {
		return 0, io.EOF
	}
	d.n--
	time.Sleep(700 * time.Millisecond)
	return copy(p, "drop"), nil
}
