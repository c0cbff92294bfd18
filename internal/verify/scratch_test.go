package verify

import (
	"os"
	"path/filepath"
	"testing"
)

// A run that was killed leaves its folder; the next run removes it, and leaves
// alone those of runs that live.
func TestScratch(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "scratch")
	alive, done, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(parent, "run-dead")
	if err := os.MkdirAll(filepath.Join(dead, "A", "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, done2, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("a dead run's folder is still there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("a living run's folder is gone: %v", err)
	}
	done()
	done2()
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
