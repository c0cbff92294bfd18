package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/buildcontext"
	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptTools are the script's store and what fills it.
func scriptTools(ts *testscript.TestScript) resolve.Tools {
	st, err := store.Open(filepath.Join(ts.Getenv("TWICE_CACHE"), "store"))
	ts.Check(err)
	r, err := address.New(address.Mirrors{}, os.Getenv)
	ts.Check(err)
	f := &fetch.Fetcher{Store: st, Client: r.HTTPClient()}
	ts.Check(r.Discover(context.Background(), f.Get))
	return resolve.Tools{Store: st, Resolver: r, Fetcher: f}
}

// build-context SOURCE OUT [PROFILE BUILD] builds as an engine without named contexts would,
// Dagger's for one: what the lock names is composed from the text of a request
// alone and handed over as a layout, read back into a store that has nothing
// else, and the engine gets one directory and no named input.
func cmdBuildContext(ts *testscript.TestScript, neg bool, args []string) {
	var how resolve.Options
	switch {
	case !neg && len(args) == 4:
		how = resolve.Options{Profile: args[2], Builds: args[3:]}
	case neg || len(args) != 2:
		ts.Fatalf("usage: build-context SOURCE OUT [PROFILE BUILD]")
	}
	ctx := context.Background()
	cache, work := ts.Getenv("TWICE_CACHE"), ts.MkAbs("context-"+args[1])
	full := scriptTools(ts)
	empty := full
	var err error
	empty.Store, err = store.Open(filepath.Join(work, "store"))
	ts.Check(err)
	empty.Fetcher = &fetch.Fetcher{Store: empty.Store, Client: full.Resolver.HTTPClient()}
	eng, err := embedded.Start(ctx, embedded.Options{StateDir: filepath.Join(cache, "engine"), RootDir: filepath.Join(cache, "engine-root")})
	ts.Check(err)
	defer eng.Close()
	r := &verify.Runner{
		Tools: empty, Progress: silence{}, Release: evidence.Release, Scratch: filepath.Join(work, "scratch"),
		Engine: func(context.Context) (verify.Builder, error) {
			return contextBuilder{eng, filepath.Join(work, "locked"), empty.Store}, nil
		},
		Inputs: func(ctx context.Context, p *resolve.Project) (*inputs.Set, error) {
			return handOver(ctx, full, empty.Store, p, filepath.Join(work, "locked"))
		},
	}
	spec := args[0]
	if !strings.Contains(spec, ":") {
		spec = ts.MkAbs(spec)
	}
	made, err := r.Build(ctx, verify.Options{Spec: spec, Resolve: how, Keep: ts.MkAbs(args[1])})
	ts.Check(err)
	var list strings.Builder
	for _, a := range made {
		fmt.Fprintf(&list, "%s  %s\n", a.Digest, a.Name)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".digests"), []byte(list.String()), 0o644))
}

func handOver(ctx context.Context, full resolve.Tools, to *store.Store, p *resolve.Project, dir string) (*inputs.Set, error) {
	req, err := inputs.NewRequest(p)
	if err != nil {
		return nil, err
	}
	if err := req.Write(ctx, full, dir); err != nil {
		return nil, err
	}
	return inputs.Import(ctx, to, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) })
}

// contextBuilder gives an engine a build context, and nothing else.
type contextBuilder struct {
	engine engine.Engine
	locked string // layout of what the lock names
	store  *store.Store
}

func (b contextBuilder) Build(ctx context.Context, job verify.Job) error {
	dir := filepath.Join(job.Out, "..", "context")
	if err := os.CopyFS(dir, os.DirFS(b.locked)); err != nil {
		return err
	}
	for _, l := range buildcontext.Sources(job.Inputs) {
		data, err := b.store.ReadBytes(l.Digest, l.Size)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(image.BlobPath(l.Digest))), data, 0o644); err != nil {
			return err
		}
	}
	return b.engine.Run(ctx, engine.Job{
		ID: job.Side.Name, Dockerfile: []byte(buildcontext.Dockerfile(job.Plan, job.Side, job.Inputs)), Target: "out", Context: dir, Out: job.Out,
	}, nil)
}

func (b contextBuilder) Name() string           { return "a build context" }
func (b contextBuilder) Fixed() []plan.Unvaried { return nil }

type silence struct{}

func (silence) Start(string)                       {}
func (silence) Done(string, string, time.Duration) {}

// same-artefacts A B compares two directories that build has written, file by
// file and byte by byte.
func cmdSameArtefacts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-artefacts A B")
	}
	var lists [2]map[string]digest.Digest
	for i, a := range args {
		lists[i] = map[string]digest.Digest{}
		root := ts.MkAbs(a)
		ts.Check(filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			name, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			lists[i][name], err = digest.FromReader(f)
			return err
		}))
	}
	if len(lists[0]) < 3 {
		ts.Fatalf("%s has only %d files", args[0], len(lists[0]))
	}
	if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
		ts.Fatalf("-%s +%s:\n%s", args[0], args[1], diff)
	}
}

// same-digests VERDICT DIGESTS compares the artefacts of a verdict with a list
// of build-context's.
func cmdSameDigests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-digests VERDICT DIGESTS")
	}
	v, err := verdict.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	var want strings.Builder
	for _, a := range v.Artefacts {
		fmt.Fprintf(&want, "%s  %s\n", a.A, a.Name)
	}
	if len(v.Artefacts) < 3 || v.Image == "" || v.Word != verdict.Reproducible {
		ts.Fatalf("%s says %s of %d artefacts", args[0], v.Word, len(v.Artefacts))
	}
	if diff := cmp.Diff(want.String(), ts.ReadFile(args[1])); diff != "" {
		ts.Fatalf("-%s +%s:\n%s", args[0], args[1], diff)
	}
}
