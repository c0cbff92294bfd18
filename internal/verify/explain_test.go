package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
)

// world is an engine whose builds leave a text that depends on their settings.
type world struct {
	leaves func(build string, s plan.Settings, n int) string

	mu   sync.Mutex
	jobs []Job
	stop int // fail when so many builds were made; 0: never
	err  error
}

func (w *world) Build(ctx context.Context, job Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop > 0 && len(w.jobs) == w.stop {
		return w.err
	}
	w.jobs = append(w.jobs, job)
	bin := filepath.Join(job.Out, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bin, "out"), []byte(w.leaves(job.Plan.Name, job.Side.Settings(job.Plan), len(w.jobs))), 0o755)
}

func (w *world) Name() string           { return "world" }
func (w *world) Fixed() []plan.Unvaried { return nil }

// twoBuilds is a project of two builds in a world, with the verdict on it.
func twoBuilds(t *testing.T, r *Runner, w *world) (*Prepared, Options, *verdict.Verdict) {
	t.Helper()
	prep := &Prepared{Project: &resolve.Project{Config: &config.File{Builds: []config.Build{{Name: "one"}, {Name: "two"}}}},
		Plans: []*plan.Plan{{Name: "one"}, {Name: "two"}}}
	opt := Options{Vary: plan.AllAxes(), Explain: Always, Jobs: 2}
	v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Unix(1700000000, 0)}
	for _, side := range []plan.Side{{Name: "A", Jobs: 2}, {Name: "B", Jobs: 2, Vary: opt.Vary}} {
		v.Builds = append(v.Builds, verdict.Build{Side: side.Name, Start: time.Unix(1700000000, 0), Seconds: 1})
		for i, p := range prep.Plans {
			b := artefact.Build{Project: prep.Project, Config: prep.Project.Config.Builds[i], Out: t.TempDir()}
			if err := w.Build(t.Context(), Job{Plan: p, Side: side, Out: b.Out}); err != nil {
				t.Fatal(err)
			}
			made, err := artefact.Built(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range made {
				if side.Name == "A" {
					v.Artefacts = append(v.Artefacts, verdict.Artefact{Name: a.Name, Kind: a.Kind, A: a.Digest, SizeA: a.Size})
					continue
				}
				at := slices.IndexFunc(v.Artefacts, func(x verdict.Artefact) bool { return x.Name == a.Name })
				x := &v.Artefacts[at]
				x.B, x.SizeB, x.Same = a.Digest, a.Size, a.Digest == x.A
				if !x.Same {
					x.Causes = []cause.Cause{{Rule: cause.Unknown, Title: "?"}}
				}
			}
		}
	}
	for _, a := range opt.Vary {
		v.Varied = append(v.Varied, verdict.Axis{Name: string(a)})
	}
	if v.Settle(); v.Word != verdict.Mismatch {
		t.Fatal("nothing differs")
	}
	w.jobs = nil
	return prep, opt, v
}

// leavesZone is a project whose first build holds the time zone.
func leavesZone(build string, s plan.Settings, _ int) string {
	if build == "one" {
		return s.TZ
	}
	return "the same"
}

// Only what differs is built again, each time in a step of its own, and the
// axis is found within the bound and said to be the cause.
func TestBisect(t *testing.T) {
	r := newRunner(t)
	w := &world{leaves: leavesZone}
	prep, opt, v := twoBuilds(t, r, w)
	if err := r.bisect(t.Context(), w, prep, opt, v); err != nil {
		t.Fatal(err)
	}
	b := v.Bisection
	if d := cmp.Diff([][]string{{"time-zone"}}, b.Groups); b.Conclusion != bisect.Axes || d != "" {
		t.Errorf("%s %s", b.Conclusion, d)
	}
	if n := bisect.Bound(len(opt.Vary)); len(w.jobs) > n || len(w.jobs) != len(b.Again) {
		t.Errorf("%d builds, told are %d, and %d are allowed", len(w.jobs), len(b.Again), n)
	}
	runs := map[string]bool{}
	for _, j := range w.jobs {
		if j.Plan.Name != "one" {
			t.Errorf("%s was built again", j.Plan.Name)
		}
		if runs[j.Side.Run] || len(j.Side.Run) < 16 {
			t.Errorf("run %q", j.Side.Run)
		}
		runs[j.Side.Run] = true
		if _, err := os.Stat(j.Out); err == nil {
			t.Errorf("%s is left behind", j.Out)
		}
	}
	if d := cmp.Diff([]string{"one"}, b.Of); d != "" {
		t.Error(d)
	}
	c := v.Artefacts[0].Causes[0]
	if !c.Known || c.Axis != "time-zone" {
		t.Errorf("the cause is %+v", c)
	}
	if _, err := v.JSON(); err != nil {
		t.Error(err)
	}
}

// What a cause says is looked at first.
func TestBisectSuspects(t *testing.T) {
	r := newRunner(t)
	w := &world{leaves: leavesZone}
	prep, opt, v := twoBuilds(t, r, w)
	v.Artefacts[0].Causes = []cause.Cause{{Rule: "time-zone", Axis: "time-zone", Known: true}}
	if err := r.bisect(t.Context(), w, prep, opt, v); err != nil {
		t.Fatal(err)
	}
	if len(w.jobs) != 2 || v.Bisection.Sentence() != "only time-zone matters (2 extra builds)" {
		t.Errorf("%d builds: %s", len(w.jobs), v.Bisection.Sentence())
	}
}

// A search that was cut off says how far it was, and goes on from the stored
// verdict without building anything twice.
func TestBisectCutOff(t *testing.T) {
	r := newRunner(t)
	w := &world{leaves: leavesZone}
	prep, opt, v := twoBuilds(t, r, w)
	ctx, cancel := context.WithCancelCause(t.Context())
	w.stop, w.err = 2, errors.New("killed")
	cancelled := errors.New("interrupted")
	err := r.bisect(ctx, w, prep, opt, v)
	if err == nil || v.Bisection.Conclusion != bisect.Unfinished || len(v.Bisection.Again) != 2 || !strings.HasPrefix(v.Bisection.Stopped, "building one again with ") || !strings.HasSuffix(v.Bisection.Stopped, " varied: killed") {
		t.Fatalf("%v, %+v", err, v.Bisection)
	}
	if !slices.Contains(v.Bisection.Candidates, "time-zone") || len(v.Bisection.Candidates) > 7 {
		t.Errorf("candidates: %v", v.Bisection.Candidates)
	}
	data, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := verdict.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	w.stop = 0
	if err := r.bisect(t.Context(), w, prep, opt, stored); err != nil {
		t.Fatal(err)
	}
	if stored.Bisection.Conclusion != bisect.Axes || len(w.jobs) != len(stored.Bisection.Again) {
		t.Errorf("%d builds in all: %+v", len(w.jobs), stored.Bisection)
	}
	cancel(cancelled)
	v.Bisection = nil
	if err := r.bisect(ctx, w, prep, opt, v); !errors.Is(err, cancelled) || v.Bisection.Stopped != "interrupted" {
		t.Errorf("%v, %+v", err, v.Bisection)
	}
}

// A build that differs with nothing varied is counted.
func TestBisectNondeterministic(t *testing.T) {
	r := newRunner(t)
	w := &world{leaves: func(build string, _ plan.Settings, n int) string {
		if build == "one" {
			return fmt.Sprint(n)
		}
		return "the same"
	}}
	prep, opt, v := twoBuilds(t, r, w)
	opt.Runs = 4
	// The results of A and B are 1 and 3; the first builds after them must be others.
	w.jobs = make([]Job, 10)
	if err := r.bisect(t.Context(), w, prep, opt, v); err != nil {
		t.Fatal(err)
	}
	if b := v.Bisection; b.Conclusion != bisect.Nondeterministic || b.Plain != (verdict.Repeats{Builds: 4, Differ: 4}) {
		t.Errorf("%+v", b)
	}
	if c := v.Artefacts[0].Causes[0]; c.Rule != cause.Chance {
		t.Errorf("%+v", c)
	}
}

// What is asked for, and what is known, decide whether there is a search.
func TestWanted(t *testing.T) {
	mismatch := func(seconds float64) *verdict.Verdict {
		return &verdict.Verdict{Word: verdict.Mismatch, Artefacts: []verdict.Artefact{{A: "a", B: "b"}}, Builds: []verdict.Build{{Seconds: seconds}, {Seconds: 1}}, Varied: make([]verdict.Axis, 14)}
	}
	stored, explained, cutOff := mismatch(2), mismatch(2), mismatch(2)
	now := time.Now()
	kept, before := mismatch(1), mismatch(1)
	kept.Builds[0].Dependencies = []verdict.Dependencies{{From: now.Add(-time.Minute), Until: now}}
	before.Builds[0].Dependencies = []verdict.Dependencies{{From: now.Add(-time.Minute), Until: now, Earlier: true}}
	stored.FromCache = &now
	explained.Bisection = &verdict.Bisection{Conclusion: bisect.Axes, Runs: 2}
	cutOff.Bisection = &verdict.Bisection{Conclusion: bisect.Unfinished}
	for name, c := range map[string]struct {
		opt  Options
		v    *verdict.Verdict
		want bool
	}{
		"nobody asked":         {Options{}, mismatch(1), false},
		"it is quick":          {Options{Explain: Quick}, mismatch(12), true},
		"it is slow":           {Options{Explain: Quick}, mismatch(12.5), false},
		"compiled just now":    {Options{Explain: Quick}, kept, true},
		"compiled before":      {Options{Explain: Quick}, before, false},
		"it is known":          {Options{Explain: Quick}, stored, false},
		"asked":                {Options{Explain: Always}, mismatch(1000), true},
		"asked, and known":     {Options{Explain: Always}, stored, true},
		"asked again":          {Options{Explain: Always}, explained, false},
		"asked for more":       {Options{Explain: Always, Runs: 3}, explained, true},
		"asked for as many":    {Options{Explain: Always, Runs: 2}, explained, false},
		"cut off":              {Options{Explain: Always}, cutOff, true},
		"there is no mismatch": {Options{Explain: Always}, &verdict.Verdict{Word: verdict.Reproducible}, false},
	} {
		if got := c.opt.wanted(c.v); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
