package bisect

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// world is a project: what comes out with some axes varied.
type world func(v Set) string

// matter is a world in which some sets of axes make a difference, each another.
func matter(sets ...Set) world {
	return func(v Set) string {
		out := "plain"
		for i, s := range sets {
			if v.Contains(s) {
				out += fmt.Sprint(" ", i)
			}
		}
		return out
	}
}

// either is a world in which each of some sets makes the same difference.
func either(sets ...Set) world {
	return func(v Set) string {
		for _, s := range sets {
			if v.Contains(s) {
				return "other"
			}
		}
		return "plain"
	}
}

// count is an oracle that counts what it builds.
type count struct {
	world
	builds []Set
}

func (c *count) oracle(_ context.Context, v Set) (string, error) {
	c.builds = append(c.builds, v)
	return c.world(v), nil
}

func find(t *testing.T, n int, w world, change ...func(*Options)) Result {
	t.Helper()
	c := &count{world: w}
	opt := Options{Axes: n, A: w(0), B: w(First(n))}
	if opt.A == opt.B {
		t.Fatal("A and B agree: there is nothing to find")
	}
	for _, f := range change {
		f(&opt)
	}
	r, err := Search(context.Background(), opt, c.oracle)
	if err != nil {
		t.Fatal(err)
	}
	var asked []Set
	for _, b := range r.Builds {
		if !b.Known {
			asked = append(asked, b.Vary)
		}
	}
	if d := cmp.Diff(c.builds, asked); d != "" {
		t.Fatalf("builds that were made and that are told: %s", d)
	}
	return r
}

// One axis that matters is found within the bound, whichever it is.
func TestOneAxis(t *testing.T) {
	for n := 1; n <= 40; n++ {
		most := 0
		for x := range n {
			r := find(t, n, matter(Of(x)))
			if d := cmp.Diff([]Set{Of(x)}, r.Groups); r.Kind != Axes || d != "" {
				t.Fatalf("axis %d of %d: %s %s", x, n, r.Kind, d)
			}
			most = max(most, len(r.Builds))
		}
		if most > Bound(n) {
			t.Errorf("%d axes take up to %d builds, more than %d", n, most, Bound(n))
		}
	}
	for n, want := range map[int]int{1: 1, 2: 2, 8: 4, 14: 5, 16: 5, 17: 6} {
		if Bound(n) != want {
			t.Errorf("Bound(%d) is %d, want %d", n, Bound(n), want)
		}
	}
}

// The last check leaves no explanation by two axes that would look the same:
// whatever two axes do, they are told from one.
func TestTwoAxes(t *testing.T) {
	const n = 14
	for x := range n {
		for y := range n {
			if x == y {
				continue
			}
			for name, c := range map[string]struct {
				w    world
				want []Set
			}{
				"each by itself":       {matter(Of(x), Of(y)), []Set{Of(x), Of(y)}},
				"each the same":        {either(Of(x), Of(y)), []Set{Of(x), Of(y)}},
				"only together":        {matter(Of(x, y)), []Set{Of(x, y)}},
				"the second on top":    {matter(Of(x), Of(x, y)), []Set{Of(x)}},
				"each and then others": {matter(Of(x), Of(y), Of(x, y)), []Set{Of(x), Of(y)}},
			} {
				r := find(t, n, c.w)
				if r.Kind != Axes || !sameSets(r.Groups, c.want) {
					t.Fatalf("%d and %d, %s: %s, %v", x, y, name, r.Kind, r.Groups)
				}
				axes := 0
				for _, g := range r.Groups {
					axes += g.Len()
				}
				if most := BoundMany(n, axes, len(r.Groups)); len(r.Builds) > most {
					t.Fatalf("%d and %d, %s: %d builds, more than %d", x, y, name, len(r.Builds), most)
				}
			}
		}
	}
}

func sameSets(a, b []Set) bool {
	in := map[Set]bool{}
	for _, s := range a {
		in[s] = true
	}
	for _, s := range b {
		if !in[s] {
			return false
		}
	}
	return len(a) == len(b)
}

// Whatever the axes do, what is said of them was seen or follows: each group
// makes a difference, none of its axes can be spared, and without them all
// nothing differs.
func TestRandomWorlds(t *testing.T) {
	for seed := range int64(1000) {
		rnd := rand.New(rand.NewSource(seed))
		n := 1 + rnd.Intn(20)
		var sets []Set
		for range 1 + rnd.Intn(5) {
			var s Set
			for range 1 + rnd.Intn(3) {
				s |= Of(rnd.Intn(n))
			}
			sets = append(sets, s)
		}
		w := matter(sets...)
		if rnd.Intn(2) == 0 {
			w = either(sets...)
		}
		opt := func(o *Options) {
			if rnd.Intn(3) == 0 {
				o.Suspects = Set(rnd.Uint64()) & First(n)
			}
		}
		r := find(t, n, w, opt)
		if r.Kind != Axes {
			t.Fatalf("seed %d: %s", seed, r.Kind)
		}
		var all Set
		for _, g := range r.Groups {
			if all&g != 0 {
				t.Errorf("seed %d: groups overlap", seed)
			}
			all |= g
		}
		if len(r.Builds) <= Bound(n)+1 {
			// One axis: proven against explanations by one or two axes, so with
			// three of them one half of this may not hold.
			if len(r.Groups) != 1 || all.Len() != 1 || w(all) != w(First(n)) && w(First(n)&^all) != w(0) {
				t.Errorf("seed %d: %v was not shown", seed, all.Axes())
			}
			continue
		}
		for _, g := range r.Groups {
			if w(g) == w(0) {
				t.Errorf("seed %d: %v makes no difference", seed, g.Axes())
			}
			for _, x := range g.Axes() {
				if w(g&^Of(x)) != w(0) {
					t.Errorf("seed %d: %d isn't needed in %v", seed, x, g.Axes())
				}
			}
		}
		if w(First(n)&^all) != w(0) {
			t.Errorf("seed %d: there is more than %v", seed, all.Axes())
		}
		if most := BoundMany(n, all.Len(), len(r.Groups)); len(r.Builds) > most {
			t.Errorf("seed %d: %d builds, more than %d", seed, len(r.Builds), most)
		}
	}
}

// Axes that cancel each other are no contradiction, if it repeats.
func TestCancelling(t *testing.T) {
	w := func(v Set) string { // 0 and 1 together make no difference
		if v.Has(2) || v.Has(0) != v.Has(1) {
			return "other"
		}
		return "plain"
	}
	r := find(t, 3, w)
	if r.Kind != Axes || len(r.Groups) == 0 {
		t.Fatalf("%s %v", r.Kind, r.Groups)
	}
	for _, g := range r.Groups {
		if w(g) == "plain" {
			t.Errorf("%v makes no difference", g.Axes())
		}
	}
}

// A build that never repeats is told after one build, and counted.
func TestNondeterministic(t *testing.T) {
	for _, n := range []int{0, 1, 2, 14} {
		at := 0
		w := func(Set) string { at++; return fmt.Sprint(at) }
		r := find(t, n, w)
		if r.Kind != Nondeterministic || r.Plain != DefaultRuns || r.PlainOther != DefaultRuns {
			t.Errorf("%d axes: %+v", n, r)
		}
		if len(r.Builds) > 1+DefaultRuns {
			t.Errorf("%d axes: %d builds", n, len(r.Builds))
		}
	}
	r := find(t, 14, func() world { at := 0; return func(Set) string { at++; return fmt.Sprint(at) } }(),
		func(o *Options) { o.Suspicious, o.Runs = true, 1 })
	if r.Kind != Nondeterministic || len(r.Builds) != 1 {
		t.Errorf("suspected: %+v", r)
	}
}

// A build that takes one of a few results is counted: k of n.
func TestSometimes(t *testing.T) {
	at := -1
	results := []string{"x", "y", "z", "x", "y", "x"} // A, B, the first build, then with nothing varied
	r := find(t, 14, func(Set) string { at++; return results[at] }, func(o *Options) { o.Runs = 3 })
	if r.Kind != Nondeterministic || r.Plain != 3 || r.PlainOther != 1 {
		t.Errorf("%+v", r)
	}
}

// A difference that comes now and then only, and not in A.
func TestUnsteady(t *testing.T) {
	at := 0
	r := find(t, 14, func(v Set) string {
		if at++; at == 2 {
			return "once"
		}
		return "x"
	})
	if r.Kind != Unsteady || r.Plain != 3 || r.PlainOther != 0 || r.All != 3 || r.AllOther != 1 {
		t.Errorf("%+v", r)
	}
}

// What only one axis brings about, but each time otherwise, as a race does.
func TestRandomWithOneAxis(t *testing.T) {
	for x := range 14 {
		at := 0
		r := find(t, 14, func(v Set) string {
			if v.Has(x) {
				at++
				return fmt.Sprint(at)
			}
			return "plain"
		})
		if d := cmp.Diff([]Set{Of(x)}, r.Groups); r.Kind != Axes || d != "" {
			t.Errorf("%d: %+v", x, r)
		}
	}
}

// Random builds with few results end, are never an error, and are rarely
// taken for an axis when the check is repeated.
func TestCoins(t *testing.T) {
	wrong := map[int]int{}
	const tries = 500
	for seed := range int64(tries) {
		for _, runs := range []int{0, 1, 3} {
			rnd := rand.New(rand.NewSource(seed))
			first := 0
			r := find(t, 14, func(Set) string {
				if first++; first <= 2 {
					return fmt.Sprint(first - 1)
				}
				return fmt.Sprint(rnd.Intn(2))
			}, func(o *Options) { o.Runs = runs })
			if r.Kind == Unfinished {
				t.Fatalf("seed %d: %+v", seed, r)
			}
			if r.Kind == Axes {
				wrong[runs]++
			}
		}
	}
	for runs, most := range map[int]int{0: tries * 65 / 100, 1: tries * 50 / 100, 3: tries * 10 / 100} {
		if wrong[runs] > most {
			t.Errorf("runs %d: %d of %d coins are said to depend on an axis, more than %d", runs, wrong[runs], tries, most)
		}
	}
	t.Logf("of %d: %v", tries, wrong)
}

// Suspicions shorten a search that they are right in, and lengthen another by
// one build.
func TestSuspects(t *testing.T) {
	for x := range 14 {
		w := matter(Of(x))
		if r := find(t, 14, w, func(o *Options) { o.Suspects = Of(x) }); len(r.Builds) != 2 || r.Groups[0] != Of(x) {
			t.Errorf("%d: right, and %d builds", x, len(r.Builds))
		}
		y := (x + 5) % 14
		if r := find(t, 14, w, func(o *Options) { o.Suspects = Of(y) }); len(r.Builds) > Bound(14)+1 || r.Groups[0] != Of(x) {
			t.Errorf("%d: wrong, and %d builds", x, len(r.Builds))
		}
	}
}

// A search that was cut off says how far it was, and goes on from there
// without building anything twice.
func TestCutOff(t *testing.T) {
	for name, w := range map[string]world{"one": matter(Of(11)), "two": matter(Of(3), Of(9)), "together": matter(Of(2, 12))} {
		whole := find(t, 14, w)
		for stop := range len(whole.Builds) {
			c := &count{world: w}
			ctx, cancel := context.WithCancelCause(context.Background())
			bored := errors.New("bored")
			opt := Options{Axes: 14, A: w(0), B: w(First(14))}
			r, err := Search(ctx, opt, func(ctx context.Context, v Set) (string, error) {
				if len(c.builds) == stop {
					cancel(bored)
					return "", context.Cause(ctx)
				}
				return c.oracle(ctx, v)
			})
			if !errors.Is(err, bored) || r.Kind != Unfinished || len(r.Builds) != stop {
				t.Fatalf("%s, stopped after %d: %v, %+v", name, stop, err, r)
			}
			if name == "one" && !r.Candidates.Has(11) {
				t.Errorf("stopped after %d: the axis is not among %v", stop, r.Candidates.Axes())
			}
			opt.Known = r.Builds
			rest, err := Search(context.Background(), opt, c.oracle)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(whole.Groups, rest.Groups); d != "" || len(c.builds) != len(whole.Builds) {
				t.Errorf("%s, stopped after %d: %d builds, not %d; %s", name, stop, len(c.builds), len(whole.Builds), d)
			}
		}
	}
}

// An error of the oracle's is handed on.
func TestOracleFails(t *testing.T) {
	broken := errors.New("no space left")
	r, err := Search(context.Background(), Options{Axes: 4, A: "a", B: "b"}, func(context.Context, Set) (string, error) { return "", broken })
	if !errors.Is(err, broken) || r.Kind != Unfinished {
		t.Errorf("%v, %+v", err, r)
	}
	if _, err := Search(context.Background(), Options{Axes: 65}, nil); err == nil {
		t.Error("65 axes are not refused")
	}
}

func TestSet(t *testing.T) {
	s := Of(1, 4, 9)
	if d := cmp.Diff([]int{1, 4, 9}, s.Axes()); d != "" || s.Len() != 3 || !s.Has(4) || s.Has(3) {
		t.Error(s, d)
	}
	if s.prefix(2) != Of(1, 4) || s.prefix(0) != 0 || s.prefix(9) != s {
		t.Error("prefix")
	}
	if First(0) != 0 || First(3) != Of(0, 1, 2) || First(64).Len() != 64 {
		t.Error("First")
	}
}
