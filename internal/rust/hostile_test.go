package rust

import (
	"testing"

	"github.com/craton-co/twice/internal/hostile"
)

func TestHostileArchives(t *testing.T) {
	st := newStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	// What the manifest names is taken: the folder in which all of it lies.
	for _, a := range hostile.Tars("c/cargo/d/", outside, hostile.File{Name: "c/cargo/manifest.in", Content: "dir:d\n"}) {
		entries, err := hostile.Entries(ComponentTree(t.Context(), st, Pin{Components: []Component{component(t, st, "cargo", host, gz(t, a.Data))}}))
		if err != nil {
			t.Error(err)
		}
		for _, bad := range hostile.Check(entries, hostile.Rules{Links: true}) {
			t.Errorf("%s: %s", a.Name, bad)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
