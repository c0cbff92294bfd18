package compare

import (
	"bytes"
	"os"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
)

// Archives that try to reach out are compared like others: what is in them is
// never unpacked under the names that they give, and their holes are not read for ever.
func TestHostileArchives(t *testing.T) {
	outside, temp := t.TempDir(), t.TempDir()
	untouched := hostile.Outside(outside)
	t.Setenv("TMPDIR", temp)
	tars, zips := hostile.Tars("x/", outside), hostile.Zips("x/", outside)
	for _, list := range [][]hostile.Archive{tars, zips} {
		fine := list[0].Data
		for _, a := range list {
			b := append(bytes.Clone(a.Data), 0)
			for _, other := range [][]byte{fine, b} {
				f, err := Readers(t.Context(), "x", bytes.NewReader(a.Data), int64(len(a.Data)), bytes.NewReader(other), int64(len(other)), Limits{Expand: 64 << 20})
				if err != nil {
					t.Errorf("%s: %v", a.Name, err)
				}
				if (f == nil) != bytes.Equal(a.Data, other) {
					t.Errorf("%s: found %v", a.Name, f)
				}
			}
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
