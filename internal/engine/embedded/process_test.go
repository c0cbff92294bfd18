//go:build linux

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/store"
)

// process is one that a test saw; a PID alone may mean another one later.
type process struct {
	pid   int
	start string // in clock ticks since boot
	cmd   string
}

// family returns a process and all that descend from it.
func family(root int) []process {
	children := map[int][]process{}
	var all []process
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// 12 (name) S 1 …: the name may hold anything.
		head, _, _ := strings.Cut(string(b), " (")
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		pid, _ := strconv.Atoi(head)
		parent, _ := strconv.Atoi(f[1])
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		p := process{pid, f[19], strings.TrimSpace(string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))}
		if f[0] == "Z" {
			continue
		}
		children[parent] = append(children[parent], p)
		if pid == root {
			all = append(all, p)
		}
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

func (p process) alive() bool {
	for _, q := range family(p.pid) {
		if q.pid == p.pid && q.start == p.start {
			return true
		}
	}
	return false
}

// stepRuns reports whether a probe runs below a process.
func stepRuns(root int) bool {
	for _, p := range family(root) {
		if strings.HasPrefix(p.cmd, "/probe ") {
			return true
		}
	}
	return false
}

// waitForStep waits until one of this process's engines runs a step.
func waitForStep(t testing.TB) {
	t.Helper()
	waitFor(t, "the step runs", time.Minute, func() bool { return stepRuns(os.Getpid()) })
}

// leftovers returns what of an engine with that state, and of those processes,
// is still there.
func leftovers(stateDir string, family []process) []string {
	var left []string
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, stateDir) {
			left = append(left, "mount "+line)
		}
	}
	for _, p := range family {
		if p.alive() {
			left = append(left, fmt.Sprintf("process %d %s", p.pid, p.cmd))
		}
	}
	if list, err := os.ReadFile(filepath.Join(stateDir, "cgroups")); err == nil {
		for dir := range strings.FieldsSeq(string(list)) {
			if _, err := os.Stat(dir); err == nil {
				left = append(left, "cgroup "+dir)
			}
		}
	}
	filepath.WalkDir(stateDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			left = append(left, "socket "+path)
		}
		return nil
	})
	return left
}

func checkGone(t testing.TB, stateDir string, family []process) {
	t.Helper()
	for _, l := range leftovers(stateDir, family) {
		t.Errorf("left behind: %s", strings.TrimSpace(l))
	}
}

// waitFor waits until ok, and fails after limit.
func waitFor(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

type orphanConfig struct {
	StateDir, RootDir, Store string
	Job                      engine.Job
}

// orphan runs an engine with one long step, in a process that a test kills.
func orphan(dir string) {
	var o orphanConfig
	b, err := os.ReadFile(filepath.Join(dir, "orphan.json"))
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err == nil {
		o.Job.Store, err = store.Open(o.Store)
	}
	var e engine.Engine
	if err == nil {
		e, err = Start(context.Background(), Options{StateDir: o.StateDir, RootDir: o.RootDir})
	}
	if err == nil {
		err = e.Run(context.Background(), o.Job, nil)
	}
	fmt.Fprintln(os.Stderr, "orphan:", err)
	os.Exit(1)
}
