package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

// TestMain makes the test binary a second process that fetches.
func TestMain(m *testing.M) {
	dir, url := os.Getenv("TWICE_TEST_STORE"), os.Getenv("TWICE_TEST_URL")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := store.Open(dir)
	if err == nil {
		err = fetcher(s).Fetch(context.Background(), manyItems(url))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// manyItems are 40 pieces of content, at <url>/<n>.
func manyItems(url string) []Item {
	var items []Item
	for i := range 40 {
		b := content[i*1000 : i*1000+50_000]
		items = append(items, Item{Kind: "crate", Name: fmt.Sprint(i), Digest: digest.FromBytes(b), Size: int64(len(b)), URLs: []string{fmt.Sprint(url, "/", i)}})
	}
	return items
}

func manyServed(w http.ResponseWriter, r *http.Request) {
	var i int
	fmt.Sscanf(r.URL.Path, "/%d", &i)
	w.Write(content[i*1000 : i*1000+50_000])
}

// Processes and goroutines that fetch the same at once ask for each item once.
func TestTogether(t *testing.T) {
	s, srv := open(t), serve(t, manyServed)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "TWICE_TEST_STORE="+s.Dir(), "TWICE_TEST_URL="+srv.URL)
		cmd.Stderr = os.Stderr
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := fetcher(s).Fetch(t.Context(), manyItems(srv.URL)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, it := range manyItems("") {
		if err := s.Verify(t.Context(), it.Digest); err != nil {
			t.Error(err)
		}
	}
	srv.want(t, make([]string, 40)...)
	empty(t, s)
}

// An interrupted Fetch leaves no blob; the next one goes on where it stopped.
func TestInterrupted(t *testing.T) {
	s, srv := open(t), serve(t, stuck(1<<20), good)
	ctx, cancel := context.WithCancel(t.Context())
	f := fetcher(s)
	f.Retry.Stall = time.Minute
	f.Progress = func(e Event) {
		if e.Kind == Bytes {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	}
	if err := f.Fetch(ctx, []Item{item(srv.URL)}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Fetch: %v", err)
	}
	d := digest.FromBytes(content)
	if s.Has(d) {
		t.Fatal("half a blob in the store")
	}
	part, err := os.Stat(filepath.Join(s.Dir(), "ingest", "part-"+d.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(s.Dir()) // its sweep leaves the part
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, fetcher(s).Fetch(t.Context(), []Item{item(srv.URL)}))
	srv.want(t, "", fmt.Sprintf("bytes=%d-", part.Size()))
}

// Parts that an earlier run left, sound or not.
func TestLeftParts(t *testing.T) {
	for name, c := range map[string]struct {
		part   []byte
		ranges []string
	}{
		"whole":    {content, nil},
		"begin":    {content[:5000], []string{"bytes=5000-"}},
		"too long": {append(bytes.Clone(content), 'x'), []string{""}},
		"spoilt":   {make([]byte, 5000), []string{"bytes=5000-", ""}},
		"all bad":  {make([]byte, len(content)), []string{""}},
	} {
		s, srv := open(t), serve(t, good)
		d := digest.FromBytes(content)
		if err := os.WriteFile(filepath.Join(s.Dir(), "ingest", "part-"+d.Encoded()), c.part, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			check(t, s, fetcher(s).Fetch(t.Context(), []Item{item(srv.URL)}))
			srv.want(t, c.ranges...)
		})
	}
}

func TestProgress(t *testing.T) {
	s, srv, wrong := open(t), serve(t, half(1000), good), serve(t, garbage)
	have := []byte("have")
	if _, err := s.PutBytes(t.Context(), have); err != nil {
		t.Fatal(err)
	}
	had := Item{Kind: "deb", Name: "had", Digest: digest.FromBytes(have), Size: 4}
	f := fetcher(s)
	var events []string
	var last Totals
	f.Progress = func(e Event) { // by one goroutine at a time, says the race detector
		if last = e.Totals; e.Kind != Bytes {
			from := strings.NewReplacer(srv.URL, "good", wrong.URL, "wrong").Replace(e.From)
			events = append(events, fmt.Sprint(e.Item.Name, " ", e.Kind, " ", from, " ", e.Bytes))
		}
	}
	twice := item(wrong.URL, srv.URL)
	check(t, s, f.Fetch(t.Context(), []Item{had, twice, twice}))
	want := fmt.Sprint([]string{
		fmt.Sprint("had ", Done, " store 0"),
		fmt.Sprint("serde 1.0.228 ", Start, " wrong 0"),
		fmt.Sprint("serde 1.0.228 ", Trouble, " wrong 0"),
		fmt.Sprint("serde 1.0.228 ", Start, " good 0"),
		fmt.Sprint("serde 1.0.228 ", Trouble, " good 0"),
		fmt.Sprint("serde 1.0.228 ", Start, " good 1000"),
		fmt.Sprint("serde 1.0.228 ", Done, " good 3145728"),
	})
	if got := fmt.Sprint(events); got != want {
		t.Errorf("events\n%s, want\n%s", got, want)
	}
	if want := (Totals{Items: 2, Done: 2, Bytes: 3 << 20, Size: 3 << 20}); last != want {
		t.Errorf("totals %+v, want %+v", last, want)
	}
}

// The store's failure ends everything, and is told once.
func TestStoreFailure(t *testing.T) {
	s, srv := open(t), serve(t, manyServed)
	if err := os.RemoveAll(filepath.Join(s.Dir(), "ingest")); err != nil {
		t.Fatal(err)
	}
	err := fetcher(s).Fetch(t.Context(), manyItems(srv.URL))
	if err == nil || !strings.HasPrefix(err.Error(), "writing to store: ") || !strings.Contains(fault.HintOf(err), "TWICE_CACHE") {
		t.Errorf("Fetch: %v; hint %q", err, fault.HintOf(err))
	}
	srv.want(t)
}
