package embedded

import (
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

// On another processor the engine names what is needed there. (That a BuildKit with
// the handler is then taken, and one without it is refused, is tested in package
// engine.)
func TestOtherProcessor(t *testing.T) {
	if err := canRunOn("amd64"); err != nil {
		t.Error(err)
	}
	err := canRunOn("arm64")
	if err == nil || !strings.Contains(err.Error(), "this machine is arm64") || !strings.Contains(fault.HintOf(err), "--install amd64") || !strings.Contains(fault.HintOf(err), "qemu-x86_64") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
}
