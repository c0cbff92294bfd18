package plan

import (
	"fmt"
	"strings"
)

// SplitScript takes the debug information out of the binaries in out/bin, into
// out/debug/<binary>.debug: lines of a POSIX shell, in which both are paths. A
// binary keeps the name of its file and the CRC-32 of what is in it
// (.gnu_debuglink) beside the build id, by which debuggers find it. Cargo's own
// <binary>.dwp (split-debuginfo = "packed"), below from, goes there too. A
// binary without debug information is an error.
func (p *Plan) SplitScript(out, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "mkdir -p %s/debug\n", out)
	for _, bin := range p.Bins {
		fmt.Fprintf(&b, `readelf -SW "%[1]s/bin/%[2]s" | grep -q ' \.debug_info ' || { echo "split-debug: %[2]s has no debug information: set debug or strip in its profile" >&2; exit 1; }
(cd "%[1]s/debug"
%[3]s --only-keep-debug ../bin/%[2]s %[2]s.debug
%[3]s --strip-debug --add-gnu-debuglink=%[2]s.debug ../bin/%[2]s
chmod 644 %[2]s.debug)
[ ! -f "%[4]s/%[2]s.dwp" ] || install -m 644 "%[4]s/%[2]s.dwp" "%[1]s/debug/"
`, out, bin, p.objcopy(), from)
	}
	return b.String()
}

// objcopy is the program for the target's objects.
func (p *Plan) objcopy() string {
	cpu, _, _ := strings.Cut(p.Triple, "-")
	if cpu == "x86_64" || cpu == "i686" {
		return "objcopy"
	}
	return cpu + "-linux-gnu-objcopy"
}
