package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
	"github.com/moby/buildkit/client"
	"github.com/spf13/cobra"
)

// engineFlags choose the engine.
type engineFlags struct {
	addr   string
	tls    engine.TLS
	memory int64
}

func (e *engineFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.addr, "engine", os.Getenv("BUILDKIT_HOST"), "address of a BuildKit that runs already, such as unix:///run/buildkit/buildkitd.sock; default: the embedded one")
	f.StringVar(&e.tls.CA, "engine-ca", "", "certificate authority of a tcp:// engine, a PEM file")
	f.StringVar(&e.tls.Cert, "engine-cert", "", "client certificate for a tcp:// engine, a PEM file")
	f.StringVar(&e.tls.Key, "engine-key", "", "key of the client certificate, a PEM file")
}

// start connects to the chosen engine or starts the embedded one.
func (e *engineFlags) start(ctx context.Context, tools resolve.Tools, p *progress) (*builder, error) {
	eng, err := e.open(ctx, tools, p)
	if err != nil {
		return nil, err
	}
	return &builder{Engine: eng, tools: tools, progress: p, streams: map[string]chan *client.SolveStatus{}}, nil
}

func (e *engineFlags) open(ctx context.Context, tools resolve.Tools, p *progress) (engine.Engine, error) {
	if e.addr != "" {
		return engine.Dial(ctx, e.addr, e.tls)
	}
	def, err := images.Load(resolve.EngineImage)
	if err != nil {
		return nil, err
	}
	if err := tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)); err != nil {
		return nil, err
	}
	root, err := cacheDir("engine-root")
	if err != nil {
		return nil, err
	}
	if err := compose.EngineRoot(ctx, tools.Store, def, root); err != nil {
		return nil, err
	}
	state, err := cacheDir("engine")
	if err != nil {
		return nil, err
	}
	return embedded.Start(ctx, embedded.Options{StateDir: state, RootDir: root, Memory: e.memory, Waiting: func(pid int) {
		p.message("waiting for the engine, which process %d uses", pid)
	}})
}

// builder is an engine as package verify wants it, with its progress on the
// screen.
type builder struct {
	engine.Engine
	tools    resolve.Tools
	progress *progress

	mu      sync.Mutex
	streams map[string]chan *client.SolveStatus // by side; made before the display starts
	shown   chan struct{}
	over    bool // the display has ended
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
		_ = engine.Display(ctx, b.progress.w, b.progress.mode, streams...)
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
	return b.Engine.Close()
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
	err := b.Run(ctx, engine.Job{
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
	if b.progress.mode == engine.Quiet || b.over {
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

// outputError is an error with the output that explains it.
type outputError struct {
	error
	lines []string
}

func (e *outputError) Unwrap() error { return e.error }

// Fixed implements verify.Builder: BuildKit can vary every axis.
func (b *builder) Fixed() []plan.Unvaried {
	if b.Info().Address == "" && runtime.NumCPU() == 1 {
		return []plan.Unvaried{{Name: string(plan.CPUCount), Why: "this machine has one processor"}}
	}
	return nil
}

// Name implements verify.Builder.
func (b *builder) Name() string {
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
