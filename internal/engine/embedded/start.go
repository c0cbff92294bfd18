//go:build linux

package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
)

// Start starts an engine and returns when it takes jobs. Close ends it.
func Start(ctx context.Context, opt Options) (engine.Engine, error) {
	began := time.Now()
	if err := CanRunHere(); err != nil {
		return nil, err
	}
	opt = opt.withDefaults()
	var users *idMap
	if opt.Rootless || os.Geteuid() != 0 {
		if err := Rootless(); err != nil {
			return nil, fault.Hint(fmt.Errorf("the embedded engine can't do without root here: %w", err), rootlessHint)
		}
		m := readIDMap()
		if users = &m; m.one != "" {
			opt.StateDir = filepath.Join(opt.StateDir, "one-user") // the owners of files there are not those of other engines
		}
	}
	runc, err := findRunc(opt.RootDir)
	if err != nil {
		return nil, err
	}
	e := &embedded{opt: opt, users: users, jobs: map[*job]struct{}{}}
	if e.state, err = openState(ctx, opt.StateDir, opt.Waiting, e.empty); err != nil {
		return nil, err
	}
	if err := e.start(ctx, runc); err != nil {
		e.release()
		return nil, err
	}
	if err := e.makeSpace(ctx); err != nil {
		e.Close()
		return nil, err
	}
	e.info.Start = time.Since(began)
	return e, nil
}

// makeSpace empties the cache if the disk is nearly full.
func (e *embedded) makeSpace(ctx context.Context) error {
	free, err := e.state.free()
	if err == nil && free < e.opt.MinFree {
		if err := e.reclaim(ctx); err != nil {
			return err
		}
		free, err = e.state.free()
	}
	if err != nil {
		return stateError(err)
	}
	if free < e.opt.MinFree {
		return diskError(e.state.dir, free, e.opt.MinFree)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.PIDs == 0 {
		o.PIDs = defaultPIDs
	}
	if o.Memory == 0 {
		o.Memory = memoryAllowed() / 8 * 7
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.CacheMax == 0 {
		o.CacheMax = defaultCacheMax
	}
	return o
}

// findRunc returns the place of runc below root.
func findRunc(root string) (string, error) {
	for _, p := range []string{"usr/sbin/runc", "usr/bin/runc", "sbin/runc", "bin/runc", "usr/local/sbin/runc", "usr/local/bin/runc"} {
		if fi, err := os.Stat(filepath.Join(root, p)); err == nil && fi.Mode()&0o111 != 0 {
			return "/" + p, nil
		}
	}
	return "", fault.Hintf(fmt.Errorf("the engine's root %s has no runc", root), "remove %s: it is made anew", root)
}

// start runs the engine process; state that it can't open is removed once.
func (e *embedded) start(ctx context.Context, runc string) error {
	if err := sweep(e.state.path("cgroups")); err != nil {
		return fmt.Errorf("removing cgroups of an earlier engine: %w", err)
	}
	suffix := make([]byte, 4)
	rand.Read(suffix)
	groups := &cgroups{Version: 2, Why: "without root it can limit the processes of each user, and nothing else"}
	if e.users == nil {
		var err error
		if groups, err = newCgroups(e.state.path("cgroups"), e.opt, hex.EncodeToString(suffix)); err != nil {
			return fault.Hint(fmt.Errorf("making a cgroup for the engine: %w", err), privilegedHint)
		}
		e.groups = groups
	}
	cfg := e.config(groups)
	cfg.Runc = runc
	var err error
	if cfg.RootDir, err = filepath.Abs(cfg.RootDir); err != nil {
		return fmt.Errorf("the engine's root: %w", err)
	}
	reply, err := e.launch(ctx, cfg)
	var broken *stateBroken
	if errors.As(err, &broken) {
		if err := e.state.reset(ctx); err != nil {
			return err
		}
		reply, err = e.launch(ctx, cfg)
	}
	if err != nil {
		return err
	}
	c, err := client.New(ctx, "unix:///"+argv0, client.WithContextDialer(
		func(context.Context, string) (net.Conn, error) { return dial(e.child.control) }))
	if err != nil {
		e.child.stop(0)
		return fmt.Errorf("connecting to the engine: %w", err)
	}
	e.info = engine.Info{
		Kind: "embedded", BuildKit: reply.BuildKit, Revision: reply.Revision, Runtime: reply.Runtime,
		Contained: groups.Limited, Containment: groups.describe(),
	}
	if e.users != nil {
		e.info.Kind, e.info.OneUser = "rootless", e.users.one
	}
	e.client, e.inner = c, engine.Over(c, e.info)
	return nil
}

func (e *embedded) config(groups *cgroups) childConfig {
	return childConfig{
		StateDir: e.state.dir, RootDir: e.opt.RootDir, Cgroups: groups, CacheMax: e.opt.CacheMax,
		Rootless: e.users != nil, OneUser: e.users != nil && e.users.one != "", PIDs: e.opt.PIDs,
	}
}

// empty removes BuildKit's state, where files may belong to users of the
// engine's namespace: only there can they be removed.
func (e *embedded) empty(ctx context.Context, st *state) error {
	if e.users == nil {
		return os.RemoveAll(st.path("buildkit"))
	}
	e.state = st
	cfg := e.config(&cgroups{Version: 2})
	cfg.Empty = true
	var err error
	if cfg.RootDir, err = filepath.Abs(cfg.RootDir); err != nil {
		return err
	}
	old := e.child
	_, err = e.launch(ctx, cfg)
	if err == nil {
		e.child.stop(stopTimeout)
	}
	e.child = old
	return err
}

// stateBroken says that an engine could not open its state, or died of it.
type stateBroken struct{ error }

func (s *stateBroken) Unwrap() error { return s.error }

// launch starts one process and waits until it is ready.
func (e *embedded) launch(ctx context.Context, cfg childConfig) (childReply, error) {
	var reply childReply
	log, err := e.state.openLog()
	if err != nil {
		return reply, err
	}
	defer log.Close()
	c, err := spawn(log, e.users)
	if err != nil {
		return reply, err
	}
	if err := cfg.Cgroups.add(c.cmd.Process.Pid); err != nil {
		c.stop(0)
		return reply, fault.Hint(fmt.Errorf("moving the engine to its cgroup: %w", err), privilegedHint)
	}
	limit := startTimeout
	if cfg.Empty { // however much that is
		limit = emptyTimeout
	}
	got := make(chan error, 1)
	go func() {
		err := send(c.control, cfg)
		if err == nil {
			err = receive(c.control, &reply)
		}
		got <- err
	}()
	select {
	case err = <-got:
	case <-ctx.Done():
		c.stop(0)
		<-got
		return reply, fmt.Errorf("starting the engine: %w", context.Cause(ctx))
	case <-time.After(limit):
		c.stop(0)
		<-got
		return reply, e.withLog(fmt.Errorf("the engine did not start within %s", limit))
	}
	if err != nil {
		// It ended without an answer: a panic of the database's, perhaps.
		c.stop(0)
		return reply, &stateBroken{e.withLog(fmt.Errorf("the engine ended while it started: %w", c.err))}
	}
	if reply.Error != "" {
		c.stop(0)
		err := e.withLog(fmt.Errorf("starting the engine: %s", reply.Error))
		if reply.Hint != "" {
			err = fault.Hint(err, reply.Hint)
		}
		if reply.State {
			err = &stateBroken{err}
		}
		return reply, err
	}
	e.child = c
	return reply, nil
}

const rootlessHint = "run it as root, or use a BuildKit that runs already: --engine docker, podman, or an address"

const privilegedHint = "in a container this needs --privileged; or give a BuildKit of your own with --engine"

// withLog adds the end of the engine's log to err.
func (e *embedded) withLog(err error) error {
	lines := e.state.lastLines(8)
	if len(lines) == 0 || lines[0] == "" {
		return err
	}
	return fmt.Errorf("%w; the end of %s:\n%s", err, e.state.path("engine.log"), strings.Join(lines, "\n"))
}
