package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/lock"
)

// buildScriptsWatched holds what code did at build time against what twice.lock
// records. Without an audit it says whether there is a record of this very code.
func buildScriptsWatched(s *subject) outcome {
	if s.graphErr != nil {
		return s.unchecked()
	}
	var bad, good []Finding
	for _, c := range s.graph {
		if c == nil || !c.BuildTime.Runs() {
			continue
		}
		say := func(list *[]Finding, format string, a ...any) {
			*list = append(*list, Finding{Package: c.title(), Text: fmt.Sprintf(format, a...)})
		}
		did := s.didOf(c)
		if s.audit == nil {
			switch {
			case did == nil:
				say(&bad, "nobody recorded what it does")
			default:
				say(&good, "%s", recorded(did))
			}
			continue
		}
		now := s.audit.Did(c.Name, c.Version)
		if now == nil {
			now = []string{audit.NotRun}
		}
		added, gone := audit.Difference(did, now)
		switch {
		case did == nil && len(now) == 0:
			say(&bad, "not recorded: nothing but its own files and cargo's variables")
		case did == nil:
			say(&bad, "not recorded: %s", strings.Join(now, ", "))
		case len(added)+len(gone) == 0:
			say(&good, "did what is recorded: %s", recorded(did))
		}
		if did == nil {
			continue
		}
		for _, a := range added {
			say(&bad, "not recorded: %s", a)
		}
		for _, g := range gone {
			say(&bad, "recorded, and not done any more: %s", g)
		}
	}
	if s.audit != nil {
		for _, c := range s.audit.Network() {
			for _, n := range c.With("network") {
				if !c.Code() {
					bad = append(bad, Finding{Package: c.Title(), Text: c.Kind + ": tried the network: " + n})
				}
			}
		}
	}
	if len(bad)+len(good) == 0 {
		return skip("no crate runs code at build time")
	}
	o := judge(bad, good)
	if s.twiceLock == nil && o.status == Fail {
		o.fix = "run `twice lock`, record the code with `twice check --accept NAME`, then what it does with `twice audit --accept NAME`"
	}
	return o
}

// didOf is what is recorded of just this code, nil if nothing is.
func (s *subject) didOf(c *Crate) []string {
	if s.twiceLock == nil {
		return nil
	}
	i := slices.IndexFunc(s.twiceLock.Reviewed, func(r lock.Reviewed) bool {
		return r.Name == c.Name && r.Code == c.identity() && r.Did != nil
	})
	if i < 0 {
		return nil
	}
	return s.twiceLock.Reviewed[i].Did
}

func recorded(did []string) string {
	if len(did) == 0 {
		return "nothing but its own files and cargo's variables"
	}
	verbs := map[string]int{}
	var order []string
	for _, d := range did {
		v, _, _ := strings.Cut(d, " ")
		if d == audit.NotRun {
			v = d
		}
		if verbs[v]++; verbs[v] == 1 {
			order = append(order, v)
		}
	}
	for i, v := range order {
		if n := verbs[v]; v != audit.NotRun {
			order[i] = fmt.Sprintf("%s %d", v, n)
		}
	}
	return strings.Join(order, ", ")
}
