package bisect

import (
	"context"
	"slices"
)

type search struct {
	opt    Options
	oracle Oracle
	all    Set
	runs   int
	seen   map[Set][]string // results by set, in order
	known  map[Set][]string // results that may be used up
	res    Result
}

func (s *search) run(ctx context.Context) error {
	if s.opt.Axes == 0 {
		return s.nondeterministic(ctx)
	}
	if s.opt.Suspicious {
		if r, err := s.again(ctx, 0); err != nil {
			return err
		} else if r != s.opt.A {
			return s.nondeterministic(ctx)
		}
	}
	axis, err := s.one(ctx)
	if err != nil {
		return err
	}
	if axis != 0 {
		s.conclude(Axes, axis)
		return nil
	}
	s.res.Candidates = 0
	return s.many(ctx)
}

func (s *search) conclude(k Kind, groups ...Set) {
	s.res.Kind, s.res.Candidates = k, 0
	s.res.Groups = append(s.res.Groups, groups...)
}

// again builds with v varied.
func (s *search) again(ctx context.Context, v Set) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	var b Build
	if k := s.known[v]; len(k) > 0 {
		s.known[v] = k[1:]
		b = Build{Vary: v, Result: k[0], Known: true}
	} else {
		r, err := s.oracle(ctx, v)
		if err != nil {
			return "", err
		}
		b = Build{Vary: v, Result: r}
	}
	s.res.Builds = append(s.res.Builds, b)
	s.seen[v] = append(s.seen[v], b.Result)
	other := 0
	if b.Result != s.opt.A {
		other = 1
	}
	switch v {
	case 0:
		s.res.Plain++
		s.res.PlainOther += other
	case s.all:
		s.res.All++
		s.res.AllOther += other
	}
	return b.Result, nil
}

// ask is the result with v varied, of the first build that had it.
func (s *search) ask(ctx context.Context, v Set) (string, error) {
	if r := s.seen[v]; len(r) > 0 {
		return r[0], nil
	}
	if v == s.all {
		return s.opt.B, nil
	}
	return s.again(ctx, v)
}

func (s *search) differs(ctx context.Context, v Set) (bool, error) {
	r, err := s.ask(ctx, v)
	return r != s.opt.A, err
}

// one looks for the one axis that matters; 0 if it is not one.
func (s *search) one(ctx context.Context) (Set, error) {
	left := s.all    // the candidates
	var unneeded Set // ruled out by a build like B
	lastB := true
	for left.Len() > 1 {
		s.res.Candidates = left
		half := left.prefix((left.Len() + 1) / 2)
		if sus := s.opt.Suspects & s.all; left == s.all && sus != 0 && sus != s.all {
			half = sus
		}
		r, err := s.ask(ctx, half|unneeded)
		if err != nil {
			return 0, err
		}
		switch r {
		case s.opt.A:
			left, unneeded, lastB = left&^half, 0, false
		case s.opt.B:
			left, unneeded, lastB = half, unneeded|left&^half, true
		default:
			return 0, nil
		}
	}
	s.res.Candidates = left
	without := func() (bool, error) { return s.is(ctx, s.all&^left, s.opt.A) }
	alone := func() (bool, error) { return s.is(ctx, left, s.opt.B) }
	checks := []func() (bool, error){without}
	if !lastB {
		checks[0] = alone
	}
	if s.opt.Runs > 0 {
		checks = []func() (bool, error){without, alone}
	}
	for range max(s.opt.Runs, 1) {
		for _, check := range checks {
			if ok, err := check(); err != nil || !ok {
				return 0, err
			}
		}
	}
	return left, nil
}

// is builds and compares. A first check may be a build that the search made.
func (s *search) is(ctx context.Context, v Set, want string) (bool, error) {
	get := s.ask
	if s.opt.Runs > 1 || v == 0 || v == s.all {
		get = s.again
	}
	r, err := get(ctx, v)
	return r == want, err
}

// many finds out what it is if not one axis.
func (s *search) many(ctx context.Context) error {
	repeat := max(s.opt.Runs, 1)
	for s.res.Plain < repeat && s.res.PlainOther == 0 {
		if _, err := s.again(ctx, 0); err != nil {
			return err
		}
	}
	if s.res.PlainOther > 0 {
		return s.nondeterministic(ctx)
	}
	for s.res.All <= repeat {
		if r, err := s.again(ctx, s.all); err != nil {
			return err
		} else if r == s.opt.A {
			return s.unsteady(ctx)
		}
	}
	rest := s.all
	for {
		g, err := s.group(ctx, rest)
		if err != nil {
			return err
		}
		s.res.Groups = append(s.res.Groups, g)
		if rest &^= g; rest == 0 {
			break
		}
		if d, err := s.differs(ctx, rest); err != nil {
			return err
		} else if !d {
			break
		}
	}
	if steady, err := s.steady(ctx); err != nil {
		return err
	} else if !steady {
		s.res.Groups = nil
		return s.unsteady(ctx)
	}
	s.conclude(Axes)
	return nil
}

// group finds a minimal set in within that makes a difference alone. within
// makes one. Each round finds one axis of it by bisection: the one that ends
// the shortest prefix that still differs together with what was found.
func (s *search) group(ctx context.Context, within Set) (Set, error) {
	for v, r := range s.seen { // start from the smallest that is known to differ
		if v != 0 && within.Contains(v) && r[0] != s.opt.A && (v.Len() < within.Len() || v.Len() == within.Len() && v < within) {
			within = v
		}
	}
	var found Set
	for {
		if found == within {
			return found, nil
		}
		if found != 0 {
			if d, err := s.differs(ctx, found); err != nil || d {
				return found, err
			}
		}
		left := within &^ found
		same, diff := 0, left.Len() // lengths of prefixes
		for diff-same > 1 {
			mid := (same + diff) / 2
			d, err := s.differs(ctx, found|left.prefix(mid))
			if err != nil {
				return 0, err
			}
			if d {
				diff = mid
			} else {
				same = mid
			}
		}
		within = found | left.prefix(diff)
		found |= left.prefix(diff) &^ left.prefix(diff-1)
	}
}

// steady looks for a pair of builds that contradict each other, if varying more
// never makes a difference go away, and repeats the smaller.
func (s *search) steady(ctx context.Context) (bool, error) {
	for _, t := range slices.Clone(s.res.Builds) {
		if t.Result == s.opt.A {
			continue
		}
		for _, u := range slices.Clone(s.res.Builds) {
			if u.Result == s.opt.A && u.Vary != t.Vary && u.Vary.Contains(t.Vary) && len(s.seen[t.Vary]) == 1 {
				if r, err := s.again(ctx, t.Vary); err != nil || r == s.opt.A {
					return false, err
				}
			}
		}
	}
	return true, nil
}

// nondeterministic counts how often a build with nothing varied differs. One did.
func (s *search) nondeterministic(ctx context.Context) error {
	for s.res.Plain < s.runs {
		if _, err := s.again(ctx, 0); err != nil {
			return err
		}
	}
	s.conclude(Nondeterministic)
	return nil
}

// unsteady counts how often builds differ that sometimes agree.
func (s *search) unsteady(ctx context.Context) error {
	for s.res.Plain < s.runs && s.res.PlainOther == 0 {
		if _, err := s.again(ctx, 0); err != nil {
			return err
		}
	}
	if s.res.PlainOther > 0 {
		return s.nondeterministic(ctx)
	}
	for s.res.All < s.runs {
		if _, err := s.again(ctx, s.all); err != nil {
			return err
		}
	}
	s.conclude(Unsteady)
	return nil
}
