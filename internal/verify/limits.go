package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
)

// limits are what the project asks for and what two builds on one machine, or
// builds of that kind at all, are known not to show.
func limits(p *resolve.Project) []verdict.Warning {
	var out []verdict.Warning
	warn := func(format string, args ...any) {
		w := verdict.Warning{Kind: "limit", Text: fmt.Sprintf(format, args...)}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	cflags := p.CFlags()
	for _, b := range p.Config.Builds {
		switch {
		case strings.HasSuffix(b.Target, "-windows-msvc"):
			warn("%s is best effort: link.exe writes the time and a GUID into programs unless it is given /Brepro; `twice normalize` clears them", b.Target)
		case strings.Contains(b.Target, "-windows-"):
			warn("%s is best effort: the linker may write the time into programs; `twice normalize` clears it", b.Target)
		case strings.Contains(b.Target, "-apple-"):
			warn("%s is best effort: a signature is made for one signer and time; compare programs before they are signed", b.Target)
		}
		flags, _ := p.Workspace.Config.RustFlags(b.Target)
		if cpu := native(flags); cpu != "" {
			warn("the project's Cargo configuration has %s for %s: the processor that builds decides what the code is, and both builds ran on one", cpu, b.Target)
		}
		for _, env := range []map[string]string{cflags, b.Env} {
			for _, k := range slices.Sorted(maps.Keys(env)) {
				if cpu := native(strings.Fields(env[k])); cpu != "" {
					warn("%s has %s: the processor that builds decides what the code is, and both builds ran on one", k, cpu)
				}
			}
		}
	}
	return out
}

// native finds the flag that makes a compiler ask the processor.
func native(flags []string) string {
	for _, f := range flags {
		f = strings.TrimPrefix(f, "-C")
		for _, n := range []string{"target-cpu=native", "-march=native", "-mcpu=native", "-mtune=native"} {
			if f == n {
				return n
			}
		}
	}
	return ""
}
