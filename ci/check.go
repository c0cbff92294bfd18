package main

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/check"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// The checklist of reproducible builds: it fails with the table when a point of it fails, or can't be looked at. Nothing is built
func (m *Twice) Check(
	ctx context.Context,
	// Check the commits since this one too, as a reviewer would: a commit or a branch
	// +optional
	since string,
	// A verdict.json of `report`, for the point that two builds are compared
	// +optional
	verdict *dagger.File,
) (string, error) {
	rep, err := m.check(ctx, since, verdict)
	if err != nil {
		return "", failure(err)
	}
	if rep.ExitCode() != 0 {
		return "", errors.New(strings.TrimRight(rep.Text(), "\n"))
	}
	return rep.Text(), nil
}

// The checklist as a directory: check.txt, check.json and check.sarif. A point that fails is no failure here
func (m *Twice) Checklist(
	ctx context.Context,
	// Check the commits since this one too, as a reviewer would: a commit or a branch
	// +optional
	since string,
	// A verdict.json of `report`, for the point that two builds are compared
	// +optional
	verdict *dagger.File,
) (*dagger.Directory, error) {
	rep, err := m.check(ctx, since, verdict)
	if err != nil {
		return nil, failure(err)
	}
	data, err := rep.JSON()
	if err != nil {
		return nil, failure(err)
	}
	var sarif bytes.Buffer
	if err := rep.SARIF(&sarif, version); err != nil {
		return nil, failure(err)
	}
	return dag.Directory().WithNewFile("check.txt", rep.Text()).WithNewFile("check.json", string(data)).WithNewFile("check.sarif", sarif.String()), nil
}

func (m *Twice) check(ctx context.Context, since string, of *dagger.File) (*check.Report, error) {
	r, err := m.newRun(ctx)
	if err != nil {
		return nil, err
	}
	opt, err := r.options(ctx)
	if err != nil {
		return nil, err
	}
	how := check.Options{Spec: opt.Spec, Since: since}
	if of != nil {
		text, err := of.Contents(ctx)
		if err != nil {
			return nil, err
		}
		if how.Verdict, err = verdict.Parse([]byte(text)); err != nil {
			return nil, err
		}
	}
	if err := r.takeBundle(ctx); err != nil {
		return nil, err
	}
	if err := r.takeLogins(ctx, opt); err != nil {
		return nil, err
	}
	rep, err := check.Run(ctx, r.tools, how)
	if err != nil {
		return nil, err
	}
	rep.Source = m.folder()
	return rep, nil
}

// takeLogins brings what of the crates takes a login into the run's own store.
func (r *run) takeLogins(ctx context.Context, opt verify.Options) error {
	if r.twice.SSH == nil && r.twice.GitCredentials == nil && r.twice.CargoCredentials == nil && r.twice.Netrc == nil {
		return nil
	}
	opt.Resolve.Dirty, opt.Resolve.Locked = true, false
	p, err := resolve.Open(ctx, r.tools, opt.Spec, opt.Resolve)
	if err != nil {
		return err
	}
	defer p.Close()
	return r.takePrivate(ctx, p)
}
