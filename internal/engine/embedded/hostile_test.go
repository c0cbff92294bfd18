//go:build linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	open, closed := doors(out)
	if len(open) > 0 {
		t.Errorf("the host's files can be reached:\n%s", strings.Join(open, "\n"))
	}
	if closed != 17 {
		t.Errorf("%d ways were tried, want 17:\n%s", closed, out)
	}
}

// What TestHostsFiles finds closed is open on the host.
func TestProbeFindsHostsFiles(t *testing.T) {
	needRoot(t)
	p, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(path, p, 0o755); err != nil {
		t.Fatal(err)
	}
	secret, device := hostSecret(t)
	out, err := exec.Command(path, "files", secret, device).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	open, _ := doors(string(out))
	for _, want := range []string{"the path itself", "root of a process", "climbing chroot", "mount of tmpfs", "bind mount", "writing /proc/sys/kernel/core_pattern", "file by handle"} {
		if !slices.ContainsFunc(open, func(s string) bool { return strings.HasPrefix(s, "open "+want) }) {
			t.Errorf("the probe takes %q for closed on the host:\n%s", want, out)
		}
	}
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
