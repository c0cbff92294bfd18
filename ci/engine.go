package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/buildcontext"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/lastline"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verify"
)

// engine runs plans with Directory.DockerBuild: the one way of Dagger's in which
// a command has no network.
type engine struct {
	run     *run
	version string
}

func newEngine(ctx context.Context, r *run) (*engine, error) {
	v, err := dag.Version(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the engine for its version: %w", err)
	}
	return &engine{r, v}, nil
}

// Build implements verify.Builder. The context is the layout of what is locked,
// which stays in the engine, and the layer of the sources, which goes there.
func (e *engine) Build(ctx context.Context, job verify.Job) error {
	c := e.context(job).DockerBuild(dagger.DirectoryDockerBuildOpts{Target: "out", NoInit: true})
	_, err := c.Rootfs().Export(ctx, job.Out)
	var exec *dagger.ExecError
	if errors.As(err, &exec) {
		return &stepError{err, exec.Stdout + exec.Stderr}
	}
	return err
}

// stepError is a step that failed, with what it wrote.
type stepError struct {
	error
	output string
}

func (e *stepError) Unwrap() error { return e.error }

// Tail returns the last n lines of the step's output: a verdict shows them.
func (e *stepError) Tail(n int) []string { return lastline.Of(e.output, n) }

func (e *engine) context(job verify.Job) *dagger.Directory {
	d := e.run.locked
	for _, l := range buildcontext.Sources(job.Inputs) {
		name := image.BlobPath(l.Digest)
		d = d.WithFile(name, dag.CurrentModule().WorkdirFile(e.run.path("store", name)))
	}
	return d.WithNewFile("Dockerfile", buildcontext.Dockerfile(job.Plan, job.Side, job.Inputs))
}

// Fixed implements verify.Builder.
func (e *engine) Fixed() []plan.Unvaried {
	return []plan.Unvaried{{Name: string(plan.HostName), Why: "Dagger gives every step the same host name"}}
}

// Name implements verify.Builder.
func (e *engine) Name() string {
	return "Dagger " + e.version + ", not contained: steps have no limits of their own"
}

// version of Twice: an engine builds a module from a tree without history.
const version = "(devel)"
