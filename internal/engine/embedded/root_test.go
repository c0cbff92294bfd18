//go:build linux

package embedded

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

// Without root there is one error and one hint, and nothing is made.
func TestNeedsRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestNeedsRoot$", "-test.v")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestNeedsRoot") {
			t.Fatalf("as nobody: %v\n%s", err, out)
		}
		return
	}
	_, err := Start(t.Context(), Options{StateDir: "/nonexistent/state", RootDir: "/nonexistent/root"})
	if err == nil || !strings.Contains(err.Error(), "needs root") || !strings.Contains(fault.HintOf(err), "--engine") {
		t.Fatalf("error %v, hint %q", err, fault.HintOf(err))
	}
}
