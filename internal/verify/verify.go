// Package verify is the product's main job: build a project twice, compare,
// decide. It imports no engine: whoever calls it hands one in as a Builder.
package verify

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/report"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
	"golang.org/x/sync/errgroup"
)

// A Builder runs the step of one side. It is an engine, seen from here.
type Builder interface {
	// Build runs the Dockerfile with the named inputs and leaves its result in out.
	Build(ctx context.Context, job Job) error
	// Name says in one line what runs the builds.
	Name() string
	// Fixed are the axes that the engine gives every build alike, with the
	// reason: they are listed as not varied.
	Fixed() []plan.Unvaried
}

// run has an engine do a job, and refuses output that leads out of its folder.
func run(ctx context.Context, engine Builder, job Job) error {
	if err := engine.Build(ctx, job); err != nil {
		return err
	}
	return artefact.CheckOutput(job.Out)
}

// Job is what a Builder runs: one plan, as one side, with its inputs.
type Job struct {
	Plan   *plan.Plan
	Side   plan.Side
	Inputs *inputs.Set
	Out    string
	Engine int  // of Several, the one that it is for
	Exact  bool // no other engine may take its place
}

// Progress hears of the steps of a run. All methods may be called at once from
// several goroutines.
type Progress interface {
	Start(step string)
	Done(step, result string, took time.Duration)
}

// Options of a run.
type Options struct {
	Spec    string
	Resolve resolve.Options
	Vary    []plan.Axis
	Fresh   bool   // build even if the verdict is stored, and compile dependencies anew
	Clean   bool   // no dependency that an earlier run compiled
	Jobs    int    // cargo's jobs on side A; 0: one for each processor
	Engine  string // address of the engine that was asked for; "": the embedded one
	Keep    string // directory that receives A's artefacts; "": none
	Against string // what the builds are compared with; see package reference
	// Rebuild says that a statement is to be built again; see there.
	Rebuild *Rebuild
	Explain Explain
	Runs    int // how often a bisection repeats what decides; 0: see package bisect
	// Differing is called with the artefacts that differ, while they are on this
	// disk, and with an empty directory beside them; nil: it isn't.
	Differing func(ctx context.Context, dir string, pairs []report.Pair) ([]verdict.Attachment, error)
	Version   string // of this program
}

// Rebuild is what is known from elsewhere of the build. A run asks in this order,
// and nothing is built after an incident or another input.
type Rebuild struct {
	// Reference opens what the builds are compared with, in the place of
	// Options.Against. An error that is a *verdict.Incident is the verdict.
	Reference func(ctx context.Context, r *Runner) (*reference.Reference, error)
	// Expected compares the inputs with those that are known.
	Expected func(ctx context.Context, prep *Prepared) (*verdict.Incident, *verdict.Input, error)
	// Made hears of the artefacts of build A.
	Made func(ctx context.Context, r *Runner, engine Builder, prep *Prepared, made []artefact.Artefact) error
	// Stated becomes the verdict's: the functions above fill it in.
	Stated *verdict.Stated
}

// Runner has what runs share.
type Runner struct {
	Tools    resolve.Tools
	Progress Progress
	// Engine starts the engine; it is called only when something must be built.
	Engine func(ctx context.Context) (Builder, error)
	// Inputs composes what the project's lock names, all but the sources, and
	// puts what images are made on into the store. Nil: it is fetched and
	// composed here.
	Inputs func(ctx context.Context, p *resolve.Project) (*inputs.Set, error)
	// Release writes what goes with kept artefacts into their directory. Nil: nothing.
	Release func(ctx context.Context, r *Runner, engine Builder, prep *Prepared, made []artefact.Artefact, dir string) error
	// Ready hears of what is about to be built, so many times. Nil: nobody does.
	Ready func(prep *Prepared, builds int)
	// Scratch is where outputs are kept while a run lasts.
	Scratch string

	layouts []string // see Layout
}

// Prepared is a project with its inputs composed and its builds planned.
type Prepared struct {
	Project *resolve.Project
	Inputs  *inputs.Set
	Plans   []*plan.Plan
	Steps   []verdict.Step
}

// Prepare does everything up to the first command that runs.
func (r *Runner) Prepare(ctx context.Context, opt Options) (*Prepared, error) {
	start := time.Now()
	r.Progress.Start("inputs")
	p, err := resolve.Open(ctx, r.Tools, opt.Spec, opt.Resolve)
	if err != nil {
		return nil, err
	}
	prep := &Prepared{Project: p}
	if err := r.prepare(ctx, prep, start); err != nil {
		_ = p.Close()
		return nil, err
	}
	return prep, nil
}

func (r *Runner) prepare(ctx context.Context, prep *Prepared, start time.Time) error {
	p := prep.Project
	if err := p.UseLock(ctx, r.Tools); err != nil {
		return err
	}
	locked := r.Inputs
	if locked == nil {
		if err := inputs.Fetch(ctx, r.Tools, p); err != nil {
			return p.Missing(err)
		}
		locked = func(ctx context.Context, p *resolve.Project) (*inputs.Set, error) {
			return inputs.ComposeLocked(ctx, r.Tools, p)
		}
	}
	prep.step(r, "inputs", p.Summary(), start)
	start = time.Now()
	r.Progress.Start("builder")
	var err error
	if prep.Inputs, err = locked(ctx, p); err != nil {
		return p.Missing(err)
	}
	if err := prep.Inputs.AddSource(ctx, r.Tools, p); err != nil {
		return err
	}
	prep.step(r, "builder", prep.Inputs.Builder.Desc.Digest.String(), start)
	for _, b := range p.Config.Builds {
		pl, err := NewPlan(p, prep.Inputs, b)
		if err != nil {
			return err
		}
		prep.Plans = append(prep.Plans, pl)
	}
	return nil
}

func (prep *Prepared) step(r *Runner, name, result string, start time.Time) {
	took := time.Since(start)
	prep.Steps = append(prep.Steps, verdict.Step{Name: name, Seconds: took.Seconds()})
	r.Progress.Done(name, result, took)
}

// NewPlan says what one build of the project runs.
func NewPlan(p *resolve.Project, in *inputs.Set, b config.Build) (*plan.Plan, error) {
	var err error
	if b.Env, err = p.Stamp(b); err != nil {
		return nil, err
	}
	pl := &plan.Plan{
		Name: cmp.Or(p.Config.Name, b.Name), Dir: p.Source.Dir, Epoch: p.Source.Epoch, Platform: "linux/amd64", Triple: b.Target, Profile: b.Profile,
		Packages: b.Packages, Bins: b.Bins, Features: b.Features, NoDefaultFeatures: b.NoDefaultFeatures(),
		Rlibs: b.CompareRlibs(), Env: environment(p, in, b), CFlags: p.CFlags(),
		Inputs:   plan.Inputs{Builder: in.Builder.Desc.Digest, Source: in.Source.Desc.Digest, Vendor: in.Vendor.Desc.Digest},
		GitRepos: in.GitRepos, AsksGit: p.Config.Git, SplitDebug: b.SplitDebug, Auditable: b.Auditable,
		RustSrc: slices.ContainsFunc(p.Lock.Toolchain.Components, func(c rust.Component) bool { return c.Name == "rust-src" }),
		Tools:   p.Tools(b.Target),
		OutDir:  p.Config.Archive.OutDir,

		Licences:   p.Config.Archive.ThirdParty,
		Registries: p.Registries(), Replaced: len(p.Indexes) > 0, SamePath: len(p.Outside()) > 0, Part: p.Source.Prefix != "",
	}
	if p.IsDebian() {
		def, err := p.Definition(p.Config.Builder.Image)
		if err != nil {
			return nil, err
		}
		pl.Sysroot = "/" + def.Rust.Prefix
		pl.RustSrc = slices.Contains(p.Config.Toolchain.Components, "rust-src")
	}
	if pl.GitSources = gitSources(p, in); len(in.GitRepos) > 0 {
		pl.Inputs.Git, pl.Inputs.GitBuilder = in.Git.Desc.Digest, in.GitBuilder.Desc.Digest
	}
	pl.Inputs.Repository = in.Repository.Desc.Digest
	if e, err := Embedded(p, b); err != nil {
		return nil, err
	} else if e != nil {
		line, err := e.JSON()
		if err != nil {
			return nil, err
		}
		if pl.Env = maps.Clone(pl.Env); pl.Env == nil {
			pl.Env = map[string]string{}
		}
		pl.Env[provenance.EmbeddedVariable] = line
	}
	return pl, pl.Check()
}

// Embedded is what the programs of a build may say of themselves; nil if the build
// doesn't ask for it.
func Embedded(p *resolve.Project, b config.Build) (*provenance.Embedded, error) {
	if !b.Provenance {
		return nil, nil
	}
	profile, err := p.Workspace.Profile(b.Profile)
	if err != nil {
		return nil, err
	}
	e := &provenance.Embedded{
		Marker: 1, Name: b.Name, Version: p.Version(), Commit: p.Source.Commit, Dirty: p.Source.Dirty, Epoch: p.Source.Epoch, Rustc: p.Lock.Toolchain.Rustc,
		Target: b.Target, Profile: b.Profile, OptLevel: profile.OptLevel, Features: append([]string{}, b.Features...), DefaultFeatures: !b.NoDefaultFeatures(),
	}
	switch p.Source.Kind {
	case source.KindCrate:
		e.Crate, e.SHA256 = p.Source.Name+"@"+p.Source.Version, p.Source.Checksum
	case source.KindArchive:
		e.SHA256 = p.Source.Checksum
	default:
		e.Repository = p.Repository()
	}
	return e, nil
}

// gitSources are the project's git dependencies where they have to be vendored
// one by one.
func gitSources(p *resolve.Project, in *inputs.Set) []plan.GitSource {
	var out []plan.GitSource
	if !p.CargoLock.SameInTwoSources() {
		return nil
	}
	for _, d := range p.GitDependencies() {
		s := plan.GitSource{URL: d.URL, Commit: d.Commit, Packages: d.Packages}
		for _, r := range in.GitRepos {
			if r.URL == d.URL {
				s.Folder = r.Folder + "-" + d.Commit[:12]
			}
		}
		out = append(out, s)
	}
	return out
}

// environment is what the builder says of CUDA, and what the build sets itself.
// A builder that is not composed says what its lock does.
func environment(p *resolve.Project, in *inputs.Set, b config.Build) map[string]string {
	env := in.Env()
	if in.Builder.Desc.Digest == "" {
		env = inputs.LockedEnv(p)
	}
	if len(env) == 0 {
		return b.Env
	}
	maps.Copy(env, b.Env)
	return env
}

// side is one of the builds, with what it made.
type side struct {
	plan.Side
	started   string // the name that it was built under
	engine    int
	settings  plan.Settings // of the first plan
	artefacts []artefact.Artefact
	start     time.Time
	took      time.Duration
	dir       string
	keeps     bool // dependencies are compiled in steps of their own
	kept      []verdict.Dependencies
	network   int64 // how often it tried to reach one
}

// Verify builds twice and decides. With an error the verdict says NO VERDICT,
// with what is known all the same, or its bisection was cut off. When the run
// was interrupted before there was one, there is none.
func (r *Runner) Verify(ctx context.Context, opt Options) (v *verdict.Verdict, err error) {
	var (
		prep    *Prepared
		sides   []*side
		fixed   []plan.Unvaried
		several Several
	)
	defer func() {
		if err == nil || v != nil || ctx.Err() != nil {
			return
		}
		if bad := incidentOf(err); bad != nil && opt.Rebuild != nil {
			v, err = opt.incident(prep, bad), nil
			return
		}
		if v = noVerdict(prep, sides, fixed, opt, err); several != nil {
			describe(v, several, sides)
		}
	}()
	ref, incident, err := r.openReference(ctx, opt)
	if err != nil || incident != nil {
		return incident, err
	}
	prep, err = r.Prepare(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	if v := prep.otherInputs(ref, opt); v != nil {
		return v, nil
	}
	if v, err := prep.expected(ctx, ref, opt); v != nil || err != nil {
		return v, err
	}
	key := prep.verdictKey(opt, opt.keepsDependencies(prep))
	var stored *verdict.Verdict
	if !opt.Fresh && opt.Rebuild == nil && opt.Keep == "" && opt.Differing == nil {
		clean := prep.verdictKey(opt, false)
		if stored = r.recall(clean); stored != nil {
			key = clean // what explains it goes with it
		} else if !opt.Clean && ref == nil {
			stored = r.recall(key)
		}
		if stored != nil && (opt.Clean || ref != nil) && !isClean(stored) {
			stored = nil
		}
		if stored != nil && ref != nil {
			enough, err := r.against(ctx, ref, stored, nil, cause.Context{})
			if err != nil {
				return nil, err
			}
			if !enough {
				stored = nil
			}
		}
		if stored != nil && !opt.wanted(stored) {
			return stored, nil
		}
	}
	if stored == nil && r.Ready != nil {
		r.Ready(prep, 2)
	}
	engine, err := r.Engine(ctx)
	if err != nil {
		return nil, err
	}
	fixed = append(engine.Fixed(), prep.fixed()...)
	opt.Vary = slices.DeleteFunc(slices.Clone(opt.Vary), func(a plan.Axis) bool {
		return slices.ContainsFunc(fixed, func(f plan.Unvaried) bool { return f.Name == string(a) })
	})
	names := SideNames(2)
	if x, ok := engine.(Several); ok && x.Count() > 1 {
		several, names = x, SideNames(x.Count())
		opt.Vary = append(opt.Vary, plan.Engine)
	}
	if stored != nil {
		return stored, r.explain(ctx, engine, prep, opt, stored, key)
	}
	var cleanup func()
	if sides, cleanup, err = r.sides(prep, opt, names...); err != nil {
		return nil, err
	}
	defer cleanup()
	if opt.keepsDependencies(prep) {
		if err := r.keepDependencies(ctx, prep, sides); err != nil {
			return nil, err
		}
	}
	window := [2]time.Time{time.Now()}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range sides {
		g.Go(func() error { return r.build(gctx, engine, prep, s) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	window[1] = time.Now()
	if several != nil {
		arrange(sides)
	}
	v, err = r.judge(ctx, prep, opt, sides, window, fixed)
	if err != nil {
		return nil, err
	}
	if v.Engine = engine.Name(); several != nil {
		results(v, sides)
		describe(v, several, sides)
		acrossEngines(v)
	}
	if opt.Keep != "" {
		if err := r.keep(ctx, engine, prep, sides[0], opt.Keep); err != nil {
			return nil, err
		}
		if err := keepVerdict(opt.Keep, v); err != nil {
			return nil, err
		}
	}
	if err := r.remember(ctx, key, v); err != nil {
		return nil, err
	}
	if ref != nil {
		if _, err := r.against(ctx, ref, v, sides[0].artefacts, cause.Context{A: sides[0].known(), Epoch: prep.Project.Source.Epoch}); err != nil {
			return nil, err
		}
	}
	if b := opt.Rebuild; b != nil {
		if err := b.Made(ctx, r, engine, prep, sides[0].artefacts); err != nil {
			return nil, err
		}
		v.Reference.Stated = b.Stated
	}
	if opt.wanted(v) {
		if err := r.explain(ctx, engine, prep, opt, v, key); err != nil {
			return v, err
		}
	}
	if opt.Differing != nil {
		if v.Attachments, err = r.differing(ctx, v, sides, opt); err != nil {
			return v, err
		}
	}
	return v, nil
}

// Build builds once, in the plain settings, and keeps the artefacts.
func (r *Runner) Build(ctx context.Context, opt Options) ([]artefact.Artefact, error) {
	prep, err := r.Prepare(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	sides, cleanup, err := r.sides(prep, opt, "A")
	if err != nil {
		return nil, err
	}
	defer cleanup()
	if r.Ready != nil {
		r.Ready(prep, 1)
	}
	engine, err := r.Engine(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.build(ctx, engine, prep, sides[0]); err != nil {
		return nil, err
	}
	return sides[0].artefacts, r.keep(ctx, engine, prep, sides[0], opt.Keep)
}

// sides sets the sides up; all but the first vary the same.
func (r *Runner) sides(prep *Prepared, opt Options, names ...string) ([]*side, func(), error) {
	dir, cleanup, err := newScratch(r.Scratch)
	if err != nil {
		return nil, nil, err
	}
	jobs := opt.Jobs
	if jobs <= 0 {
		jobs = runtime.NumCPU()
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		cleanup()
		return nil, nil, err
	}
	var sides []*side
	for i, n := range names {
		s := &side{Side: plan.Side{Name: n, Jobs: jobs, Run: hex.EncodeToString(id) + "-" + n}, started: n, engine: i, dir: filepath.Join(dir, n)}
		if i > 0 {
			s.Vary = opt.Vary
		}
		s.settings = s.Settings(prep.Plans[0])
		sides = append(sides, s)
	}
	return sides, cleanup, nil
}

// build runs every build of the project on one side and collects its artefacts.
func (r *Runner) build(ctx context.Context, engine Builder, prep *Prepared, s *side) error {
	step := "build " + s.Name
	r.Progress.Start(step)
	s.start = time.Now()
	for i, pl := range prep.Plans {
		name := prep.Project.Config.Builds[i].Name
		b := artefact.Build{
			Project: prep.Project, Inputs: prep.Inputs, Config: prep.Project.Config.Builds[i],
			Out: filepath.Join(s.dir, strconv.Itoa(i), "out"), Work: filepath.Join(s.dir, strconv.Itoa(i), "made"),
		}
		for _, d := range []string{b.Out, b.Work} {
			if err := os.MkdirAll(d, 0o700); err != nil {
				return err
			}
		}
		if err := run(ctx, engine, Job{Plan: s.plan(prep, pl), Side: s.Side, Inputs: prep.Inputs, Out: b.Out, Engine: s.engine}); err != nil {
			return &BuildError{s.Name, name, err}
		}
		kept, err := s.readKept(name, b.Out)
		if err != nil {
			return err
		}
		if kept != nil {
			s.kept = append(s.kept, *kept)
		}
		tries, err := readNetwork(b.Out, kept)
		if err != nil {
			return err
		}
		s.network += tries
		made, err := artefact.Collect(ctx, r.Tools, b)
		if err != nil {
			return err
		}
		s.artefacts = append(s.artefacts, made...)
	}
	indexes, err := artefact.Indexes(ctx, r.Tools, prep.Project, s.artefacts)
	if err != nil {
		return err
	}
	s.artefacts = append(s.artefacts, indexes...)
	if prep.Project.Config.Archive.Sums {
		sums, err := artefact.Sums(ctx, s.dir, s.artefacts)
		if err != nil {
			return err
		}
		s.artefacts = append(s.artefacts, sums)
	}
	s.took = time.Since(s.start)
	if len(s.artefacts) == 0 {
		return errors.New("the build made nothing to compare")
	}
	r.Progress.Done(step, "", s.took)
	return nil
}
