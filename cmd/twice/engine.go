//go:build !ahead

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/moby/buildkit/client"
)

// asEngine runs the engine, if that is what this process is, and says how it ended.
func asEngine() (status int, is bool) {
	if !embedded.IsChild() {
		return 0, false
	}
	return embedded.ServeMain(), true
}

// withRunner runs f with everything set up, and takes it down again.
func withRunner[T any](ctx context.Context, g *global, eng *engineFlags, sides []string, f func(*verify.Runner) (T, error)) (T, error) {
	r, p, err := g.newRunner(ctx)
	if err != nil {
		var none T
		return none, err
	}
	var b *builder
	r.Engine = func(ctx context.Context) (verify.Builder, error) {
		if b != nil {
			return b, nil
		}
		var err error
		if b, err = eng.start(ctx, r.Tools, p); err != nil {
			return nil, err
		}
		b.sides(ctx, sides...)
		return b, nil
	}
	result, err := f(r)
	if b != nil {
		if cerr := b.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("stopping the engine: %w", cerr)
		}
	}
	p.pause(false)
	keepInputs(ctx, r.Tools, p)
	return result, err
}

// start connects to the chosen engine or starts the embedded one.
func (e *engineFlags) start(ctx context.Context, tools resolve.Tools, p *progress) (*builder, error) {
	b := &builder{tools: tools, progress: p, streams: map[string]chan *client.SolveStatus{}, machines: map[int]*machine{}}
	if len(e.addrs) < 2 {
		var eng engine.Engine
		var err error
		if len(e.addrs) == 0 {
			eng, err = e.find(ctx, tools, p)
		} else {
			eng, err = e.open(ctx, e.addrs[0], tools, p)
		}
		if err != nil {
			return nil, err
		}
		b.pool, err = engine.NewPool([]*engine.Member{{Engine: eng}})
		return b, err
	}
	return b, e.several(ctx, b)
}

// several connects to all engines at once. One that can't be reached is lost
// from the start.
func (e *engineFlags) several(ctx context.Context, b *builder) error {
	if len(e.addrs) > verify.MaxEngines {
		return fmt.Errorf("%d engines are more than %d", len(e.addrs), verify.MaxEngines)
	}
	members := make([]*engine.Member, len(e.addrs))
	var g sync.WaitGroup
	for i, addr := range e.addrs {
		if slices.Contains(e.addrs[:i], addr) {
			return fault.Hint(fmt.Errorf("engine %s is given twice", addr), "two builds by one engine are what --engine once gives")
		}
		members[i] = &engine.Member{Name: engine.Shown(addr)}
		g.Go(func() { members[i].Engine, members[i].Err = e.open(ctx, addr, b.tools, b.progress) })
	}
	g.Wait()
	var err error
	if b.pool, err = engine.NewPool(members); err == nil {
		b.pool.Need, b.pool.Timeout, b.pool.Lost = 2, e.timeout, b.lost
		err = b.pool.Enough()
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		for _, m := range members {
			if m.Engine != nil {
				_ = m.Engine.Close()
			}
		}
		return err
	}
	for _, m := range members {
		if m.Err != nil {
			b.progress.message("going on without it: %s", oneLine(m.Err.Error()))
		}
	}
	return nil
}

func (e *engineFlags) open(ctx context.Context, addr string, tools resolve.Tools, p *progress) (engine.Engine, error) {
	switch {
	case isContainer(addr):
		return e.container(ctx, addr)
	case addr == embeddedName && runtime.GOOS == "linux" && os.Geteuid() != 0:
		return nil, fault.Hint(errors.New("engine embedded: it needs root, because it mounts file systems and makes namespaces"),
			"run it with sudo, or use another one: --engine rootless, docker, podman, or an address")
	case addr != embeddedName && addr != rootlessName:
		return engine.Dial(ctx, addr, engine.TLS{CA: e.tls.CA, Cert: e.tls.Cert, Key: e.tls.Key})
	}
	root, err := engineRoot(ctx, tools)
	if err != nil {
		return nil, err
	}
	rootless := addr == rootlessName
	dir := "engine"
	if rootless {
		dir = "engine-rootless" // root's can't be read, and its layers are another user's
	}
	state, err := cacheDir(dir)
	if err != nil {
		return nil, err
	}
	return embedded.Start(ctx, embedded.Options{StateDir: state, RootDir: root, Memory: e.memory, Rootless: rootless, Waiting: func(pid int) {
		p.message("waiting for the engine, which process %d uses", pid)
	}})
}

// builder is an engine as package verify wants it, with its progress on the
// screen.
type builder struct {
	pool     *engine.Pool
	tools    resolve.Tools
	progress *progress

	mu      sync.Mutex
	streams map[string]chan *client.SolveStatus // by side; made before the display starts
	shown   chan struct{}
	over    bool // the display has ended

	machines map[int]*machine // by engine, where there are several
}

// machine is what an engine says of its machine, when it has said it.
type machine struct {
	engine.Machine
	known chan struct{}
}

// Info is what the one engine says of itself.
func (b *builder) Info() engine.Info { return b.pool.Members()[0].Engine.Info() }

// lost says that an engine is lost, where that doesn't disturb the display.
func (b *builder) lost(m, next *engine.Member, err error) {
	if b.progress.mode == modeTerminal || next == nil {
		return
	}
	b.progress.message("%s; %s takes its place", oneLine(err.Error()), next.Name)
}

// ask finds out what machine an engine is on, while it builds.
func (b *builder) ask(ctx context.Context, at int, job verify.Job) {
	shell, ok := job.Inputs.Contexts()["builder"]
	if b.pool.Len() < 2 || !ok {
		return
	}
	b.mu.Lock()
	_, asked := b.machines[at]
	m := &machine{known: make(chan struct{})}
	if !asked {
		b.machines[at] = m
	}
	b.mu.Unlock()
	eng := b.pool.Members()[at].Engine
	if asked || eng == nil {
		return
	}
	go func() {
		defer close(m.known)
		m.Machine, _ = engine.AskMachine(ctx, eng, b.tools.Store, shell) // one that does not say is listed so
	}()
}

// Count implements verify.Several.
func (b *builder) Count() int { return b.pool.Len() }

// Engines implements verify.Several.
func (b *builder) Engines() []verdict.Engine {
	var out []verdict.Engine
	for i, m := range b.pool.Members() {
		e := verdict.Engine{Name: m.Name, Sides: m.Ran}
		if m.Err != nil {
			e.Lost = oneLine(m.Err.Error())
		}
		if m.Engine != nil {
			info := m.Engine.Info()
			e.BuildKit, e.Worker = info.BuildKit, info.Worker
			if !info.Contained {
				e.NotContained = info.Containment
			}
		}
		b.mu.Lock()
		x := b.machines[i]
		b.mu.Unlock()
		if x != nil && m.Err == nil {
			select {
			case <-x.known:
				e.Kernel, e.CPU, e.Boot = x.Kernel, x.CPU, x.Boot
			case <-time.After(10 * time.Second):
			}
		}
		out = append(out, e)
	}
	return out
}

// sides announces the sides whose builds will be shown together.
func (b *builder) sides(ctx context.Context, names ...string) {
	var streams []engine.Stream
	for _, n := range names {
		c := make(chan *client.SolveStatus)
		b.streams[n] = c
		streams = append(streams, engine.Stream{Prefix: n, Status: c})
	}
	b.shown = make(chan struct{})
	b.progress.pause(true)
	go func() {
		defer close(b.shown)
		_ = engine.Display(ctx, b.progress.w, engine.Mode(b.progress.mode), streams...)
	}()
}

// finish ends the display; nothing is shown after it.
func (b *builder) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown == nil {
		return
	}
	for _, c := range b.streams {
		close(c)
	}
	<-b.shown
	b.shown, b.over = nil, true
	b.progress.pause(false)
}

// Close ends the display and the engine.
func (b *builder) Close() error {
	b.finish()
	return b.pool.Close()
}

// Build implements verify.Builder. A side that was not announced ends the
// display and is built without one.
func (b *builder) Build(ctx context.Context, job verify.Job) error {
	stream, ok := b.streams[job.Side.Name]
	if !ok {
		b.finish()
		b.progress.redraw()
	}
	status := make(chan *client.SolveStatus)
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for s := range status {
			if ok {
				stream <- s
			}
		}
	}()
	asking, done := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, done)()
	b.ask(asking, job.Engine, job)
	err := b.pool.Run(ctx, job.Engine, job.Exact, engine.Job{
		ID: job.Side.Name, Dockerfile: []byte(job.Plan.Dockerfile(job.Side)), Target: "out", Inputs: job.Inputs.Contexts(), Store: b.tools.Store,
		Out: job.Out, Hostname: job.Side.Settings(job.Plan).HostName,
	}, status)
	<-forwarded
	return b.explain(err, job.Plan)
}

// wantsGit is what a build script that found no git or no repository prints.
var wantsGit = regexp.MustCompile(`(?i)\bgit\b`)

// wantsOutside is what a build prints that looks for a file above its folder.
var wantsOutside = regexp.MustCompile(`\.\./.*(No such file|not found)|(No such file|not found).*\.\./`)

// explain adds the last lines of a failed step, if the display doesn't show them.
func (b *builder) explain(err error, p *plan.Plan) error {
	var step *engine.StepError
	if !errors.As(err, &step) {
		return err
	}
	if large := plan.TooLarge(step.Tail(1)); large != "" {
		return fault.Hint(errors.New(large), "nobody hands over so much: look for what a build script writes to /out, or to a binary")
	}
	if b.progress.mode == modeQuiet || b.over {
		err = &outputError{err, step.Tail(20)}
	}
	if !p.AsksGit && slices.ContainsFunc(step.Tail(20), wantsGit.MatchString) {
		return fault.Hint(err, "a build script may want git, which builds don't see: git = true in twice.toml gives them it, with the commit and its tags")
	}
	if p.Part && slices.ContainsFunc(step.Tail(20), wantsOutside.MatchString) {
		return fault.Hint(err, "the build has the workspace's folder alone: whole-repository = true in twice.toml gives it all of the repository")
	}
	return fault.Hint(err, "the step's last lines are above; `twice plan` shows what ran")
}

// Fixed implements verify.Builder: BuildKit can vary every axis.
func (b *builder) Fixed() []plan.Unvaried {
	var out []plan.Unvaried
	for _, m := range b.pool.Members() {
		if m.Engine == nil {
			continue
		}
		i := m.Engine.Info()
		add := func(a plan.Axis, why string) {
			if !slices.ContainsFunc(out, func(u plan.Unvaried) bool { return u.Name == string(a) }) {
				out = append(out, plan.Unvaried{Name: string(a), Why: why})
			}
		}
		if i.Address == "" && runtime.NumCPU() == 1 {
			add(plan.CPUCount, "this machine has one processor")
		}
		if i.OneUser != "" {
			add(plan.User, "without root there is one user: "+i.OneUser)
		}
	}
	return out
}

// Name implements verify.Builder.
func (b *builder) Name() string {
	if b.pool.Len() > 1 {
		var names []string
		for _, m := range b.pool.Members() {
			names = append(names, m.Name)
		}
		return fmt.Sprintf("%d engines: %s", len(names), strings.Join(names, ", "))
	}
	i := b.Info()
	s := fmt.Sprintf("%s BuildKit %s", i.Kind, i.BuildKit)
	if i.Address != "" {
		s += " at " + i.Address
	}
	if i.Contained {
		return s + ", contained"
	}
	return s + ", not contained: " + i.Containment
}
