package cargo

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

func TestHostileArchives(t *testing.T) {
	st := newStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, a := range hostile.Tars("a-1.0.0/", outside, hostile.File{Name: "a-1.0.0/Cargo.toml", Content: "[package]"}) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(a.Data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		var entries []layer.Entry
		if tree, closer, err := VendorTree(t.Context(), st, []Crate{put(t, st, "a", "1.0.0", cratesIO, b.Bytes())}); err == nil {
			for _, e := range tree.Entries() {
				// The crate's own folder is what may not be left.
				if _, below, ok := strings.Cut(e.Path, "a-1.0.0/"); ok {
					e.Path = below
					entries = append(entries, e)
				}
			}
			if len(entries) == 0 {
				t.Errorf("%s: the crate is not in the tree", a.Name)
			}
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, bad := range hostile.Check(entries, hostile.Rules{}) {
			t.Errorf("%s: %s", a.Name, bad)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
