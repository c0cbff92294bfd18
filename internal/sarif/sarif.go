// Package sarif writes findings as SARIF 2.1.0, the form that code hosts show
// beside the lines that they are about.
//
// One run of one tool. Rules come in the given order, results too; equal input
// gives equal bytes. Paths are relative to the repository's root ("%SRCROOT%").
package sarif

import (
	"encoding/json"
	"fmt"
	"io"
)

// Rule is what a result is an instance of.
type Rule struct {
	ID    string
	Title string // one line
	Help  string // plain text
}

// Level is how bad a result is.
type Level string

// The levels of SARIF.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Note    Level = "note"
)

// Result is one finding.
type Result struct {
	Rule    string // its ID
	Level   Level
	Message string
	File    string // with slashes; "" where no file is to blame
	Line    int    // from 1, 0 for the whole file
}

type text struct {
	Text string `json:"text"`
}

type driver struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Rules   []rule `json:"rules"`
}

type rule struct {
	ID               string `json:"id"`
	ShortDescription text   `json:"shortDescription"`
	Help             text   `json:"help"`
}

type result struct {
	RuleID    string     `json:"ruleId"`
	RuleIndex int        `json:"ruleIndex"`
	Level     Level      `json:"level"`
	Message   text       `json:"message"`
	Locations []location `json:"locations,omitempty"`
}

type location struct {
	Physical physical `json:"physicalLocation"`
}

type physical struct {
	Artifact artifact `json:"artifactLocation"`
	Region   *region  `json:"region,omitempty"`
}

type artifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId"`
}

type region struct {
	StartLine int `json:"startLine"`
}

type run struct {
	Tool struct {
		Driver driver `json:"driver"`
	} `json:"tool"`
	Results []result `json:"results"`
}

// Write writes one run. A result whose rule isn't in rules is an error.
func Write(w io.Writer, tool, version string, rules []Rule, results []Result) error {
	r := run{Results: []result{}}
	r.Tool.Driver = driver{Name: tool, Version: version, Rules: []rule{}}
	index := map[string]int{}
	for i, x := range rules {
		index[x.ID] = i
		r.Tool.Driver.Rules = append(r.Tool.Driver.Rules, rule{x.ID, text{x.Title}, text{x.Help}})
	}
	for _, x := range results {
		i, ok := index[x.Rule]
		if !ok {
			return fmt.Errorf("writing SARIF: there is no rule %q", x.Rule)
		}
		out := result{RuleID: x.Rule, RuleIndex: i, Level: x.Level, Message: text{x.Message}}
		if x.File != "" {
			l := location{physical{Artifact: artifact{escape(x.File), "%SRCROOT%"}}}
			if x.Line > 0 {
				l.Physical.Region = &region{x.Line}
			}
			out.Locations = []location{l}
		}
		r.Results = append(r.Results, out)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []run{r}})
	if err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	return nil
}

// escape makes a URI reference of a path.
func escape(p string) string {
	var out []byte
	for _, c := range []byte(p) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/':
			out = append(out, c)
		default:
			out = fmt.Appendf(out, "%%%02X", c)
		}
	}
	return string(out)
}
