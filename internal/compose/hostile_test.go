package compose

import (
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

func TestHostileArchives(t *testing.T) {
	st := testStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, at := range []string{"", "./usr/lib/x/"} {
		for _, a := range hostile.Tars(at, outside, hostile.File{Name: "./usr/share/x/fine", Content: "x"}) {
			var entries []layer.Entry
			def := define(t, st, "", deb{name: "x", version: "1", data: a.Data})
			if tree, closer, err := Tree(t.Context(), st, def); err == nil {
				entries = tree.Entries()
				if err := closer.Close(); err != nil {
					t.Error(err)
				}
			}
			// Packages have links to absolute paths and programs that are setuid.
			for _, bad := range hostile.Check(entries, hostile.Rules{Links: true, Setuid: true, Owners: true}) {
				t.Errorf("%s, in %q: %s", a.Name, at, bad)
			}
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
