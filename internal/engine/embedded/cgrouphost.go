//go:build linux

package embedded

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// hostCgroups says which cgroups this process is in.
type hostCgroups struct {
	v1    map[string]string // controller to directory
	v2    string            // directory, "" without v2
	mount string            // where v2 is mounted
}

func readCgroups() (*hostCgroups, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("reading this process's cgroups: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading this process's mounts: %w", err)
	}
	return parseCgroups(self, mounts), nil
}

// parseCgroups joins /proc/self/cgroup, which has a line
// `4:memory:/user/x` for each hierarchy (`0::/user/x` for v2), with
// /proc/self/mountinfo, which says where hierarchies are mounted.
func parseCgroups(self, mountinfo []byte) *hostCgroups {
	own := map[string]string{}
	for line := range bytes.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			own[c] = f[2]
		}
	}
	h := &hostCgroups{v1: map[string]string{}}
	s := bufio.NewScanner(bytes.NewReader(mountinfo))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		// 36 35 98:0 /root /mountpoint rw,noatime master:1 - cgroup name rw,memory
		head, tail, ok := strings.Cut(s.Text(), " - ")
		f, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(f) < 5 || len(t) < 3 {
			continue
		}
		root, mount := f[3], unescape(f[4])
		switch t[0] {
		case "cgroup2":
			if h.v2 == "" {
				h.mount = mount
				h.v2 = below(mount, root, own[""])
			}
		case "cgroup":
			for c := range strings.SplitSeq(t[2], ",") {
				if path, ok := own[c]; ok && h.v1[c] == "" {
					h.v1[c] = below(mount, root, path)
				}
			}
		}
	}
	return h
}

// below maps a cgroup's path to its directory under a mount of root. In a
// container the two may have nothing in common: then it is the mount itself.
func below(mount, root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return mount
	}
	return filepath.Join(mount, rel)
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parentV2 returns the nearest group above this process in which groups with
// pids and memory controllers can be made, or "" if v2 does not have these
// controllers on this machine. A group that has processes of its own can't
// give controllers to its children, so it is hardly ever this process's group
// itself. When no group passes them on the second result says so.
func (h *hostCgroups) parentV2() (dir, why string) {
	if h.v2 == "" || !has(h.mount, "cgroup.controllers") {
		return "", ""
	}
	for d := h.v2; ; d = filepath.Dir(d) {
		if has(d, "cgroup.subtree_control") {
			return d, ""
		}
		if d == h.mount || len(d) <= len(h.mount) {
			break
		}
	}
	for _, d := range []string{h.v2, h.mount} {
		if write(d, "cgroup.subtree_control", "+pids +memory") == nil {
			return d, ""
		}
	}
	return h.v2, "no cgroup here passes the pids and memory controllers on"
}

// has reports whether a file of controllers names both that limits need.
func has(dir, file string) bool {
	b, err := os.ReadFile(filepath.Join(dir, file))
	f := strings.Fields(string(b))
	return err == nil && slices.Contains(f, "pids") && slices.Contains(f, "memory")
}

// memoryTotal returns the memory of the machine in bytes.
func memoryTotal() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// memoryAllowed returns the memory that this process may use: that of the
// machine, or what a group that it is in gets. A container that gets 4 GiB is not
// to hear that its steps may use those of its host.
func memoryAllowed() int64 {
	n := memoryTotal()
	if h, err := readCgroups(); err == nil {
		return h.memory(n)
	}
	return n
}

// memory is the least of n and the limits of this process's groups.
func (h *hostCgroups) memory(n int64) int64 {
	for dir, file := range map[string]string{h.v1["memory"]: "memory.limit_in_bytes", h.v2: "memory.max"} {
		for ; dir != ""; dir = filepath.Dir(dir) {
			b, err := os.ReadFile(filepath.Join(dir, file))
			if limit, perr := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); perr == nil && limit > 0 {
				n = min(n, limit)
			}
			if err != nil && dir != h.v2 || dir == "/" { // v2's own root has no such file
				break
			}
		}
	}
	return n
}
