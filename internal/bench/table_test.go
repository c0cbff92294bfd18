package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	tab := table{Lines: []line{
		{Row: "cold", What: "verify ÷ cargo", Twice: []float64{90, 61, 80}, Other: []float64{80, 80, 80}, Goal: 1},
		{Row: "cold", What: "first ÷ cargo", Twice: []float64{100}, Other: []float64{80}},
		{Row: "unchanged", What: "verify", Twice: []float64{0.6, 0.05, 0.0512, 0.052}, Goal: 0.5},
		{Row: "normalize", What: "BuildKit ÷ normalize", Twice: []float64{4, 5}, Other: []float64{8, 20}, Faster: true, Goal: 3},
		{Row: "normalize", What: "import", Other: []float64{4.712}},
		{Row: "normalize", What: "whole ÷ normalize", Twice: []float64{8}, Other: []float64{16}, Faster: true, Goal: 3},
		{Row: "memory", What: "peak", Twice: []float64{100}, Unit: "MB", Goal: 100},
		{Row: "diff", What: "failed: status 2", Goal: -1},
	}}
	want := `
| row       | measured             | twice    | other  | ratio            | goal     | met |
| ---       | ---                  | ---      | ---    | ---              | ---      | --- |
| cold      | verify ÷ cargo       | 80 s     | 80 s   | 1.00 (best 0.76) | ≤ 1      | yes |
| cold      | first ÷ cargo        | 100 s    | 80 s   | 1.25             |          |     |
| unchanged | verify               | 0.0516 s |        |                  | ≤ 0.5 s  | yes |
| normalize | BuildKit ÷ normalize | 4.5 s    | 14 s   | 3.00 (best 4.00) | ≥ 3      | yes |
| normalize | import               |          | 4.71 s |                  |          |     |
| normalize | whole ÷ normalize    | 8 s      | 16 s   | 2.00             | ≥ 3      | no  |
| memory    | peak                 | 100 MB   |        |                  | ≤ 100 MB | yes |
| diff      | failed: status 2     |          |        |                  |          | no  |
`
	if d := cmp.Diff(want, "\n"+tab.markdown()); d != "" {
		t.Error(d)
	}
}

func TestPage(t *testing.T) {
	tab := table{Commit: "abc", Skipped: []string{"memory"}, Lines: []line{{Row: "cold", What: "verify", Twice: []float64{1}}}}
	old := "# Title\n" + pageBegin + "yesterday\n" + pageEnd + "prose\n"
	page, err := tab.into(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Title\n" + pageBegin, pageEnd + "prose\n", "commit abc", "Not measured in this run: memory.", "| cold | verify   | 1 s   |"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "yesterday") {
		t.Errorf("the old table is still there:\n%s", page)
	}
	if again, err := tab.into(page); err != nil || again != page {
		t.Errorf("once more: %v\n%s", err, again)
	}
	for _, bad := range []string{"", pageBegin, pageEnd, pageEnd + pageBegin} {
		if _, err := tab.into(bad); err == nil {
			t.Errorf("a page %q was written into", bad)
		}
	}
}

func TestChoose(t *testing.T) {
	all, err := choose(nil, "memory,import")
	if err != nil || len(all) != len(rows)-2 {
		t.Errorf("%d rows, %v", len(all), err)
	}
	if one, err := choose([]string{"import"}, ""); err != nil || len(one) != 1 || one[0].name != "import" {
		t.Errorf("%v, %v", one, err)
	}
	for _, bad := range [][2]string{{"x", ""}, {"import", "x"}} {
		if _, err := choose([]string{bad[0]}, bad[1]); err == nil {
			t.Errorf("%q were chosen", bad)
		}
	}
}

func TestMeasure(t *testing.T) {
	b := &bench{Context: t.Context()}
	if _, err := b.measure(row{run: func(*bench) []line { check(errors.New("no")); return nil }}); err == nil || err.Error() != "no" {
		t.Errorf("a failure gave %v", err)
	}
	if l, err := b.measure(row{run: func(*bench) []line { return []line{{}} }}); err != nil || len(l) != 1 {
		t.Errorf("%v, %v", l, err)
	}
}
