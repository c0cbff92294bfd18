package cause

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/compare"
)

// FuzzExplain: whatever differs has causes, the same each time, that can be
// shown and kept.
func FuzzExplain(f *testing.F) {
	for _, e := range examples {
		a, b, _ := e.load(f)
		if len(a) < 8<<10 {
			f.Add(a, b)
		}
	}
	lim := compare.Limits{Expand: 1 << 20, Entries: 1000}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		found, err := compare.Readers(t.Context(), "x", bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), lim)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Context{{}, known()} {
			list := Explain(found, c)
			if (found == nil) != (len(list) == 0) {
				t.Fatalf("%d causes of %+v", len(list), found)
			}
			if d := cmp.Diff(list, Explain(found, c)); d != "" {
				t.Fatal(d)
			}
			if len(list) > maxCauses+1 {
				t.Fatalf("%d causes", len(list))
			}
			for _, x := range list {
				if x.Rule == "" || x.Title == "" || x.Known == (x.Rule == Unknown) || len(x.Proof) > 20 {
					t.Fatalf("%+v", x)
				}
				for _, s := range append(x.Proof, x.Where, x.Fix) {
					if len(s) > 4096 {
						t.Fatalf("a line of %d bytes", len(s))
					}
				}
			}
			if _, err := json.Marshal(list); err != nil {
				t.Fatal(err)
			}
		}
	})
}
