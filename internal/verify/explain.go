package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// Explain says when a mismatch is bisected: built again with some of the axes
// varied, until those that matter are known.
type Explain int

// Never is for callers that have no time or no patience, Quick for those who
// get an answer within QuickLimit, Always for those who asked.
const (
	Never Explain = iota
	Quick
	Always
)

// QuickLimit is how long a bisection that nobody asked for may take. It is
// estimated: as many builds as one axis takes, each as long as the longer of
// the two that there were.
const QuickLimit = time.Minute

// wanted says whether v, of builds with so many axes varied, is to be bisected.
func (opt Options) wanted(v *verdict.Verdict) bool {
	if verdict.Decide(v.Artefacts) != verdict.Mismatch {
		return false // also where only the reference differs: no axis explains that
	}
	if b := v.Bisection; b.Finished() && (opt.Runs == 0 || opt.Runs == b.Runs) {
		return false
	}
	switch opt.Explain {
	case Always:
		return true
	case Quick:
		longest := 0.0
		for _, b := range v.Builds {
			seconds := b.Seconds
			for _, d := range b.Dependencies {
				if d.Earlier { // a bisection compiles them each time
					seconds += d.Until.Sub(d.From).Seconds()
				}
			}
			longest = max(longest, seconds)
		}
		return v.FromCache == nil && longest*float64(bisect.Bound(len(v.Varied))) <= QuickLimit.Seconds()
	}
	return false
}

// explain bisects a mismatch and keeps what that found, also if it was cut off:
// the next run goes on from there.
func (r *Runner) explain(ctx context.Context, engine Builder, prep *Prepared, opt Options, v *verdict.Verdict, key digest.Digest) error {
	err := r.bisect(ctx, engine, prep, opt, v)
	return errors.Join(err, r.remember(context.WithoutCancel(ctx), key, v))
}

// bisect finds out which axes matter and says so in v. What it had found when
// ctx ended or a build failed is in v as well.
func (r *Runner) bisect(ctx context.Context, engine Builder, prep *Prepared, opt Options, v *verdict.Verdict) error {
	dir, cleanup, err := newScratch(r.Scratch)
	if err != nil {
		return err
	}
	defer cleanup()
	x, err := newExtra(r, engine, prep, opt, v, dir)
	if err != nil {
		return err
	}
	known, b := v.Bisection, x.found
	o := bisect.Options{Axes: len(x.axes), A: string(b.A), B: string(b.B), Runs: opt.Runs}
	o.Suspects, o.Suspicious = x.suspects()
	if known != nil && known.A == b.A && known.B == b.B {
		for _, a := range known.Again {
			o.Known = append(o.Known, bisect.Build{Vary: x.set(a.Axes), Result: string(a.Result)})
			b.Again = append(b.Again, a)
		}
	}
	found, err := bisect.Search(ctx, o, x.build)
	b.Conclusion, b.Candidates = found.Kind, x.list(found.Candidates)
	b.Plain = verdict.Repeats{Builds: found.Plain, Differ: found.PlainOther}
	b.Varied = verdict.Repeats{Builds: found.All, Differ: found.AllOther}
	for _, g := range found.Groups {
		b.Groups = append(b.Groups, x.list(g))
	}
	if err != nil {
		b.Stopped = err.Error()
		if ctx.Err() != nil {
			b.Stopped = context.Cause(ctx).Error()
		}
		if len(b.Candidates) == len(x.axes) {
			b.Candidates = nil // that much was known
		}
	}
	v.Bisection = b
	v.Confirm()
	return err
}

// extra makes the builds of a bisection.
type extra struct {
	r       *Runner
	engine  Builder
	prep    *Prepared
	dir     string
	id      string
	jobs    int
	axes    []plan.Axis
	engines [2]int // who builds with the engine plain, and varied
	builds  []int  // of the project, those that differ
	verdict *verdict.Verdict
	found   *verdict.Bisection
}

func newExtra(r *Runner, engine Builder, prep *Prepared, opt Options, v *verdict.Verdict, dir string) (*extra, error) {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	x := &extra{r: r, engine: engine, prep: prep, dir: dir, id: hex.EncodeToString(id), jobs: opt.Jobs, axes: opt.Vary, verdict: v}
	for i, e := range v.Engines {
		for at, side := range []string{"A", "B"} {
			if slices.Contains(e.Sides, side) {
				x.engines[at] = i
			}
		}
	}
	if x.engines[0] == x.engines[1] {
		x.axes = slices.DeleteFunc(slices.Clone(x.axes), func(a plan.Axis) bool { return a == plan.Engine })
	}
	if x.jobs <= 0 {
		x.jobs = runtime.NumCPU()
	}
	for i := range prep.Plans {
		if slices.ContainsFunc(v.Artefacts, func(a verdict.Artefact) bool { return !a.Same && x.builtBy(a) == i }) {
			x.builds = append(x.builds, i)
		}
	}
	if len(x.builds) == 0 {
		return nil, errors.New("no binary and no library differs, only what is made of them: this is a bug in Twice")
	}
	x.found = &verdict.Bisection{
		Runs: opt.Runs, Of: x.names(),
		A: x.result(func(a verdict.Artefact) digest.Digest { return a.A }),
		B: x.result(func(a verdict.Artefact) digest.Digest { return a.B }),
	}
	return x, nil
}

// builtBy is the build of the project that left an artefact; -1 if Twice wrote it.
func (x *extra) builtBy(a verdict.Artefact) int {
	if a.Kind == verdict.Archive || a.Kind == verdict.Sums || a.Kind.IsImage() {
		return -1
	}
	if len(x.prep.Plans) == 1 {
		return 0
	}
	name, _, _ := strings.Cut(a.Name, "/")
	return slices.IndexFunc(x.prep.Project.Config.Builds, func(b config.Build) bool { return b.Name == name })
}

// names are the builds' names, if the project has several.
func (x *extra) names() []string {
	if len(x.prep.Plans) == 1 {
		return nil
	}
	var out []string
	for _, i := range x.builds {
		out = append(out, x.prep.Project.Config.Builds[i].Name)
	}
	return out
}

// result is what a side of the verdict left.
func (x *extra) result(of func(verdict.Artefact) digest.Digest) digest.Digest {
	lines := map[string]digest.Digest{}
	for _, a := range x.verdict.Artefacts {
		if d := of(a); d != "" && slices.Contains(x.builds, x.builtBy(a)) {
			lines[a.Name] = d
		}
	}
	return sum(lines)
}

// sum is the digest that verdict.Again.Result is.
func sum(artefacts map[string]digest.Digest) digest.Digest {
	var lines []string
	for name, d := range artefacts {
		lines = append(lines, fmt.Sprintf("%s\x00%s %s\n", name, d, name))
	}
	slices.Sort(lines)
	var all strings.Builder
	for _, l := range lines {
		_, line, _ := strings.Cut(l, "\x00")
		all.WriteString(line)
	}
	return digest.FromString(all.String())
}

func (x *extra) set(names []string) bisect.Set {
	var s bisect.Set
	for i, a := range x.axes {
		if slices.Contains(names, string(a)) {
			s |= bisect.Of(i)
		}
	}
	return s
}

func (x *extra) vary(s bisect.Set) []plan.Axis {
	var out []plan.Axis
	for _, i := range s.Axes() {
		out = append(out, x.axes[i])
	}
	return out
}

func (x *extra) list(s bisect.Set) []string { return names(x.vary(s)) }

func names(axes []plan.Axis) []string {
	var out []string
	for _, a := range axes {
		out = append(out, string(a))
	}
	return out
}

// suspects are the axes that the causes imply, and whether they say that the
// build is not deterministic.
func (x *extra) suspects() (axes bisect.Set, random bool) {
	var all []string
	for _, a := range x.verdict.Artefacts {
		for _, c := range a.Causes {
			all = append(all, c.Axis)
			random = random || c.Random()
		}
	}
	if x.engines[0] != x.engines[1] && !slices.ContainsFunc(all, func(a string) bool { return a != "" }) {
		all = append(all, string(plan.Engine)) // no rule knows an axis that explains it
	}
	return x.set(all), random
}

// build is the oracle: one build with some axes varied, in a step of its own.
func (x *extra) build(ctx context.Context, s bisect.Set) (string, error) {
	n := len(x.found.Again) + 1
	step := fmt.Sprintf("again %d", n)
	side := plan.Side{Name: fmt.Sprintf("C%d", n), Jobs: x.jobs, Vary: x.vary(s)}
	side.Run = x.id + "-" + side.Name
	engine := x.engines[0]
	if slices.Contains(side.Vary, plan.Engine) {
		engine = x.engines[1]
	}
	dir := filepath.Join(x.dir, side.Name)
	defer os.RemoveAll(dir)
	more := ""
	if most := bisect.Bound(len(x.axes)); n <= most {
		more = fmt.Sprintf(" of %d, if one axis matters", most)
	}
	x.r.Progress.Start(step + more)
	start := time.Now()
	left := map[string]digest.Digest{}
	for _, i := range x.builds {
		b := artefact.Build{Project: x.prep.Project, Inputs: x.prep.Inputs, Config: x.prep.Project.Config.Builds[i], Out: filepath.Join(dir, fmt.Sprint(i))}
		if err := os.MkdirAll(b.Out, 0o700); err != nil {
			return "", err
		}
		if err := run(ctx, x.engine, Job{Plan: x.prep.Plans[i], Side: side, Inputs: x.prep.Inputs, Out: b.Out, Engine: engine, Exact: true}); err != nil {
			return "", fmt.Errorf("building %s again with %s varied: %w", b.Config.Name, orNothing(names(side.Vary)), err)
		}
		made, err := artefact.Built(ctx, b)
		if err != nil {
			return "", err
		}
		for _, a := range made {
			left[a.Name] = a.Digest
		}
	}
	took := time.Since(start)
	again := verdict.Again{Axes: names(side.Vary), Result: sum(left), Start: start.UTC(), Seconds: took.Seconds()}
	x.found.Again = append(x.found.Again, again)
	x.r.Progress.Done(step, verdict.AxesText(again.Axes, names(x.axes))+": "+x.found.As(again), took)
	return string(again.Result), nil
}

func orNothing(axes []string) string {
	if len(axes) == 0 {
		return "nothing"
	}
	return strings.Join(axes, ", ")
}
