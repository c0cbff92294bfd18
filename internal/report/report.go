// Package report shows a verdict to people and to other programs.
//
// # The files
//
//	index.html      one page: no script, nothing from elsewhere
//	verdict.json    the verdict itself, as package verdict writes it
//	summary.md      the same in short, in GitHub's Markdown, for a job's summary
//	twice.sarif     the same as SARIF 2.1.0, for code hosts
//	diffoscope.html diffoscope's own page, if it was asked for
//
// The first four are made of verdict.json alone: equal verdicts give equal
// bytes, and a report can be rendered again from it at any time.
//
// # Hostile content
//
// Names, bytes and texts of a verdict come from artefacts. What can't be
// printed, or would change the direction of text, is shown as "?"; the rest is escaped
// for where it stands. The page forbids itself every script and every request
// (Content-Security-Policy), so that a fault here can't do harm either.
package report

import (
	"fmt"

	"github.com/craton-co/twice/internal/verdict"
)

// The files of a report.
const (
	Page       = "index.html"
	Verdict    = "verdict.json"
	Summary    = "summary.md"
	SARIF      = "twice.sarif"
	Diffoscope = "diffoscope.html"
)

// File is a file of a report.
type File struct {
	Name string
	Data []byte
}

// Files renders a verdict. The verdict's path of a report is left out: it is a
// matter of the one who prints it.
func Files(v *verdict.Verdict) ([]File, error) {
	c := *v
	c.Report = ""
	data, err := c.JSON()
	if err != nil {
		return nil, err
	}
	// What was read from the JSON is shown: nothing that isn't in it.
	again, err := verdict.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("rendering report: %w", err)
	}
	page, err := renderPage(again)
	if err != nil {
		return nil, fmt.Errorf("rendering report: %w", err)
	}
	sarif, err := renderSARIF(again)
	if err != nil {
		return nil, fmt.Errorf("rendering report: %w", err)
	}
	return []File{{Page, page}, {Verdict, data}, {Summary, renderSummary(again)}, {SARIF, sarif}}, nil
}
