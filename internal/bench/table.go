package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is everything that was measured in one run.
type table struct {
	Date            time.Time
	Machine         string
	Settings        string
	Commit          string
	Took            time.Duration
	Average         float64 // load before the first row
	AverageEnd      float64 // and after the last one, which made most of it
	Cores           float64 // busy with something else before a row, at most
	Lines           []line
	Failed, Skipped []string // rows
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

// cells has medians; behind a ratio is the best of its runs, if there are several.
// A negative goal is that of a row that failed.
func (l line) cells() []string {
	unit := " " + cmp.Or(l.Unit, "s")
	c := []string{l.Row, l.What, "", "", "", "", ""}
	for i, all := range [][]float64{l.Twice, l.Other} {
		if len(all) > 0 {
			c[2+i] = fmt.Sprintf("%.3g%s", median(all), unit)
		}
	}
	var ratios []float64
	for i := range min(len(l.Twice), len(l.Other)) {
		r := l.Twice[i] / l.Other[i]
		if l.Faster {
			r = 1 / r
		}
		ratios = append(ratios, r)
	}
	judged, sign, best := median(l.Twice), "≤", slices.Min[[]float64]
	if l.Faster {
		sign, best = "≥", slices.Max
	}
	if len(ratios) > 0 {
		judged, unit = median(ratios), ""
		c[4] = fmt.Sprintf("%.2f", judged)
	}
	if len(ratios) > 1 {
		c[4] += fmt.Sprintf(" (best %.2f)", best(ratios))
	}
	if l.Goal > 0 {
		c[5], c[6] = fmt.Sprintf("%s %g%s", sign, l.Goal, unit), "no"
		if judged == l.Goal || judged > l.Goal == l.Faster {
			c[6] = "yes"
		}
	}
	if l.Goal < 0 {
		c[6] = "no"
	}
	return c
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
	rows := [][]string{{"row", "measured", "twice", "other", "ratio", "goal", "met"}, slices.Repeat([]string{"---"}, 7)}
	for _, l := range t.Lines {
		rows = append(rows, l.cells())
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, cells := range rows {
		fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| "))
	}
	w.Flush()
	return b.String()
}

// The part of the page between these lines is written here; the rest is prose.
const (
	pageBegin = "<!-- scripts/bench writes from here -->\n"
	pageEnd   = "<!-- to here -->\n"
)

// into puts the table into a page, in the place of the last one.
func (t *table) into(page string) (string, error) {
	before, rest, ok := strings.Cut(page, pageBegin)
	_, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page lacks a line %q or %q", strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return before + pageBegin + "\n" + t.document() + "\n" + pageEnd + after, nil
}

// document is the part of docs/benchmarks.md that is measured.
func (t *table) document() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured by `scripts/bench` on %s, commit %s, in %.0f minutes.\n\n", t.Date.Format(time.DateOnly), t.Commit, t.Took.Minutes())
	fmt.Fprintf(&b, "- Machine: %s.\n", t.Machine)
	fmt.Fprintf(&b, "- Load average before the first row: %.2f; after the last one, which made it: %.2f. Before a row at most %.2f cores were busy with something else.\n", t.Average, t.AverageEnd, t.Cores)
	fmt.Fprintf(&b, "- Settings: %s.\n", t.Settings)
	if len(t.Skipped) > 0 {
		fmt.Fprintf(&b, "- Not measured in this run: %s.\n", strings.Join(t.Skipped, ", "))
	}
	fmt.Fprintf(&b, "\n%s\n## What the rows are\n\n", t.markdown())
	for _, r := range rows {
		fmt.Fprintf(&b, "- **%s**: %s\n", r.name, strings.ReplaceAll(r.about, "\n", "\n  "))
	}
	return b.String()
}
