package rust

import (
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

func TestHostileArchives(t *testing.T) {
	st := newStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	// What the manifest names is taken: the folder in which all of it lies.
	for _, a := range hostile.Tars("c/cargo/d/", outside, hostile.File{Name: "c/cargo/manifest.in", Content: "dir:d\n"}) {
		var entries []layer.Entry
		if tree, closer, err := ComponentTree(t.Context(), st, Pin{Components: []Component{component(t, st, "cargo", host, gz(t, a.Data))}}); err == nil {
			entries = tree.Entries()
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, bad := range hostile.Check(entries, hostile.Rules{Links: true}) {
			t.Errorf("%s: %s", a.Name, bad)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
