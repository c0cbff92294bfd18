package fetch

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
)

// The real registries, as this machine reaches them.
func TestNetwork(t *testing.T) {
	if os.Getenv("TWICE_TEST_NETWORK") != "1" {
		t.Skip("needs TWICE_TEST_NETWORK=1: asks the package registries")
	}
	r, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	f := &Fetcher{Store: s, Client: r.HTTPClient()}
	if err := r.Discover(t.Context(), f.Get); err != nil {
		t.Error(err)
	}
	index, err := f.Get(t.Context(), r.CrateIndex("cfg-if"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var items []Item
	for line := range bytes.Lines(index) {
		var v struct{ Name, Vers, Cksum string }
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		if v.Vers == "1.0.0" || v.Vers == "1.0.1" {
			items = append(items, Item{Kind: "crate", Name: v.Name + " " + v.Vers, Size: -1,
				Digest: digest.Digest("sha256:" + v.Cksum), URLs: r.Crate(v.Name, v.Vers)})
		}
	}
	if len(items) != 2 {
		t.Fatalf("%d versions in the index, want 2", len(items))
	}
	if err := f.Fetch(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if err := s.Verify(t.Context(), it.Digest); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.Get(t.Context(), r.DebianSuite("bookworm", "dists/bookworm/InRelease"), 1<<20); err != nil {
		t.Error(err)
	}
}
