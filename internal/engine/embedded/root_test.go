//go:build linux

package embedded

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestSubordinate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("# x\nother:1:65536\nme:100000:1000\nme:200000:65536\n1000:300000:70000\nme:x:65536\nme:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names        []string
		start, count int
	}{
		{[]string{"1000", "me"}, 300000, 70000},
		{[]string{"1001", "me"}, 200000, 65536},
		{[]string{"1001"}, 0, 0},
	} {
		start, count, err := subordinate(file, c.names)
		if err != nil || start != c.start || count != c.count {
			t.Errorf("%q: %d, %d, %v", c.names, start, count, err)
		}
	}
	if _, n, err := subordinate(file+".none", []string{"1000"}); n != 0 || err != nil {
		t.Errorf("no file: %d, %v", n, err)
	}
}

// Without newuidmap there is one user, and the reason is said.
func TestOneUser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	m := readIDMap()
	if len(m.uids) != 3 || len(m.gids) != 3 || !strings.Contains(m.one, "newuidmap") {
		t.Errorf("%+v", m)
	}
}

// A step's description keeps all but what one user can't do.
func TestOneUserSpec(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	spec := specs.Spec{
		Mounts: []specs.Mount{{Destination: "/dev/pts", Type: "devpts", Options: []string{"nosuid", "mode=0620", "gid=5"}}},
		Linux: &specs.Linux{Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "setgroups"}, Action: specs.ActAllow}, {Names: []string{"setgroups"}, Action: specs.ActAllow},
		}}},
	}
	data, err := json.Marshal(spec)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err == nil {
		err = oneUserSpec(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	var got specs.Spec
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	success := uint(0)
	spec.Mounts[0].Options = []string{"nosuid", "mode=0620"}
	spec.Linux.Seccomp.Syscalls = []specs.LinuxSyscall{
		{Names: []string{"read"}, Action: specs.ActAllow}, {Names: []string{"setgroups"}, Action: specs.ActErrno, ErrnoRet: &success},
	}
	if d := cmp.Diff(spec, got); d != "" {
		t.Error(d)
	}
}
