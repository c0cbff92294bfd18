//go:build linux

package embedded

import (
	"os"
	"path/filepath"
	"testing"
)

// An engine that was killed in mid-import left a blob half written, and every
// later build failed with "failed to copy: unsupported offset".
func TestHalfAnImportIsSwept(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, "buildkit", "runc-overlayfs", "content", "ingest", "0123")
	whole := filepath.Join(dir, "buildkit", "runc-overlayfs", "content", "blobs", "sha256", "0123")
	for _, d := range []string{half, whole} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "data"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openState(t.Context(), dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("what was half imported is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(whole, "data")); err != nil {
		t.Error(err)
	}
}
