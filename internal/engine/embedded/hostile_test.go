//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hostSecret is a file of the host, and the number of the device that it is on or of
// another disk.
func hostSecret(t *testing.T) (path, device string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("the host's"), 0o644); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat("/", &st); err != nil {
		t.Fatal(err)
	}
	return path, fmt.Sprintf("%d:%d", st.Dev>>8&0xfff, st.Dev&0xff)
}

// No way leads from a step to the files of the host.
func TestHostsFiles(t *testing.T) {
	b := newBench(t)
	secret, device := hostSecret(t)
	e := b.start(b.options())
	out := mustRun(t, e, b.job("A", "mkdir /tmp && files "+secret+" "+device))
	wantShut(t, out, 17)
}

// What TestHostsFiles finds closed is open on the host.
func TestProbeFindsHostsFiles(t *testing.T) {
	needRoot(t)
	secret, device := hostSecret(t)
	wantOpenOnHost(t, []string{"files", secret, device},
		"the path itself", "root of a process", "climbing chroot", "mount of tmpfs", "bind mount", "writing /proc/sys/kernel/core_pattern", "file by handle")
}

// No build finds anything of another's, not even one of the same engine at the same time.
func TestOthersOutput(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	const prepare = "mkdir /tmp && mkdir /run && "
	slow := make(chan error, 1)
	go func() { _, err := run(t.Context(), e, b.job("A", prepare+"marks && sleep 2s # A")); slow <- err }()
	waitForStep(t)
	mustRun(t, e, b.job("B", prepare+"marks # B"))
	if err := <-slow; err != nil {
		t.Error(err)
	}
	mustRun(t, e, b.job("C", prepare+"marks # C"))
	// Within one step they are found: the search is one.
	out, err := run(t.Context(), e, b.job("D", prepare+"marks && marks # D"))
	if err == nil || !strings.Contains(out, "marks of another build") {
		t.Errorf("a step does not find its own marks: %v\n%s", err, out)
	}
}
