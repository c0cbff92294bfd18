//go:build linux

package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/executor"
	resourcestypes "github.com/moby/buildkit/executor/resources/types"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"golang.org/x/sys/unix"
)

// What the engine says of a step that a limit ended.
const (
	limitMemory = "killed at the memory limit of the engine's steps"
	limitPIDs   = "the limit of processes of the engine's steps was reached"
)

// limits counts how often steps hit one.
type limits struct {
	cgroups *cgroups
	oom     atomic.Int64 // with v1; v2 has a file
}

// watchLimits starts counting. With cgroup v1 the count of kills is kept in
// the group of the victim, which is gone when its step is; the group with the
// limit tells a listener of each one instead.
func watchLimits(g *cgroups) (*limits, error) {
	l := &limits{cgroups: g}
	if g.Version == 2 || g.Dirs["memory"] == "" {
		return l, nil
	}
	dir := filepath.Join(cgroupDir, "memory", "build")
	f, err := os.Open(filepath.Join(dir, "memory.oom_control"))
	if err != nil {
		return l, fmt.Errorf("watching the memory limit: %w", err)
	}
	defer f.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return l, fmt.Errorf("watching the memory limit: %w", err)
	}
	event := os.NewFile(uintptr(fd), "oom")
	if err := write(dir, "cgroup.event_control", fmt.Sprintf("%d %d", fd, f.Fd())); err != nil {
		event.Close()
		return l, fmt.Errorf("watching the memory limit: %w", err)
	}
	go func() {
		defer event.Close()
		b := make([]byte, 8)
		for {
			if _, err := event.Read(b); err != nil {
				return
			}
			l.oom.Add(int64(binary.NativeEndian.Uint64(b)))
		}
	}()
	return l, nil
}

func (l *limits) oomKills() int64 {
	if l.cgroups.Version == 2 {
		return counter(filepath.Join(cgroupDir, "build", "memory.events"), "oom_kill")
	}
	return l.oom.Load()
}

// pidsRefused counts forks that failed, as far as that is known. Since Linux
// 6.11 the group with the limit counts each one. Before that, and with v1, it
// is the step's own group that does, which is gone by now: what is left (since
// Linux 6.1) is the highest number of processes there ever were, so that the
// limit is named the first time only.
func (l *limits) pidsRefused() int64 {
	dir := filepath.Join(cgroupDir, "build")
	if l.cgroups.Version == 1 {
		dir = filepath.Join(cgroupDir, "pids", "build")
	}
	n := counter(filepath.Join(dir, "pids.events"), "max")
	b, err := os.ReadFile(filepath.Join(dir, "pids.peak"))
	if err != nil {
		return n
	}
	if peak, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil && peak >= l.cgroups.PIDs {
		n++
	}
	return n
}

// counter returns the number after name in a file of "name number" lines.
func counter(path, name string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == name {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return n
		}
	}
	return 0
}

// stepExecutor adds to the error of a step whether a limit was the cause. Of
// steps that run at the same time each one that fails gets the blame.
type stepExecutor struct {
	executor.Executor
	limits *limits
}

func (e *stepExecutor) Run(ctx context.Context, id string, root executor.Mount, mounts []executor.Mount, process executor.ProcessInfo, started chan<- struct{}) (resourcestypes.Recorder, error) {
	oom, pids := e.limits.oomKills(), e.limits.pidsRefused()
	rec, err := e.Executor.Run(ctx, id, root, mounts, process, started)
	var exit *gateway.ExitError
	if err == nil || ctx.Err() != nil || !errors.As(err, &exit) {
		return rec, err
	}
	time.Sleep(20 * time.Millisecond) // the kernel's notice may come after the death
	var why string
	switch {
	case e.limits.oomKills() > oom:
		why = limitMemory
	case e.limits.pidsRefused() > pids:
		why = limitPIDs
	default:
		return rec, err
	}
	return rec, &gateway.ExitError{ExitCode: exit.ExitCode, Err: fmt.Errorf("exit code: %d: %s", exit.ExitCode, why)}
}
