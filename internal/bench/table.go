package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// table is everything that was measured in one run.
type table struct {
	Date     time.Time
	Machine  string
	Settings string
	Average  float64 // load before the first row
	Cores    float64 // busy with something else before a row, at most
	Lines    []line
}

// line is what a command took and what it is compared to.
type line struct {
	Row, What string
	Twice     []float64 // one a run, in seconds or Unit
	Other     []float64 // likewise; where both are there, Other[i] was measured along with Twice[i]
	Unit      string    // "": seconds
	Faster    bool      // the ratio says how many times faster twice is, not how much longer it takes
	Goal      float64   // of the ratio, or where there is none of Twice; 0: none
}

var header = []string{"row", "measured", "twice", "other", "ratio", "goal", "met"}

// cells has medians; behind a ratio is the best of its runs, if there are several.
func (l line) cells() []string {
	c := []string{l.Row, l.What, l.amount(l.Twice), l.amount(l.Other), "", "", ""}
	ratios := l.ratios()
	judged := median(l.Twice)
	if len(ratios) > 0 {
		judged = median(ratios)
		c[4] = fmt.Sprintf("%.2f", judged)
		if best := slices.Min(ratios); len(ratios) > 1 {
			if l.Faster {
				best = slices.Max(ratios)
			}
			c[4] += fmt.Sprintf(" (best %.2f)", best)
		}
	}
	if l.Goal == 0 {
		return c
	}
	sign, met := "≤", judged <= l.Goal
	if l.Faster {
		sign, met = "≥", judged >= l.Goal
	}
	c[5], c[6] = fmt.Sprintf("%s %g", sign, l.Goal), "no"
	if len(ratios) == 0 {
		c[5] += " " + l.unit()
	}
	if met {
		c[6] = "yes"
	}
	return c
}

func (l line) ratios() (all []float64) {
	for i := range min(len(l.Twice), len(l.Other)) {
		if l.Faster {
			all = append(all, l.Other[i]/l.Twice[i])
		} else {
			all = append(all, l.Twice[i]/l.Other[i])
		}
	}
	return all
}

func (l line) unit() string {
	if l.Unit == "" {
		return "s"
	}
	return l.Unit
}

// amount is the median, with three digits that count.
func (l line) amount(all []float64) string {
	if len(all) == 0 {
		return ""
	}
	m := median(all)
	digits := 0
	for limit := 100.0; m < limit && digits < 3; limit /= 10 {
		digits++
	}
	return fmt.Sprintf("%.*f %s", digits, m, l.unit())
}

// median is 0 of nothing.
func median(all []float64) float64 {
	n := len(all)
	if n == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// markdown is a table that reads well as plain text, too.
func (t *table) markdown() string {
	all := [][]string{header, make([]string, len(header))}
	for _, l := range t.Lines {
		all = append(all, l.cells())
	}
	widths := make([]int, len(header))
	for _, cells := range all {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for i, w := range widths {
		all[1][i] = strings.Repeat("-", w)
	}
	var b strings.Builder
	for _, cells := range all {
		for i, c := range cells {
			fmt.Fprintf(&b, "| %-*s ", widths[i], c)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// document is docs/benchmarks.md.
func (t *table) document() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

Written by `+"`scripts/bench`"+` on %s; don't edit.

- Machine: %s.
- Load average before the first row: %.2f. Before a row at most %.2f cores were busy with something else.
- Settings: %s.

Amounts are medians, times wall clock around whole commands and solves that run alternately in one go. A ratio is the
median of the ratios of each pair; only ratios mean something on another machine.

%s
## What the rows are

`, t.Date.Format(time.DateOnly), t.Machine, t.Average, t.Cores, t.Settings, t.markdown())
	for _, r := range rows {
		fmt.Fprintf(&b, "- **%s**: %s\n", r.name, strings.ReplaceAll(r.about, "\n", "\n  "))
	}
	return b.String()
}
