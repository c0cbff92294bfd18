package cause

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type match = func(x *explainer, p *place) []Cause

// setting matches a place where each side holds its own build's value of a
// setting.
func setting(what string, of func(Build) string) match {
	return func(x *explainer, p *place) []Cause {
		a, b := of(x.A), of(x.B)
		if len(a) < 3 || len(b) < 3 || a == b || !bytes.Contains(p.d.A, []byte(a)) || !bytes.Contains(p.d.B, []byte(b)) {
			return nil
		}
		return []Cause{{Proof: []string{fmt.Sprintf("each side holds its own build's %s: %s in A, %s in B", what, a, b)}}}
	}
}

func section(name string) match {
	return func(_ *explainer, p *place) []Cause {
		if p.d.Section != name {
			return nil
		}
		return []Cause{{Proof: []string{evidence(p)}}}
	}
}

func note(text string) match {
	return func(_ *explainer, p *place) []Cause {
		if !strings.Contains(p.d.Note, text) {
			return nil
		}
		return []Cause{{Proof: []string{evidence(p)}}}
	}
}

// timeNumber knows a number at the first difference that is, on each side, a time
// between that build's start and end, in seconds since 1970 or a finer unit.
func (x *explainer) timeNumber(p *place) []Cause {
	a, okA := timeIn(p.d.A, p.d.Before)
	b, okB := timeIn(p.d.B, p.d.Before)
	if !okA || !okB || a.Equal(b) || !x.A.during(a) || !x.B.during(b) {
		return nil
	}
	return []Cause{{Proof: []string{"each value lies between that build's own start and end"}}}
}

// during says whether a time lies between the build's start and end, give or
// take the second that clocks are rounded to.
func (b Build) during(t time.Time) bool {
	return !b.Start.IsZero() && !t.Before(b.Start.Truncate(time.Second)) && !t.After(b.End.Add(time.Second))
}

// timeIn reads the number around an offset as seconds since 1970, or as milli-,
// micro- or nanoseconds.
func timeIn(p []byte, at int) (time.Time, bool) {
	digit := func(i int) bool { return i >= 0 && i < len(p) && p[i] >= '0' && p[i] <= '9' }
	from, to := at, at
	for digit(from - 1) {
		from--
	}
	for digit(to) {
		to++
	}
	n := to - from
	if n != 10 && n != 13 && n != 16 && n != 19 {
		return time.Time{}, false
	}
	v, err := strconv.ParseInt(string(p[from:to]), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	for range n - 10 {
		v /= 10
	}
	return time.Unix(v, 0), true
}
