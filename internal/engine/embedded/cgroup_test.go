//go:build linux

package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestParseCgroups(t *testing.T) {
	const (
		systemd = `24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate`
		hybrid  = `35 31 0:30 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids
36 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
37 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
38 31 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
39 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`
		container = `40 31 0:30 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids
41 31 0:30 /docker/abc /sys/fs/my\040cgroup ro - cgroup cgroup rw,memory`
	)
	tests := map[string]struct {
		self, mounts string
		want         hostCgroups
	}{
		"v2": {"0::/user.slice/session-3.scope\n", systemd, hostCgroups{
			v1: map[string]string{}, v2: "/sys/fs/cgroup/user.slice/session-3.scope", mount: "/sys/fs/cgroup",
		}},
		"v2 namespace": {"0::/\n", systemd, hostCgroups{v1: map[string]string{}, v2: "/sys/fs/cgroup", mount: "/sys/fs/cgroup"}},
		"v2 outside of the namespace": {"0::/../other\n", strings.Replace(systemd, "0:22 / ", "0:22 /mine ", 1), hostCgroups{
			v1: map[string]string{}, v2: "/sys/fs/cgroup", mount: "/sys/fs/cgroup",
		}},
		"hybrid": {"8:pids:/\n4:memory:/a/b\n3:cpu,cpuacct:/c\n1:name=systemd:/\n0::/\n", hybrid, hostCgroups{
			v1: map[string]string{
				"pids": "/sys/fs/cgroup/pids", "memory": "/sys/fs/cgroup/memory/a/b", "name=systemd": "/sys/fs/cgroup/systemd",
				"cpu": "/sys/fs/cgroup/cpu,cpuacct/c", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct/c",
			},
			v2: "/sys/fs/cgroup/unified", mount: "/sys/fs/cgroup/unified",
		}},
		"v1 container": {"8:pids:/docker/abc/x\n4:memory:/else\n", container, hostCgroups{
			v1: map[string]string{"pids": "/sys/fs/cgroup/pids/x", "memory": "/sys/fs/my cgroup"},
		}},
		"nothing": {"", "", hostCgroups{v1: map[string]string{}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := parseCgroups([]byte(tt.self), []byte(tt.mounts))
			if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(hostCgroups{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What steps may use is no more than the groups of this process get, the one
// above it as well.
func TestMemoryAllowed(t *testing.T) {
	const gib = 1 << 30
	group := func(file string, limits map[string]string) string {
		root := t.TempDir()
		for dir, limit := range limits {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, dir, file), []byte(limit+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(root, "a/b")
	}
	v1 := func(limits map[string]string) *hostCgroups {
		return &hostCgroups{v1: map[string]string{"memory": group("memory.limit_in_bytes", limits)}}
	}
	v2 := func(limits map[string]string) *hostCgroups { return &hostCgroups{v2: group("memory.max", limits)} }
	for name, c := range map[string]struct {
		host *hostCgroups
		want int64
	}{
		"no group":     {&hostCgroups{}, 8 * gib},
		"no limit, v1": {v1(map[string]string{"": "9223372036854771712", "a": "9223372036854771712", "a/b": "9223372036854771712"}), 8 * gib},
		"no limit, v2": {v2(map[string]string{"a": "max", "a/b": "max"}), 8 * gib},
		"its own, v1":  {v1(map[string]string{"": "9223372036854771712", "a": "9223372036854771712", "a/b": "1073741824"}), gib},
		"above, v1":    {v1(map[string]string{"": "9223372036854771712", "a": "1073741824", "a/b": "2147483648"}), gib},
		"its own, v2":  {v2(map[string]string{"a": "max", "a/b": "1073741824"}), gib},
		"above, v2":    {v2(map[string]string{"a": "1073741824", "a/b": "max"}), gib},
		"more than is": {v2(map[string]string{"a": "17179869184", "a/b": "max"}), 8 * gib},
		"nothing read": {v2(map[string]string{"a": "", "a/b": "much"}), 8 * gib},
	} {
		if got := c.host.memory(8 * gib); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Groups are made where the controllers are passed on, as near as possible.
func TestParentV2(t *testing.T) {
	const full = "cpu memory pids\n"
	tests := map[string]struct {
		files      map[string]string // of subtree_control; "" has none
		controls   string
		want       string
		wantReason bool
	}{
		"systemd":        {map[string]string{"": full, "user": full, "user/session": ""}, full, "user", false},
		"own":            {map[string]string{"": full, "user": full, "user/session": full}, full, "user/session", false},
		"root only":      {map[string]string{"": full, "user": "cpu\n", "user/session": ""}, full, "", false},
		"to be enabled":  {map[string]string{"": "cpu\n", "user": "", "user/session": ""}, full, "user/session", false},
		"no controllers": {map[string]string{"": "", "user": "", "user/session": ""}, "hugetlb\n", "none", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for dir, text := range tt.files {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := write(filepath.Join(root, dir), "cgroup.subtree_control", text); err != nil {
					t.Fatal(err)
				}
			}
			if err := write(root, "cgroup.controllers", tt.controls); err != nil {
				t.Fatal(err)
			}
			h := &hostCgroups{v2: filepath.Join(root, "user/session"), mount: root}
			got, why := h.parentV2()
			want := filepath.Join(root, tt.want)
			if tt.want == "none" {
				want = ""
			}
			if got != want || (why != "") != tt.wantReason {
				t.Errorf("parentV2 = %q, %q; want %q", got, why, want)
			}
		})
	}
}

func FuzzParseCgroups(f *testing.F) {
	mutate.Add(f, "0::/a/b\n", `24 1 0:22 / /sys/fs/cg\040roup rw shared:4 - cgroup2 cgroup2 rw`)
	mutate.Add(f, "8:pids:/\n4:a,b:/x\n", "35 31 0:30 /r /m rw - cgroup cgroup rw,pids,a\n")
	mutate.Add(f, "::::", `1 2 3 4 \777 - cgroup2 c c`)
	f.Fuzz(func(t *testing.T, self, mounts string) {
		h := parseCgroups([]byte(self), []byte(mounts))
		if (h.v2 == "") != (h.mount == "") {
			t.Errorf("v2 is %q, its mount %q", h.v2, h.mount)
		}
	})
}
