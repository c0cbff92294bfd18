// Package doctor says what a machine lacks for Twice, and the command that
// mends it. It changes nothing.
//
// Each check gives one line. What is missing ends a run; a warning can; a note
// is for what only some projects need. What a check looks at is in Machine, so
// that a test can be any machine.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/cache"
	"github.com/craton-co/twice/internal/store"
)

// State of a check.
type State string

const (
	OK      State = "ok"
	Note    State = "note"
	Warning State = "warning"
	Missing State = "missing"
)

// Line is the result of one check.
type Line struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Found string `json:"found"`
	Mend  string `json:"mend,omitempty"` // a command, or what to set
}

// Machine is what the checks look at.
type Machine struct {
	OS, Arch string
	UID      int
	User     string // its name
	Mounts   bool   // may this user mount? Only root is asked.
	FS       fs.FS  // the root
	LookPath func(name string) (string, error)
	Free     func(dir string) (int64, error)
	Writable func(dir string) error
	CacheDir string
	// Get asks for one small thing of each place that inputs are fetched from; nil: not asked.
	Get   func(ctx context.Context, place Place) error
	Rust  func(ctx context.Context) error // is the built-in toolchain installed, with the locked files? nil: not asked
	Env   func(name string) string
	Proxy bool
}

// Place is a server that inputs come from.
type Place struct {
	Name string
	URLs []string
	Mend string // the setting that names another
}

// This is the machine that runs.
func This() Machine {
	dir, _ := store.DefaultDir()
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, UID: os.Geteuid(), User: userName(), FS: os.DirFS("/"), LookPath: exec.LookPath, Free: cache.Free, CacheDir: dir, Env: os.Getenv,
		Writable: func(dir string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			f, err := os.CreateTemp(dir, "doctor-*")
			if err != nil {
				return err
			}
			return errors.Join(f.Close(), os.Remove(f.Name()))
		},
	}
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// enough is what the cache should have for a project of middling size.
const enough = 10 << 30

// Run makes all checks of the machine; places are those that are asked.
func Run(ctx context.Context, m Machine, places []Place) []Line {
	eng, own := m.engine()
	lines := []Line{m.platform(), eng}
	if own {
		lines = append(lines, m.overlay(), m.cgroup())
	}
	lines = append(lines, m.git(), m.cache(), m.disk())
	if m.Rust != nil {
		lines = append(lines, m.rust(ctx))
	}
	if m.OS == "linux" {
		lines = append(lines, m.binfmt())
	}
	if m.Get != nil {
		for _, p := range places {
			lines = append(lines, m.place(ctx, p))
		}
	}
	return lines
}

func (m Machine) platform() Line {
	l := Line{"platform", OK, m.OS + "/" + m.Arch, ""}
	if !m.inside() {
		l.State, l.Found = Note, l.Found+"; the engine that Twice has inside runs on linux/amd64 only"
	}
	return l
}

// inside says whether the engine that Twice has inside is for this machine.
func (m Machine) inside() bool { return m.OS == "linux" && m.Arch == "amd64" }

// engine is the one that a build would have, in the order in which they are tried; own, if
// it is the one that Twice has inside.
func (m Machine) engine() (l Line, own bool) {
	if host := m.Env("BUILDKIT_HOST"); host != "" {
		return Line{"engine", OK, "BUILDKIT_HOST names " + host, ""}, false
	}
	var why, mend string
	if m.inside() {
		if m.UID == 0 && m.Mounts {
			return Line{"engine", OK, "embedded: this user is root", ""}, true
		}
		if why, mend = m.noNamespaces(); why == "" {
			if one := m.oneUser(); one != "" {
				return Line{"engine", Note, "rootless, with one user only (" + one + "): the user is not varied",
					"`apt-get install uidmap`, and a line NAME:100000:65536 in /etc/subuid and /etc/subgid"}, true
			}
			return Line{"engine", OK, "rootless", ""}, true
		}
		why = "rootless can't run: " + why + "; "
	}
	for _, name := range []string{"docker", "podman"} {
		if _, err := m.LookPath(name); err == nil {
			return Line{"engine", OK, why + name + " is installed", ""}, false
		}
	}
	if mend != "" {
		mend = mend + ", or "
	}
	return Line{"engine", Missing, why + "neither Docker nor Podman is installed", mend + "install one of these, or name a BuildKit that runs: --engine tcp://HOST:1234"}, false
}

// noNamespaces says why this user can't make a user namespace, and what mends it.
func (m Machine) noNamespaces() (why, mend string) {
	for _, s := range []struct{ name, bad, good string }{
		{"user/max_user_namespaces", "0", "65536"},
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
	} {
		if strings.TrimSpace(m.read("proc/sys/"+s.name)) == s.bad {
			name := strings.ReplaceAll(s.name, "/", ".")
			return name + " is " + s.bad, "`sysctl " + name + "=" + s.good + "`"
		}
	}
	return "", ""
}

// oneUser says why there are no users for steps of the rootless engine but root.
func (m Machine) oneUser() string {
	for _, p := range []string{"newuidmap", "newgidmap"} {
		if _, err := m.LookPath(p); err != nil {
			return p + " is not installed"
		}
	}
	for _, name := range []string{"etc/subuid", "etc/subgid"} {
		lent := false
		for line := range strings.Lines(m.read(name)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != 3 || f[0] != m.User && f[0] != strconv.Itoa(m.UID) {
				continue
			}
			n, err := strconv.Atoi(f[2])
			lent = lent || err == nil && n >= 65536
		}
		if !lent {
			return "/" + name + " lends no range of 65536"
		}
	}
	return ""
}

func (m Machine) read(name string) string {
	b, _ := fs.ReadFile(m.FS, name)
	return string(b)
}

func (m Machine) overlay() Line {
	if strings.Contains(m.read("proc/filesystems"), "\toverlay\n") {
		return Line{"overlayfs", OK, "the kernel has it", ""}
	}
	return Line{"overlayfs", Missing, "the kernel doesn't have it", "`modprobe overlay`"}
}

func (m Machine) cgroup() Line {
	v2 := strings.Fields(m.read("sys/fs/cgroup/cgroup.controllers"))
	has := func(list []string, want string) bool {
		for _, x := range list {
			if x == want {
				return true
			}
		}
		return false
	}
	_, err1 := fs.Stat(m.FS, "sys/fs/cgroup/memory")
	_, err2 := fs.Stat(m.FS, "sys/fs/cgroup/pids")
	if has(v2, "memory") && has(v2, "pids") || err1 == nil && err2 == nil {
		if m.UID != 0 {
			return Line{"cgroups", Note, "without root the memory of builds is not limited", ""}
		}
		return Line{"cgroups", OK, "memory and pids", ""}
	}
	return Line{"cgroups", Warning, "no memory and pids controllers: builds are not contained", "boot with systemd.unified_cgroup_hierarchy=1, or in a container run it with --cgroupns=host --privileged"}
}

func (m Machine) git() Line {
	if at, err := m.LookPath("git"); err == nil {
		return Line{"git", OK, at, ""}
	}
	return Line{"git", Missing, "not installed", "`apt-get install git`, or your system's package of it"}
}

func (m Machine) cache() Line {
	if err := m.Writable(m.CacheDir); err != nil {
		return Line{"cache", Missing, fmt.Sprintf("%s can't be written: %v", m.CacheDir, err), "`export TWICE_CACHE=DIRECTORY`, one of your own"}
	}
	if kind := m.fileSystem(); kind == "overlay" || kind == "nfs" || kind == "nfs4" {
		return Line{"cache", Warning, m.CacheDir + " is on " + kind + ", which can't carry overlayfs", "`export TWICE_CACHE=DIRECTORY`, one on ext4, xfs or btrfs; in a container a volume"}
	}
	return Line{"cache", OK, m.CacheDir, ""}
}

// fileSystem is the type of the file system that the cache is on.
func (m Machine) fileSystem() string {
	best, kind := -1, ""
	for line := range strings.Lines(m.read("proc/self/mountinfo")) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(g) < 1 {
			continue
		}
		at := f[4]
		if under := at == "/" || m.CacheDir == at || strings.HasPrefix(m.CacheDir, at+"/"); under && len(at) >= best {
			best, kind = len(at), g[0]
		}
	}
	return kind
}

func (m Machine) disk() Line {
	free, err := m.Free(m.CacheDir)
	if err != nil {
		return Line{"disk", Note, "free space isn't known", ""}
	}
	l := Line{"disk", OK, fmt.Sprintf("%.1f GiB free for the cache", float64(free)/(1<<30)), ""}
	if free < enough {
		l.State, l.Mend = Warning, "`twice store gc --keep 5GB`, or `export TWICE_CACHE=DIRECTORY` on a larger disk"
	}
	return l
}

func (m Machine) rust(ctx context.Context) Line {
	if err := m.Rust(ctx); err != nil {
		return Line{"rust", Note, fmt.Sprintf("the built-in toolchain isn't installed as locked (%v); it is fetched", err), "`rustup toolchain install 1.95.0 --profile minimal` saves the download"}
	}
	return Line{"rust", OK, "the built-in toolchain is installed, with the locked files", ""}
}

// BinfmtHint is the command that registers qemu for arm64 programs.
const BinfmtHint = "`docker run --privileged --rm tonistiigi/binfmt --install arm64`, or `apt-get install qemu-user-static binfmt-support`"

// binfmt looks for a handler of arm64 programs, which running them takes;
// cross-compiling for arm64 doesn't.
func (m Machine) binfmt() Line {
	want := "qemu-x86_64"
	if m.Arch == "amd64" {
		want = "qemu-aarch64"
	}
	if strings.HasPrefix(m.read(path.Join("proc/sys/fs/binfmt_misc", want)), "enabled") {
		return Line{"emulation", OK, want + " is registered", ""}
	}
	l := Line{"emulation", Note, "no handler " + want + ": programs of the other architecture don't run (building for it needs none)", BinfmtHint}
	if m.Arch == "arm64" {
		l.State, l.Mend = Missing, strings.ReplaceAll(BinfmtHint, "--install arm64", "--install amd64")
	}
	return l
}

func (m Machine) place(ctx context.Context, p Place) Line {
	if err := m.Get(ctx, p); err != nil {
		return Line{p.Name, Warning, err.Error(), p.Mend}
	}
	return Line{p.Name, OK, "answers", ""}
}
