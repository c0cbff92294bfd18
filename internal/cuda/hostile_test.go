package cuda

import (
	"bytes"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/craton-co/twice/internal/hostile"
)

func TestHostileArchives(t *testing.T) {
	st := testStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	check := func(name string, p Pin) {
		t.Helper()
		entries, err := hostile.Entries(Tree(t.Context(), st, p))
		if err != nil {
			t.Error(err)
		}
		for _, bad := range hostile.Check(entries, hostile.Rules{}) {
			t.Errorf("%s: %s", name, bad)
		}
	}
	for _, a := range hostile.Tars("a/include/", outside, hostile.File{Name: "a/LICENSE", Content: "x"}) {
		var b bytes.Buffer
		x, err := xz.NewWriter(&b)
		if err == nil {
			_, err = x.Write(a.Data)
		}
		if err == nil {
			err = x.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		check("tar: "+a.Name, Pin{Form: Redist, Archives: []File{put(t, st, "cuda_x", "1", "x", b.Bytes())}})
	}
	for _, a := range hostile.Zips("nvidia/x/include/", outside, hostile.File{Name: "nvidia/x/include/a.h", Content: "x"}) {
		check("wheel: "+a.Name, Pin{Form: Wheels, Wheels: []File{put(t, st, "nvidia-x", "1", "x.whl", a.Data)}})
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
