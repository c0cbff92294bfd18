//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
)

// When the process that started an engine is killed, all of the engine goes,
// steps included, and the next start removes what the kernel leaves: cgroups.
func TestParentKilled(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	dir := t.TempDir()
	job := b.job("A", "echo up && sleep 1h")
	job.Store = nil
	data, err := json.Marshal(orphanConfig{opt.StateDir, opt.RootDir, b.store.Dir(), job})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "orphan.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TWICE_TEST_ORPHAN="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the step runs", time.Minute, func() bool { return stepRuns(cmd.Process.Pid) })
	all := family(cmd.Process.Pid)
	// The parent, the engine, runc and the step.
	if len(all) < 4 || len(leftovers(opt.StateDir, all)) <= len(all) {
		t.Fatalf("the test does not see all of a running engine: %v", leftovers(opt.StateDir, all))
	}

	// A second engine with the same state waits, and says for whom.
	var waiting atomic.Int64
	second := opt
	second.Waiting = func(pid int) { waiting.Store(int64(pid)) }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	if _, err := Start(ctx, second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second engine with the same state: %v", err)
	}
	cancel()
	if int(waiting.Load()) != cmd.Process.Pid {
		t.Errorf("it waited for %d, want %d", waiting.Load(), cmd.Process.Pid)
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	gone := waitFor(t, "the engine has gone", 2*time.Second, func() bool {
		for _, l := range leftovers(opt.StateDir, all) {
			if !strings.HasPrefix(l, "cgroup ") {
				return false
			}
		}
		return true
	})
	t.Logf("gone %v after the kill", gone)
	list, err := os.ReadFile(filepath.Join(opt.StateDir, "cgroups"))
	if err != nil {
		t.Fatal(err)
	}

	e := b.start(opt)
	mustRun(t, e, b.job("B", "echo again"))
	for dir := range strings.FieldsSeq(string(list)) {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("the next start left the old cgroup %s", dir)
		}
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	why := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, b.job("A", "sleep 1h"), nil) }()
	waitForStep(t)
	cancel(why)
	began := time.Now()
	err := <-done
	t.Logf("Run returned %v after the cancellation", time.Since(began))
	if !errors.Is(err, why) {
		t.Errorf("Run = %v, want the cause", err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("Run returned %v after the cancellation", d)
	}
	waitFor(t, "the step has gone", 2*time.Second, func() bool { return !stepRuns(os.Getpid()) })
	mustRun(t, e, b.job("B", "echo still works"))
}

// Close ends what runs.
func TestCloseWhileRunning(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	e := b.start(opt)
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context(), b.job("A", "sleep 1h"), nil) }()
	waitForStep(t)
	began := time.Now()
	b.stop(e)
	t.Logf("Close took %v", time.Since(began))
	if d := time.Since(began); d > stopTimeout+2*time.Second+syncTimeout {
		t.Errorf("Close took %v", d)
	}
	if err := <-done; !errors.Is(err, errClosed) {
		t.Errorf("Run = %v, want %v", err, errClosed)
	}
	if err := e.Run(t.Context(), b.job("B", "echo x"), nil); !errors.Is(err, errClosed) {
		t.Errorf("Run on a closed engine = %v", err)
	}
}

// A closed engine leaves neither processes nor mounts; closing it again and
// starting on its state work.
func TestCloseIdle(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	for range 3 {
		e := b.start(opt)
		began := time.Now()
		b.stop(e)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > stopTimeout+2*time.Second+syncTimeout {
			t.Errorf("Close took %v", d)
		}
	}
	if _, err := os.Stat(filepath.Join(opt.StateDir, "cgroups")); err == nil {
		t.Error("the list of cgroups is still there")
	}
}

// When the engine dies the error carries the end of its log.
func TestEngineDies(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context(), b.job("A", "sleep 1h"), nil) }()
	waitForStep(t)
	if err := e.(*embedded).child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, errDied) || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "engine.log") {
			t.Errorf("Run = %v", err)
		}
		if fault.HintOf(err) == "" {
			t.Error("the error has no hint")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Run did not return")
	}
	if err := e.Run(t.Context(), b.job("B", "echo x"), nil); !errors.Is(err, errDied) {
		t.Errorf("Run on a dead engine = %v", err)
	}
}

// State that BuildKit can't read is made anew.
func TestBrokenState(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	e := b.start(opt)
	mustRun(t, e, b.job("A", "echo x"))
	e.Close()
	dbs, err := filepath.Glob(filepath.Join(opt.StateDir, "buildkit", "*", "*.db"))
	if err != nil || len(dbs) < 2 {
		t.Fatalf("databases: %v, %v", dbs, err)
	}
	for i, db := range dbs {
		fi, err := os.Stat(db)
		if err != nil {
			t.Fatal(err)
		}
		junk := []byte(strings.Repeat("junk"+strconv.Itoa(i), int(fi.Size()/5)))
		if err := os.WriteFile(db, junk, 0o600); err != nil {
			t.Fatal(err)
		}
		e := b.start(opt)
		mustRun(t, e, b.job("A", "echo x"))
		e.Close()
	}
}

// State that was in use when the machine stopped may lack what was not on the
// disk yet.
func TestMachineStopped(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	mark := filepath.Join(opt.StateDir, "unsynced")
	nanos := func() string {
		t.Helper()
		e := b.start(opt)
		j := b.job("A", "nanos /out/n")
		mustRun(t, e, j)
		if boot, err := os.ReadFile(mark); err != nil || string(boot) != string(bootID()) {
			t.Errorf("a running engine's mark is %q, %v", boot, err)
		}
		b.stop(e)
		return read(t, j, "n")
	}
	first := nanos()
	// Killed in this boot: nothing is lost.
	if err := os.WriteFile(mark, bootID(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := nanos(); got != first {
		t.Error("the cache is gone although the machine did not stop")
	}
	if err := os.WriteFile(mark, []byte("another boot"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := nanos(); got == first {
		t.Error("a cache is used that may not be on the disk")
	}
}

func TestStartErrors(t *testing.T) {
	root := needRoot(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Join(broken, "usr/sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(root, "usr/sbin/runc"), filepath.Join(broken, "usr/sbin/runc")); err != nil {
		b, err := os.ReadFile(filepath.Join(root, "usr/sbin/runc"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(broken, "usr/sbin/runc"), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	readOnly := t.TempDir()
	if err := syscall.Mount(readOnly, readOnly, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(readOnly, 0)
	if err := syscall.Mount("", readOnly, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	overlay := t.TempDir() // what a container's root is
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(overlay, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := filepath.Join(overlay, "merged")
	if err := syscall.Mount("overlay", merged, "overlay", 0,
		"lowerdir="+overlay+"/lower,upperdir="+overlay+"/upper,workdir="+overlay+"/work"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(merged, syscall.MNT_DETACH)
	tests := map[string]struct {
		opt  func(*Options)
		want string
	}{
		"state on overlay": {func(o *Options) { o.StateDir = filepath.Join(merged, "state") }, "overlay"},
		"no runc":          {func(o *Options) { o.RootDir = t.TempDir() }, "has no runc"},
		"no libraries":     {func(o *Options) { o.RootDir = broken }, "running runc"},
		"state is a file":  {func(o *Options) { o.StateDir = file }, "not a directory"},
		"read-only state":  {func(o *Options) { o.StateDir = filepath.Join(readOnly, "state") }, "read-only file system"},
		"full disk":        {func(o *Options) { o.MinFree = 1 << 62 }, "nearly full"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opt := Options{StateDir: filepath.Join(t.TempDir(), "state"), RootDir: root}
			tt.opt(&opt)
			e, err := Start(t.Context(), opt)
			if err == nil {
				e.Close()
				t.Fatal("Start succeeded")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			if fault.HintOf(err) == "" && name != "state is a file" {
				t.Errorf("error %q has no hint", err)
			}
			checkGone(t, opt.StateDir, nil)
		})
	}
}

// A thread that ends must not take the engine along: the parent-death signal
// is that of the thread that started it.
func TestStarterThreadEnds(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	type started struct {
		e   engine.Engine
		err error
	}
	c := make(chan started)
	go func() {
		e, err := Start(t.Context(), opt)
		c <- started{e, err}
	}()
	s := <-c
	if s.err != nil {
		t.Fatal(s.err)
	}
	defer s.e.Close()
	endThreads()
	mustRun(t, s.e, b.job("A", "echo alive"))
}
