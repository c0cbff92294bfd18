//go:build linux

package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Where there is one user only, a step's /dev/pts can't belong to the group tty,
// and the kernel refuses to set supplementary groups, even none. BuildKit has no
// way to say so; so the engine calls itself as runc, changes the step's description,
// and goes on as runc. There setgroups does nothing and succeeds.

// selfAsRunc is the engine's program, as it is called in the place of runc.
const selfAsRunc = "/proc/1/exe"

// runcVariable names the real runc, for selfAsRunc.
const runcVariable = "TWICE_ENGINE_RUNC"

// isRunc reports whether this process was called in the place of runc.
func isRunc() bool {
	return len(os.Args) > 0 && os.Args[0] == selfAsRunc && os.Getenv(runcVariable) != ""
}

// runcMain returns only when it fails.
func runcMain() error {
	if i := slices.Index(os.Args, "--bundle"); i >= 0 && i+1 < len(os.Args) {
		if err := oneUserSpec(filepath.Join(os.Args[i+1], "config.json")); err != nil {
			return err
		}
	}
	runc := os.Getenv(runcVariable)
	if err := syscall.Exec(runc, append([]string{runc}, os.Args[1:]...), os.Environ()); err != nil {
		return fmt.Errorf("running %s: %w", runc, err)
	}
	return nil
}

// oneUserSpec describes the step of a bundle for a machine of one user.
func oneUserSpec(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("parsing %s: %w", path, err)
	}
	for i := range spec.Mounts {
		spec.Mounts[i].Options = slices.DeleteFunc(spec.Mounts[i].Options, func(o string) bool { return strings.HasPrefix(o, "gid=") })
	}
	if l := spec.Linux; l != nil && l.Seccomp != nil {
		const call = "setgroups"
		for i := range l.Seccomp.Syscalls {
			l.Seccomp.Syscalls[i].Names = slices.DeleteFunc(l.Seccomp.Syscalls[i].Names, func(n string) bool { return n == call })
		}
		l.Seccomp.Syscalls = slices.DeleteFunc(l.Seccomp.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
		success := uint(0)
		l.Seccomp.Syscalls = append(l.Seccomp.Syscalls, specs.LinuxSyscall{Names: []string{call}, Action: specs.ActErrno, ErrnoRet: &success})
	}
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
