//go:build linux

package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// rootlessArg is the argument of an engine process that has just been started
// in a user namespace and has no identity there yet.
const rootlessArg = "rootless"

// idMap is how an engine without root is root in its user namespace.
type idMap struct {
	// uids and gids are arguments of newuidmap and newgidmap after the process:
	// inside, outside, count, and so on.
	uids, gids []string
	// one is why steps can have no other user than root; empty if they can.
	one string
}

// ids is how many users and groups there must be for a range to be of use.
const ids = 65536

// readIDMap finds out which users the caller may be in a namespace of its own:
// itself, and those that /etc/subuid and /etc/subgid lend it, if the programs
// are there that may say so to the kernel.
func readIDMap() idMap {
	uid, gid := os.Getuid(), os.Getgid()
	m := idMap{uids: []string{"0", strconv.Itoa(uid), "1"}, gids: []string{"0", strconv.Itoa(gid), "1"}}
	for _, p := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(p); err != nil {
			m.one = p + " is not installed"
			return m
		}
	}
	names := []string{strconv.Itoa(uid)}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	for _, f := range []struct {
		file string
		to   *[]string
	}{{"/etc/subuid", &m.uids}, {"/etc/subgid", &m.gids}} {
		start, count, err := subordinate(f.file, names)
		switch {
		case m.one != "":
		case err != nil:
			m.one = err.Error()
		case count < ids:
			m.one = fmt.Sprintf("%s lends %s no range of %d", f.file, names[len(names)-1], ids)
		default:
			*f.to = append(*f.to, "1", strconv.Itoa(start), strconv.Itoa(ids))
		}
	}
	if m.one != "" {
		m.uids, m.gids = m.uids[:3], m.gids[:3]
	}
	return m
}

// subordinate is the largest range that a line "name:start:count" lends to one
// of names.
func subordinate(file string, names []string) (start, count int, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		p := strings.Split(strings.TrimSpace(s.Text()), ":")
		if len(p) != 3 || p[0] != names[0] && p[0] != names[len(names)-1] {
			continue
		}
		a, err1 := strconv.Atoi(p[1])
		n, err2 := strconv.Atoi(p[2])
		if err1 == nil && err2 == nil && n > count {
			start, count = a, n
		}
	}
	return start, count, s.Err()
}

// apply gives a process that is in a new user namespace its users there. A
// single user needs nobody's help, and may have no supplementary groups.
func (m idMap) apply(pid int) error {
	if m.one == "" {
		for _, p := range []struct {
			program string
			args    []string
		}{{"newuidmap", m.uids}, {"newgidmap", m.gids}} {
			if out, err := exec.Command(p.program, append([]string{strconv.Itoa(pid)}, p.args...)...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", p.program, err, strings.TrimSpace(string(out)))
			}
		}
		return nil
	}
	dir := fmt.Sprintf("/proc/%d", pid)
	for _, f := range []struct{ file, text string }{
		{"setgroups", "deny"}, {"uid_map", strings.Join(m.uids, " ")}, {"gid_map", strings.Join(m.gids, " ")},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.file), []byte(f.text+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// becomeRoot waits until the parent has applied the map, and starts the program
// again: root gets its capabilities when it runs a program.
func becomeRoot() error {
	b := make([]byte, 16)
	if n, err := unix.Read(3, b); err != nil || n == 0 {
		return errors.Join(errors.New("the parent is gone"), err)
	}
	return syscall.Exec("/proc/self/exe", []string{argv0}, os.Environ())
}

// afterBecoming restores what the kernel takes from a process that gains
// capabilities: that it ends with its parent, and that it may look at itself.
func afterBecoming() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	return nil
}

// mapped applies the map to a process and tells it so.
func mapped(m idMap, pid int, control *net.UnixConn) error {
	if err := m.apply(pid); err != nil {
		return fmt.Errorf("mapping users: %w", err)
	}
	_, err := control.Write([]byte("mapped"))
	return err
}

// Rootless says why an engine can't run without root here; nil if it may be
// tried. What else may be in the way only a try can tell.
func Rootless() error {
	for file, off := range map[string]string{
		"/proc/sys/user/max_user_namespaces":                     "0",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0",
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
	} {
		b, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(b)) == off {
			return fmt.Errorf("%s is %s: users may make no user namespaces here", file, off)
		}
	}
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		return errors.New("this kernel has no user namespaces")
	}
	return nil
}

// Privileged says whether this process may do what an engine as root does.
func Privileged() bool {
	if os.Geteuid() != 0 || userns.RunningInUserNS() {
		return false
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	return unix.Capget(&h, &d[0]) == nil && d[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
