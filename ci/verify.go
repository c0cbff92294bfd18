package main

import (
	"context"
	"os"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
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

// The verdict as a directory: verdict.txt, verdict.json and, below out, the first build's artefacts. A mismatch is no failure here
func (m *Twice) Report(ctx context.Context) (*dagger.Directory, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return nil, err
	}
	v, err := r.verify(ctx, opt)
	if err != nil {
		return nil, failure(err)
	}
	text, err := textOf(v)
	if err != nil {
		return nil, err
	}
	data, err := v.JSON()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"verdict.txt": []byte(text), "verdict.json": data} {
		if err := os.WriteFile(r.path("report", name), content, 0o644); err != nil {
			return nil, err
		}
	}
	return dag.CurrentModule().Workdir(r.path("report")), nil
}

// verify builds twice and keeps the first build's artefacts in report/out.
func (r *run) verify(ctx context.Context, opt verify.Options) (*verdict.Verdict, error) {
	opt.Keep = r.path("report", "out")
	v, err := r.runner().Verify(ctx, opt)
	if err != nil {
		return nil, err
	}
	v.Subject.Spec = r.twice.Path
	if v.Subject.Spec == "" {
		v.Subject.Spec = "."
	}
	return v, nil
}

func textOf(v *verdict.Verdict) (string, error) {
	var b strings.Builder
	err := v.Text(&b, verdict.TextOptions{})
	return b.String(), err
}
