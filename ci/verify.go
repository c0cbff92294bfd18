package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/report"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// Build twice, compare, give the verdict: it fails with the finding when the builds differ
//
// +check
func (m *Twice) Verify(ctx context.Context) (string, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return "", err
	}
	v, err := r.verify(ctx, opt)
	if err != nil {
		return "", failure(err)
	}
	if v.ExitCode() != 0 {
		return "", v.Refusal("")
	}
	return textOf(v)
}

// The verdict as a directory: a page (index.html), verdict.json, summary.md, twice.sarif, verdict.txt and, below out, the first build's artefacts with their SBOMs and provenance statement. Neither a mismatch nor a build that fails is a failure here
func (m *Twice) Report(ctx context.Context) (*dagger.Directory, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return nil, err
	}
	opt.Keep = r.path("report", "out")
	v, err := r.verify(ctx, opt)
	var build *verify.BuildError
	if err != nil && !errors.As(err, &build) {
		return nil, failure(err)
	}
	text, err := textOf(v)
	if err != nil {
		return nil, err
	}
	files, err := report.Files(v)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.path("report"), 0o755); err != nil {
		return nil, err
	}
	for _, f := range append(files, report.File{Name: "verdict.txt", Data: []byte(text)}) {
		if err := os.WriteFile(r.path("report", f.Name), f.Data, 0o644); err != nil {
			return nil, err
		}
	}
	return dag.CurrentModule().Workdir(r.path("report")), nil
}

// verify builds twice. With an error there may be a verdict that says NO VERDICT.
func (r *run) verify(ctx context.Context, opt verify.Options) (*verdict.Verdict, error) {
	v, err := r.runner().Verify(ctx, opt)
	if v == nil {
		return nil, err
	}
	v.Subject.Spec = r.twice.folder()
	return v, err
}

// folder is the source as a reader knows it.
func (m *Twice) folder() string { return cmp.Or(m.Path, ".") }

func textOf(v *verdict.Verdict) (string, error) {
	var b strings.Builder
	err := v.Text(&b, verdict.TextOptions{})
	return b.String(), err
}
