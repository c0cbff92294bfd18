package doctor

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /home rw - nfs4 server:/home rw\n"

// good is a machine that lacks nothing.
func good() Machine {
	return Machine{
		OS: "linux", Arch: "amd64", UID: 0, User: "root", Mounts: true, CacheDir: "/var/cache/twice",
		FS: fstest.MapFS{
			"proc/filesystems":                     {Data: []byte("nodev\toverlay\n\text4\n")},
			"proc/self/mountinfo":                  {Data: []byte(mounts)},
			"sys/fs/cgroup/cgroup.controllers":     {Data: []byte("cpu memory pids\n")},
			"etc/subuid":                           {Data: []byte("other:1:2\nme:100000:65536\n")},
			"etc/subgid":                           {Data: []byte("1000:100000:65536\n")},
			"proc/sys/user/max_user_namespaces":    {Data: []byte("95000\n")},
			"proc/sys/fs/binfmt_misc/qemu-aarch64": {Data: []byte("enabled\ninterpreter /usr/bin/qemu-aarch64-static\n")},
		},
		Env:      func(string) string { return "" },
		LookPath: func(name string) (string, error) { return "/usr/bin/" + name, nil },
		Free:     func(string) (int64, error) { return 50 << 30, nil },
		Writable: func(string) error { return nil },
		Rust:     func(context.Context) error { return nil },
		Get:      func(context.Context, Place) error { return nil },
	}
}

// me is somebody else than root.
func me(m *Machine) { m.UID, m.User, m.Mounts = 1000, "me", false }

// Each line is right about a machine that lacks just that, and says what mends it.
func TestLines(t *testing.T) {
	without := func(m *Machine, name string) {
		f := m.FS.(fstest.MapFS)
		delete(f, name)
	}
	has := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			if !slices.Contains(names, name) {
				return "", exec.ErrNotFound
			}
			return "/usr/bin/" + name, nil
		}
	}
	set := func(m *Machine, name, text string) { m.FS.(fstest.MapFS)[name] = &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		line   string
		break_ func(m *Machine)
		state  State
		mend   string
	}{
		{"platform", func(m *Machine) { m.OS = "darwin" }, Note, ""},
		{"platform", func(m *Machine) { m.Arch = "arm64" }, Note, ""},
		{"engine", func(m *Machine) { m.OS = "darwin" }, OK, ""},
		{"engine", func(m *Machine) { m.OS, m.LookPath = "darwin", has("git", "podman") }, OK, ""},
		{"engine", func(m *Machine) { m.OS, m.LookPath = "darwin", has("git") }, Missing, "install one of these, or name a BuildKit that runs: --engine tcp://"},
		{"engine", func(m *Machine) {
			m.OS, m.LookPath, m.Env = "darwin", has("git"), func(name string) string { return map[string]string{"BUILDKIT_HOST": "tcp://one:1234"}[name] }
		}, OK, ""},
		{"engine", func(m *Machine) { me(m) }, OK, ""},
		{"engine", func(m *Machine) { me(m); m.LookPath = has("git") }, Note, "apt-get install uidmap"},
		{"engine", func(m *Machine) { me(m); without(m, "etc/subgid") }, Note, "/etc/subgid"},
		{"engine", func(m *Machine) { me(m); m.User = "another" }, Note, "/etc/subuid"},
		{"engine", func(m *Machine) {
			m.Mounts = false
			set(m, "etc/subuid", "root:1:65536")
			set(m, "etc/subgid", "0:1:65536")
		}, OK, ""},
		{"engine", func(m *Machine) { me(m); set(m, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n") }, OK, ""},
		{"engine", func(m *Machine) {
			me(m)
			set(m, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
			m.LookPath = has("git")
		}, Missing, "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or install"},
		{"cgroups", func(m *Machine) { me(m) }, Note, ""},
		{"emulation", func(m *Machine) { m.Arch = "arm64" }, Missing, "binfmt --install amd64"},
		{"emulation", func(m *Machine) { without(m, "proc/sys/fs/binfmt_misc/qemu-aarch64") }, Note, "binfmt --install arm64"},
		{"overlayfs", func(m *Machine) { without(m, "proc/filesystems") }, Missing, "modprobe overlay"},
		{"cgroups", func(m *Machine) { without(m, "sys/fs/cgroup/cgroup.controllers") }, Warning, "--cgroupns=host"},
		{"git", func(m *Machine) { m.LookPath = func(string) (string, error) { return "", exec.ErrNotFound } }, Missing, "apt-get install git"},
		{"cache", func(m *Machine) { m.Writable = func(string) error { return errors.New("read-only file system") } }, Missing, "TWICE_CACHE"},
		{"cache", func(m *Machine) { m.CacheDir = "/home/u/.cache/twice" }, Warning, "TWICE_CACHE"},
		{"disk", func(m *Machine) { m.Free = func(string) (int64, error) { return 2 << 30, nil } }, Warning, "twice store gc --keep"},
		{"rust", func(m *Machine) { m.Rust = func(context.Context) error { return errors.New("rustc has other bytes") } }, Note, "rustup toolchain install"},
		{"crates", func(m *Machine) { m.Get = func(context.Context, Place) error { return errors.New("no such host") } }, Warning, "TWICE_MIRROR_CRATES"},
	} {
		m := good()
		c.break_(&m)
		found := false
		for _, l := range Run(context.Background(), m, []Place{{Name: "crates", Mend: "set HTTPS_PROXY or TWICE_MIRROR_CRATES"}}) {
			if l.Name != c.line {
				continue
			}
			found = true
			if l.State != c.state || !strings.Contains(l.Mend, c.mend) || l.Found == "" {
				t.Errorf("%s: %+v", c.line, l)
			}
		}
		if !found {
			t.Errorf("no line %s", c.line)
		}
	}
	for _, l := range Run(context.Background(), good(), []Place{{Name: "crates"}}) {
		if l.State != OK || l.Mend != "" {
			t.Errorf("a good machine: %+v", l)
		}
	}
}
