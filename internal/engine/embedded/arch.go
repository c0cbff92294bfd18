package embedded

import (
	"fmt"
	"runtime"

	"github.com/craton-co/twice/internal/fault"
)

// CanRunHere tells whether the engine's own programs run on this machine's
// processor. They are for amd64, as the builds are; emulated, runc can't make
// namespaces.
func CanRunHere() error { return canRunOn(runtime.GOARCH) }

func canRunOn(arch string) error {
	if arch == "amd64" {
		return nil
	}
	return fault.Hint(fmt.Errorf("the embedded engine's programs are for amd64, and this machine is %s", arch),
		"`docker run --privileged --rm tonistiigi/binfmt --install amd64` registers the binfmt handler qemu-x86_64; then --engine docker, whose BuildKit is this machine's own")
}
