package main

import (
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
`
	if d := cmp.Diff(want, "\n"+tab.markdown()); d != "" {
		t.Error(d)
	}
}
