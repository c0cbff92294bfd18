package cuda

import (
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/store"
)

func FuzzWheel(f *testing.F) {
	for i, a := range hostile.Zips("nvidia/x/include/", "/outside", hostile.File{Name: "nvidia/x/include/a.h", Content: "x"}) {
		if i%6 == 0 { // each is read as it is by TestHostileArchives
			mutate.Add(f, a.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := store.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		d, err := st.PutBytes(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		tree, closer, err := Tree(t.Context(), st, Pin{Form: Wheels, Wheels: []File{{Name: "nvidia-x", Version: "1", Path: "x.whl", SHA256: d, Size: int64(len(data))}}})
		if err != nil {
			return
		}
		for _, bad := range hostile.Check(tree.Entries(), hostile.Rules{}) {
			t.Error(bad)
		}
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	})
}
