//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
)

// endThreads makes many threads and lets them end.
func endThreads() {
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			runtime.LockOSThread() // without unlocking: the thread ends
			time.Sleep(10 * time.Millisecond)
		})
	}
	wg.Wait()
	time.Sleep(50 * time.Millisecond)
}

func TestForkBomb(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	opt.PIDs = 64
	e := b.start(opt)
	needContained(t, e)
	out, err := run(t.Context(), e, b.job("A", "forks 2000"))
	var step *engine.StepError
	if !errors.As(err, &step) || step.Exit != 3 {
		t.Fatalf("error %v\n%s", err, out)
	}
	if !strings.Contains(err.Error(), limitPIDs) {
		t.Errorf("error %q does not name the limit", err)
	}
	if !strings.Contains(out, "resource temporarily unavailable") {
		t.Errorf("the step was not stopped by the limit:\n%s", out)
	}
	mustRun(t, e, b.job("B", "echo the engine still works"))
}

func TestMemoryLimit(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	opt.Memory = 256 << 20
	e := b.start(opt)
	needContained(t, e)
	mustRun(t, e, b.job("A", "hog 64"))
	began := time.Now()
	_, err := run(t.Context(), e, b.job("B", "hog 4096"))
	var step *engine.StepError
	if !errors.As(err, &step) {
		t.Fatalf("error is %T: %v", err, err)
	}
	t.Logf("%v (after %v)", err, time.Since(began))
	if !strings.Contains(err.Error(), limitMemory) {
		t.Errorf("error %q does not name the limit", err)
	}
	if !strings.Contains(fault.HintOf(err), "GiB") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	// A compiler that is killed is not the step's own process.
	out, err := run(t.Context(), e, b.job("D", "child hog 4096"))
	if !errors.As(err, &step) || step.Exit != 101 || !strings.Contains(err.Error(), limitMemory) || !strings.Contains(out, "signal: killed") {
		t.Errorf("a child at the limit: %v\n%s", err, out)
	}
	// A step that fails for a reason of its own is not blamed.
	if _, err := run(t.Context(), e, b.job("C", "exit 137")); strings.Contains(err.Error(), limitMemory) {
		t.Errorf("error %q", err)
	}
}

func needContained(t *testing.T, e engine.Engine) {
	t.Helper()
	if i := e.Info(); !i.Contained {
		t.Skip("this machine has no cgroup controllers to give: ", i.Containment)
	}
}

// The watchdog stops all steps before the disk is full.
func TestDiskNearlyFull(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	opt.MinFree = 64 << 20
	disk := t.TempDir()
	smallDisk(t, disk, 256)
	opt.StateDir = filepath.Join(disk, "state")
	e := b.start(opt)
	other := make(chan error, 1)
	go func() { other <- e.Run(t.Context(), b.job("B", "sleep 1h"), nil) }()
	waitForStep(t)
	_, err := run(t.Context(), e, b.job("A", "fill /big"))
	for _, err := range []error{err, <-other} {
		if err == nil || !strings.Contains(err.Error(), "disk is nearly full") {
			t.Errorf("error %v does not say why", err)
		}
		if fault.HintOf(err) == "" {
			t.Error("the error has no hint")
		}
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(opt.StateDir, &st); err != nil {
		t.Fatal(err)
	}
	if st.Bavail == 0 {
		t.Error("the disk is full")
	}
	// What was written is given back when the engine is closed.
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Statfs(opt.StateDir, &st); err != nil || int64(st.Bavail)*st.Bsize < opt.MinFree {
		t.Errorf("%d MiB free: %v", int64(st.Bavail)*st.Bsize>>20, err)
	}
	e = b.start(opt)
	mustRun(t, e, b.job("C", "echo x"))
}

// A start on a disk that is nearly full empties the cache.
func TestStartReclaims(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	opt.MinFree = 64 << 20
	disk := t.TempDir()
	smallDisk(t, disk, 256)
	opt.StateDir = filepath.Join(disk, "state")
	e := b.start(opt)
	mustRun(t, e, b.job("A", "file /big 150"))
	e.Close()
	opt.MinFree = 128 << 20
	e = b.start(opt)
	mustRun(t, e, b.job("B", "echo x"))
	e.Close()
	if err := os.WriteFile(filepath.Join(disk, "other"), make([]byte, 180<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := Start(t.Context(), opt); err == nil {
		e.Close()
		t.Error("an engine starts on a full disk")
	} else if !strings.Contains(err.Error(), "nearly full") || fault.HintOf(err) == "" {
		t.Errorf("Start = %v", err)
	}
}

// smallDisk mounts a tmpfs of a size in MiB: overlayfs takes that for its
// upper directory.
func smallDisk(t *testing.T, dir string, mib int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// What the caller has is not what steps get.
func TestNothingInherited(t *testing.T) {
	b := newBench(t)
	defer syscall.Umask(syscall.Umask(0o077))
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(wd)
	var stack syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &stack); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_STACK, &stack)
	if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &syscall.Rlimit{Cur: 1 << 20, Max: stack.Max}); err != nil {
		t.Fatal(err)
	}
	opt := b.options()
	e := b.start(opt)
	got := mustRun(t, e, b.job("A", "inherit"))
	for _, want := range []string{"umask 22\n", "cwd /\n", "core 0\n", "stack 8388608\n", "personality 0\n", "SigIgn:\t0000000000000000\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("a step does not see %q:\n%s", want, got)
		}
	}
	j := b.job("B", "write /out/f x")
	mustRun(t, e, j)
	if fi, err := os.Stat(filepath.Join(j.Out, "f")); err != nil || fi.Mode() != 0o644 {
		t.Errorf("a file that a step made: %v, %v", fi, err)
	}
}
