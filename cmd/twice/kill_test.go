package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// longFaults says whether scripts/faults asked for the long form.
func longFaults() bool { return os.Getenv("TWICE_FAULTS") == "long" }

// kill-loop WHO N COMMAND … runs a command that gives a verdict N times (50 in the
// long form), and kills WHO at a random moment of each: the command itself ("cli")
// or its engine's process ("engine"). After each, no process and no mount is there;
// the command has said nothing false; and when it runs again it gives the
// very output that it gave before.
func cmdKillLoop(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: kill-loop cli|engine N COMMAND …")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if longFaults() {
		n = 50
	}
	start := time.Now()
	want, err := verdictOf(runTwice(ts, args[2:], nil))
	ts.Check(err)
	took := time.Since(start)
	seed := uint64(time.Now().UnixNano())
	ts.Logf("seed %d, a run takes %v", seed, took)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		after := time.Duration(random.Int64N(int64(took)))
		who := args[0]
		out, code, stderr := runTwice(ts, args[2:], func(p *os.Process) {
			time.Sleep(after)
			if who == "cli" {
				_ = p.Kill()
			} else {
				killEngine(ts, p.Pid)
			}
		})
		ts.Logf("%d: killed %s after %v: exit status %d, %s", i+1, who, after, code, strings.TrimSpace(stderr))
		switch {
		case code == 0:
			if got, err := verdictOf(out, code, stderr); err != nil || got != want {
				ts.Fatalf("killed after %v, it said\n%s%v", after, out, err)
			}
		case strings.Contains(out, "REPRODUCIBLE"), strings.Contains(out, "MISMATCH"):
			ts.Fatalf("killed after %v, it gave a verdict with exit status %d:\n%s", after, code, out)
		case who == "engine" && (code != 2 || strings.Count(stderr, "twice: error: ") != 1):
			ts.Fatalf("its engine killed after %v, it ended with %d and\n%s", after, code, stderr)
		}
		waitForNothing(ts)
		got, err := verdictOf(runTwice(ts, args[2:], nil))
		if err != nil || got != want {
			ts.Fatalf("after a kill at %v the next run says %s (%v), not %s", after, got, err, want)
		}
		cmdNothingLeft(ts, false, nil)
	}
}

// scriptTwice is a command of the script, "twice ARG …", in its folder.
func scriptTwice(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(twiceBinary, args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), os.Environ()
	for _, v := range []string{"TWICE_CACHE", "RUSTUP_HOME", "HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
	}
	return cmd
}

// runTwice runs a command of the script; meanwhile is called while it runs. The exit
// status of what a signal ended is -1.
func runTwice(ts *testscript.TestScript, args []string, meanwhile func(*os.Process)) (stdout string, code int, stderr string) {
	cmd := scriptTwice(ts, args)
	var out, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &text
	cmd.WaitDelay = 5 * time.Second // what it started may hold the pipes
	ts.Check(cmd.Start())
	if meanwhile != nil {
		meanwhile(cmd.Process)
	}
	_ = cmd.Wait()
	return out.String(), cmd.ProcessState.ExitCode(), text.String()
}

var digestLine = regexp.MustCompile(`(?m)^image +(sha256:[0-9a-f]{64})$`)

// verdictOf is the image's digest of a reproducible verdict.
func verdictOf(stdout string, code int, stderr string) (string, error) {
	m := digestLine.FindStringSubmatch(stdout)
	if code != 0 || m == nil || !strings.Contains(stdout, "REPRODUCIBLE") {
		return "", fmt.Errorf("exit status %d:\n%s%s", code, stdout, stderr)
	}
	return m[1], nil
}

// killEngine kills the engine that a process has started, if there is one yet.
func killEngine(ts *testscript.TestScript, parent int) {
	procs, err := filepath.Glob("/proc/[0-9]*/stat")
	ts.Check(err)
	for _, p := range procs {
		data, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		if !ok || len(f) < 2 || f[1] != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(p))); err == nil {
			if engine, err := os.FindProcess(pid); err == nil {
				_ = engine.Kill()
			}
		}
	}
}

// waitForNothing waits until the kernel has ended what a killed process had.
func waitForNothing(ts *testscript.TestScript) {
	cache := ts.Getenv("TWICE_CACHE")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := ""
		mounts, err := filepath.Glob("/proc/[0-9]*/mountinfo")
		ts.Check(err)
		for _, m := range mounts {
			if data, err := os.ReadFile(m); err == nil && strings.Contains(string(data), cache) {
				left = filepath.Dir(m)
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(end) {
			cmdline, _ := os.ReadFile(filepath.Join(left, "cmdline"))
			ts.Fatalf("20 s after a kill this process still has the cache mounted: %s %q", left, cmdline)
		}
	}
}

// interrupt-at [-late] TEXT COMMAND … presses Ctrl-C when standard error has said
// TEXT. The command says that it was interrupted, with exit status 2, and leaves
// nothing. With -late it may have been done before it heard: then it says what it
// always says.
func cmdInterruptAt(ts *testscript.TestScript, neg bool, args []string) {
	late := len(args) > 0 && args[0] == "-late"
	if late {
		args = args[1:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt-at [-late] TEXT COMMAND …")
	}
	cmd := scriptTwice(ts, args[1:])
	seen := &watch{text: args[0], found: make(chan struct{})}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, seen
	ts.Check(cmd.Start())
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	select {
	case <-seen.found:
		if err := cmd.Process.Signal(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
	case <-done:
	}
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		ts.Fatalf("30 s after Ctrl-C at %q it still runs", args[0])
	}
	text := seen.said.String()
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("it never said %q:\n%s", args[0], text)
	}
	code := cmd.ProcessState.ExitCode()
	if _, err := verdictOf(out.String(), code, text); late && err == nil {
		ts.Logf("it was done before it heard")
	} else if code != 2 || !strings.HasSuffix(text, "twice: error: interrupted\n") || strings.Contains(out.String(), "REPRODUCIBLE") {
		ts.Fatalf("Ctrl-C at %q: exit status %d\n%s%s", args[0], code, out.String(), text)
	}
	waitForNothing(ts)
	cmdNothingLeft(ts, false, nil)
}

// watch closes found when a text was written to it.
type watch struct {
	said  bytes.Buffer
	text  string
	found chan struct{}
	done  bool
}

func (w *watch) Write(p []byte) (int, error) {
	n, err := w.said.Write(p)
	if !w.done && strings.Contains(w.said.String(), w.text) {
		w.done = true
		close(w.found)
	}
	return n, err
}
