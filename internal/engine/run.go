package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/bklog"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"

	"github.com/craton-co/twice/internal/fault"
)

// Over returns an engine that runs its jobs on the BuildKit that c speaks to.
// Closing it closes c.
func Over(c *client.Client, info Info) Engine {
	return &remote{c: c, info: info}
}

type remote struct {
	c      *client.Client
	info   Info
	closed atomic.Bool
}

func (e *remote) Info() Info { return e.info }

func (e *remote) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	return e.c.Close()
}

func (e *remote) Run(ctx context.Context, job Job, status chan<- *client.SolveStatus) (err error) {
	w := newWatcher(status)
	defer w.close()
	opt, err := solveOpt(job)
	if err != nil {
		return fmt.Errorf("job %s: %w", job.ID, &InputError{err})
	}
	if err := emptyDir(job.Out); err != nil {
		return fmt.Errorf("job %s: %w", job.ID, &InputError{err})
	}
	in := make(chan *client.SolveStatus)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range in {
			w.update(s)
		}
	}()
	_, err = e.c.Solve(bklog.WithLogger(ctx, silent), nil, opt, in)
	<-done
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("job %s: %w", job.ID, context.Cause(ctx))
	}
	if bad := brokenInput(ctx, job, err); bad != nil {
		return fmt.Errorf("job %s: %w", job.ID, &InputError{bad})
	}
	err = w.explain(err)
	if e.info.Address != "" && grpcerrors.Code(err) == codes.Unavailable {
		err = fault.Hint(fmt.Errorf("the connection to the engine at %s was lost: %w", e.info.Address, err),
			"is the engine running, and the way to it open? If so run the command again; with one more --engine than are needed, another one takes its place")
	}
	return fmt.Errorf("job %s: %w", job.ID, err)
}

// An InputError says that an input is not what it should be: no engine can
// use it.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

var (
	changedBlob = regexp.MustCompile(`unexpected commit digest \S+, expected (sha256:[0-9a-f]{64})`)
	missingBlob = regexp.MustCompile(`blob sha256:[0-9a-f]{64}: not found`)
)

// brokenInput finds out whether the engine's error comes of a blob that has
// changed in the store since it was put there, or is gone.
func brokenInput(ctx context.Context, job Job, err error) error {
	const again = "run the command again: what is missing is fetched again"
	if m := changedBlob.FindStringSubmatch(err.Error()); m != nil && job.Store != nil {
		return fault.Hint(job.Store.Verify(ctx, digest.Digest(m[1])), again)
	}
	if m := missingBlob.FindString(err.Error()); m != "" {
		return fault.Hintf(fmt.Errorf("an input is incomplete: %s", m), again)
	}
	return nil
}

var inputName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

func solveOpt(job Job) (client.SolveOpt, error) {
	var opt client.SolveOpt
	if len(bytes.TrimSpace(job.Dockerfile)) == 0 {
		return opt, errors.New("the Dockerfile is empty")
	}
	if _, line, _, ok := parser.DetectSyntax(job.Dockerfile); ok {
		return opt, fault.Hint(fmt.Errorf("the Dockerfile asks for the frontend image %q", line),
			"remove its `# syntax` line: engines bring a frontend, and nothing may be pulled")
	}
	attrs := map[string]string{
		"filename":           "Dockerfile",
		"platform":           Platform,
		"image-resolve-mode": "local",
	}
	if job.Target != "" {
		attrs["target"] = job.Target
	}
	if job.NoCache {
		attrs["no-cache"] = ""
	}
	if job.Hostname != "" {
		attrs["hostname"] = job.Hostname
	}
	for k, v := range job.BuildArgs {
		attrs["build-arg:"+k] = v
	}
	stores := map[string]content.Store{}
	for name, desc := range job.Inputs {
		if !inputName.MatchString(name) {
			return opt, fmt.Errorf("input %q: the name is not lower case letters, digits, dots and dashes", name)
		}
		if err := desc.Digest.Validate(); err != nil {
			return opt, fmt.Errorf("input %s: digest %q: %w", name, desc.Digest, err)
		}
		if job.Store == nil || !job.Store.Has(desc.Digest) {
			return opt, fmt.Errorf("input %s: %s is not in the store", name, desc.Digest)
		}
		attrs["context:"+name] = "oci-layout://" + name + "@" + desc.Digest.String()
		stores[name] = readOnly{job.Store}
	}
	if job.Out == "" {
		return opt, errors.New("no directory for the output")
	}
	var files fsutil.FS = memory{}
	if job.Context != "" {
		var err error
		if files, err = fsutil.NewFS(job.Context); err != nil {
			return opt, fmt.Errorf("build context: %w", err)
		}
	}
	return client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attrs,
		LocalMounts: map[string]fsutil.FS{
			"dockerfile": memory{"Dockerfile": job.Dockerfile},
			"context":    files,
		},
		OCIStores:    stores,
		SourcePolicy: inputsOnly(),
		Exports:      []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: job.Out}},
	}, nil
}

// inputsOnly denies every kind of source that an engine could fetch by itself.
func inputsOnly() *spb.Policy {
	p := &spb.Policy{Version: 1}
	for _, scheme := range []string{"docker-image", "docker-image+blob", "git", "http", "https"} {
		p.Rules = append(p.Rules, &spb.Rule{
			Action:   spb.PolicyAction_DENY,
			Selector: &spb.Selector{Identifier: scheme + "://*", MatchType: spb.MatchType_WILDCARD},
		})
	}
	return p
}

func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the output directory: %w", err)
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the output directory %s is not empty", dir)
	}
	return nil
}

// silent takes what BuildKit's client would log.
var silent = func() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}()
