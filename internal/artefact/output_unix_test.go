//go:build unix

package artefact

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever opened a fifo would wait for ever.
func TestCheckOutputFifo(t *testing.T) {
	out := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(out, "tool"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := CheckOutput(out); err == nil || !strings.Contains(err.Error(), `"tool" is a device, fifo or socket`) {
		t.Errorf("CheckOutput = %v", err)
	}
}
