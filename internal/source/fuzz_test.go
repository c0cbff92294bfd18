package source

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/mutate"
)

// A pointer to a large file leads to a name that is a hash, and to nothing else.
func FuzzPointer(f *testing.F) {
	mutate.Add(f, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("ab", 32)+"\nsize 12345\n"))
	mutate.Add(f, []byte("version https://git-lfs.github.com/spec/v1\next-0-foo sha256:00\noid sha256:../../../../etc/passwd\nsize -1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if sum, size, ok := parsePointer(data); ok {
			if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 || size < 0 {
				t.Errorf("%q, %d", sum, size)
			}
		}
	})
}

func FuzzArchive(f *testing.F) {
	for i, a := range hostile.Tars("a/", "/outside", hostile.File{Name: "a/Cargo.toml", Content: manifestA}) {
		if i%8 == 0 { // each is read as it is by TestHostileArchives
			mutate.Add(f, a.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), name, Options{})
		if err != nil {
			return
		}
		for _, bad := range hostile.Check(s.Tree.Entries(), hostile.Rules{}) {
			t.Error(bad)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
