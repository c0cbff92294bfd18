package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/lastline"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
)

// run is one call of a function: a folder of the runtime's, with a store that
// lives as long as the call, and the source on its disk.
type run struct {
	twice  *Twice
	dir    string // below the working directory, as the engine is told of it
	tools  resolve.Tools
	ca     string            // certificates to trust, as PEM
	locked *dagger.Directory // layout of what the lock names; set by compose
	// statement is the file of the provenance statement; set by release
	statement string
}

func (m *Twice) newRun(ctx context.Context) (r *run, err error) {
	dir, err := os.MkdirTemp(".", "work-")
	if err != nil {
		return nil, err
	}
	r = &run{twice: m, dir: dir}
	net := inputs.Network{Mirrors: m.Mirrors, Warn: func(err error) { fmt.Fprintln(os.Stderr, "warning:", err) }}
	if m.CA != nil {
		if net.CA, err = m.CA.Contents(ctx); err != nil {
			return nil, fmt.Errorf("taking the certificates: %w", err)
		}
		r.ca = net.CA
	}
	var l credential.Logins
	if l.Netrc, err = plain(ctx, "the .netrc", m.Netrc); err != nil {
		return nil, err
	}
	back, err := l.Lend() // what fetches reads it now
	if err != nil {
		return nil, err
	}
	r.tools, err = net.Tools(ctx, dir)
	return r, errors.Join(err, back())
}

// start sets up a call that builds.
func (m *Twice) start(ctx context.Context) (*run, verify.Options, error) {
	r, err := m.newRun(ctx)
	if err != nil {
		return nil, verify.Options{}, failure(err)
	}
	opt, err := r.options(ctx)
	return r, opt, failure(err)
}

// prepare sets up a call that only plans.
func (m *Twice) prepare(ctx context.Context) (*run, *verify.Prepared, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	prep, err := r.runner().Prepare(ctx, opt)
	return r, prep, failure(err)
}

// options brings the source here and says how to take it.
func (r *run) options(ctx context.Context) (verify.Options, error) {
	at := filepath.Join(r.dir, "source")
	if _, err := r.twice.Source.Export(ctx, at); err != nil {
		return verify.Options{}, fmt.Errorf("taking the source: %w", err)
	}
	opt := verify.Options{
		Spec: filepath.Join(at, filepath.FromSlash(r.twice.Path)), Vary: plan.AllAxes(), Fresh: true, Version: version,
		Resolve: resolve.Options{Dirty: r.twice.Dirty, Locked: true, Profile: r.twice.Profile, Builds: r.twice.Builds},
	}
	if r.twice.Epoch >= 0 {
		e := int64(r.twice.Epoch)
		opt.Resolve.Epoch = &e
	}
	if r.twice.Config != nil {
		text, err := r.twice.Config.Contents(ctx)
		if err != nil {
			return verify.Options{}, fmt.Errorf("taking the configuration: %w", err)
		}
		opt.Resolve.Config = []byte(text)
	}
	return opt, nil
}

// runner builds through the engine that this module runs in.
func (r *run) runner() *verify.Runner {
	return &verify.Runner{
		Tools: r.tools, Progress: progress{}, Scratch: filepath.Join(r.dir, "scratch"), Inputs: r.compose, Release: r.release,
		Engine: func(ctx context.Context) (verify.Builder, error) { return newEngine(ctx, r) },
	}
}

// compose calls the module next door, whose results the engine keeps, and
// takes from its layout what images are made on.
func (r *run) compose(ctx context.Context, p *resolve.Project) (*inputs.Set, error) {
	req, err := inputs.NewRequest(p)
	if err != nil {
		return nil, err
	}
	private, err := r.private(ctx, p)
	if err != nil {
		return nil, err
	}
	r.locked = dag.TwiceInputs().Compose(req.Lock, req.CargoLock, req.Settings, dagger.TwiceInputsComposeOpts{
		Bundle: byContent(r.twice.Bundle), Store: r.twice.Store, Private: private, Mirrors: r.twice.Mirrors, Ca: r.ca, Netrc: r.twice.mirrorLogins(),
	})
	n := 0
	return inputs.Import(ctx, r.tools.Store, func(name string) (io.ReadCloser, error) {
		n++
		to := filepath.Join(r.dir, "import-"+strconv.Itoa(n))
		if _, err := r.locked.File(name).Export(ctx, to); err != nil {
			return nil, err
		}
		return os.Open(to)
	})
}

// byContent is f under one name, known by its content: a bundle that lies
// somewhere else is the same argument.
func byContent(f *dagger.File) *dagger.File {
	if f == nil {
		return nil
	}
	return dag.Directory().WithFile("inputs.tar", f).File("inputs.tar")
}

// takeBundle brings the inputs that were given into the run's own store, for
// what is not left to compose.
func (r *run) takeBundle(ctx context.Context) error {
	if f := r.twice.Bundle; f != nil {
		at := r.path("bundle.tar")
		if _, err := f.Export(ctx, at); err != nil {
			return fmt.Errorf("taking the bundle: %w", err)
		}
		if err := inputs.ReadBundle(ctx, r.tools, at); err != nil {
			return err
		}
	}
	if d := r.twice.Store; d != nil {
		at := r.path("given")
		if _, err := d.Export(ctx, at); err != nil {
			return fmt.Errorf("taking the store: %w", err)
		}
		return inputs.ReadBundle(ctx, r.tools, at)
	}
	return nil
}

// path is a folder or file of the run's as the engine is told of it.
func (r *run) path(elem ...string) string { return filepath.Join(r.dir, filepath.Join(elem...)) }

// progress writes one line a step to the call's log.
type progress struct{}

func (progress) Start(step string) { fmt.Fprintf(os.Stderr, "%-9s …\n", step) }

func (progress) Done(step, result string, took time.Duration) {
	fmt.Fprintf(os.Stderr, "%-9s %s (%.1f s)\n", step, result, took.Seconds())
}

// failure is err as the log of a call is to end with it.
func failure(err error) error {
	var exec *dagger.ExecError
	if errors.As(err, &exec) {
		return lastline.Exec(err, exec.Stdout, exec.Stderr)
	}
	return lastline.Error(err)
}
