package compose

import (
	"testing"

	"github.com/craton-co/twice/internal/hostile"
)

func TestHostileArchives(t *testing.T) {
	st := testStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, at := range []string{"", "./usr/lib/x/"} {
		for _, a := range hostile.Tars(at, outside, hostile.File{Name: "./usr/share/x/fine", Content: "x"}) {
			def := define(t, st, "", deb{name: "x", version: "1", data: a.Data})
			entries, err := hostile.Entries(Tree(t.Context(), st, def))
			if err != nil {
				t.Error(err)
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
