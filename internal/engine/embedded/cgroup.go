//go:build linux

package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups are the directories of one engine: one with cgroup v2, one in each
// hierarchy with v1. Each has two children: "engine", for BuildKit itself, and
// "build", which has the limits and in which runc makes a group for each step.
type cgroups struct {
	Version int
	Dirs    map[string]string // controller ("" with v2) to directory
	Limited bool              // pids and memory limits are in force
	Why     string            // why not
	PIDs    int64             // the limits
	Memory  int64
}

// v1 controllers that an engine needs: two for limits, and two without which
// runc does not run or can't kill.
var controllersV1 = []string{"pids", "memory", "devices", "freezer"}

// newCgroups finds where groups can be made, notes their names in the file
// list, and makes them.
func newCgroups(list string, opt Options, suffix string) (*cgroups, error) {
	host, err := readCgroups()
	if err != nil {
		return nil, err
	}
	g := &cgroups{Dirs: map[string]string{}, PIDs: opt.PIDs, Memory: opt.Memory}
	name := "twice-" + suffix
	if parent, why := host.parentV2(); parent != "" {
		g.Version, g.Why = 2, why
		g.Dirs[""] = filepath.Join(parent, name)
	} else if host.v1["devices"] != "" {
		g.Version = 1
		for _, c := range controllersV1 {
			if dir := host.v1[c]; dir != "" {
				g.Dirs[c] = filepath.Join(dir, name)
			}
		}
		for _, c := range []string{"pids", "memory"} {
			if g.Dirs[c] == "" {
				g.Why = "the machine has no " + c + " cgroup controller"
			}
		}
	} else if host.v2 != "" {
		g.Version, g.Why = 2, "the machine's cgroups have no pids and memory controllers"
		g.Dirs[""] = filepath.Join(host.v2, name)
	} else {
		return nil, errors.New("no cgroup hierarchy is mounted")
	}
	if err := os.WriteFile(list, []byte(strings.Join(g.list(), "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := g.make(); err != nil {
		g.remove()
		return nil, err
	}
	g.Limited = g.Why == ""
	return g, nil
}

func (g *cgroups) list() []string {
	var dirs []string
	for _, d := range g.Dirs {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	return dirs
}

func (g *cgroups) make() error {
	for c, dir := range g.Dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if g.Version == 2 && g.Why == "" {
			if err := write(dir, "cgroup.subtree_control", "+pids +memory"); err != nil {
				g.Why = "the cgroup controllers can't be enabled: " + err.Error()
			}
		}
		if c == "memory" {
			// Kernels before 5.11 need to be told, later ones know no other way.
			_ = write(dir, "memory.use_hierarchy", "1")
		}
		for _, sub := range []string{"engine", "build"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				return err
			}
		}
		if g.Why != "" {
			continue
		}
		build := filepath.Join(dir, "build")
		if g.Version == 2 || c == "pids" {
			if err := write(build, "pids.max", strconv.FormatInt(g.PIDs, 10)); err != nil {
				return err
			}
		}
		if file := map[string]string{"": "memory.max", "memory": "memory.limit_in_bytes"}[c]; file != "" {
			if err := write(build, file, strconv.FormatInt(g.Memory, 10)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add moves a process to the engine's groups.
func (g *cgroups) add(pid int) error {
	for _, dir := range g.Dirs {
		if err := write(filepath.Join(dir, "engine"), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

func (g *cgroups) remove() error {
	var errs []error
	for _, dir := range g.Dirs {
		errs = append(errs, removeCgroup(dir))
	}
	return errors.Join(errs...)
}

func (g *cgroups) describe() string {
	if !g.Limited {
		return g.Why
	}
	return fmt.Sprintf("cgroup v%d: %d processes, %.1f GiB of memory", g.Version, g.PIDs, float64(g.Memory)/(1<<30))
}

// sweep removes the groups that an engine left that could not do so itself.
func sweep(list string) error {
	b, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for dir := range strings.Lines(string(b)) {
		dir = strings.TrimSpace(dir)
		var st unix.Statfs_t
		if !strings.HasPrefix(filepath.Base(dir), "twice-") || unix.Statfs(dir, &st) != nil {
			continue
		}
		if st.Type != unix.CGROUP_SUPER_MAGIC && st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		if err := removeCgroup(dir); err != nil {
			return err
		}
	}
	return os.Remove(list)
}

// removeCgroup kills what is in dir and removes it with all groups below. A
// group of dead processes stays busy for a moment.
func removeCgroup(dir string) error {
	deadline := time.Now().Add(time.Second)
	for {
		err := removeTree(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, p := range bytes.Fields(procs) {
		if pid, err := strconv.Atoi(string(p)); err == nil && pid > 1 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	// Not os.Remove: it would try unlink first and report its error.
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

func write(dir, file, value string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644)
}
