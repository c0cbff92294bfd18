package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// command is a program to be timed.
type command struct {
	name string   // program
	args []string //
	dir  string
	env  []string // added to the environment
	poll func(pid int)
}

// twice is a command of the program under test, with a cache of its own.
func (b *bench) twice(args ...string) command {
	return command{name: b.path("twice"), args: args, dir: b.scratch, env: []string{"TWICE_CACHE=" + b.path("cache"), "BUILDKIT_HOST="}}
}

// run runs c and returns the time it took and what it printed.
func (c command) run(ctx context.Context) (time.Duration, string, error) {
	settle(ctx)
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), c.env...)
	began := time.Now()
	err := cmd.Start()
	if err == nil {
		if c.poll != nil {
			go c.poll(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	took := time.Since(began)
	if ctx.Err() != nil {
		return took, "", context.Cause(ctx)
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		err = fmt.Errorf("%s %s: %w\n%s", c.name, strings.Join(c.args, " "), err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
	return took, strings.TrimSpace(stdout.String()), err
}

// timed runs commands one after the other and returns the time of all together.
func timed(ctx context.Context, commands ...command) (time.Duration, error) {
	var all time.Duration
	for _, c := range commands {
		took, _, err := c.run(ctx)
		if err != nil {
			return 0, err
		}
		all += took
	}
	return all, nil
}

// settle waits until what was written before is on the disk.
func settle(ctx context.Context) {
	_ = exec.CommandContext(ctx, "sync").Run() // where there is none, nothing is lost but precision
}

// interleaved measures two things n times, taking turns in who is first.
func interleaved(n int, ours, other func() (time.Duration, error)) (a, b []time.Duration, err error) {
	for i := range n {
		var x, y time.Duration
		var errX, errY error
		if i%2 == 0 {
			x, errX = ours()
		}
		if errX == nil {
			y, errY = other()
		}
		if i%2 == 1 && errY == nil {
			x, errX = ours()
		}
		if err := errors.Join(errX, errY); err != nil {
			return nil, nil, err
		}
		a, b = append(a, x), append(b, y)
	}
	return a, b, nil
}
