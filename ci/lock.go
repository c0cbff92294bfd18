package main

import (
	"context"
	"errors"
	"path"
	"path/filepath"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/normalize"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/vouch"
)

// twice.lock, written or brought up to date: every input by hash
//
// +generate
func (m *Twice) Lock(
	ctx context.Context,
	// Pins to move to what upstream has now: toolchain, builder, base, engine, git, cuda, all
	// +optional
	update []string,
) (*dagger.Changeset, error) {
	text, err := m.relock(ctx, update)
	if err != nil {
		return nil, failure(err)
	}
	return m.Source.WithNewFile(path.Join(m.Path, lock.FileName(m.Profile)), text).Changes(m.Source), nil
}

func (m *Twice) relock(ctx context.Context, update []string) (text string, err error) {
	r, err := m.newRun(ctx)
	if err != nil {
		return "", err
	}
	opt, err := r.options(ctx)
	if err != nil {
		return "", err
	}
	opt.Resolve.Dirty, opt.Resolve.Locked = true, false
	if err := r.takeBundle(ctx); err != nil {
		return "", err
	}
	p, err := resolve.Open(ctx, r.tools, opt.Spec, opt.Resolve)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if err := r.takePrivate(ctx, p); err != nil {
		return "", err
	}
	back, err := r.twice.lendDocker(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, back()) }()
	l, err := p.Relock(ctx, r.tools, vouch.Locked, update)
	if err != nil {
		return "", err
	}
	return string(l.Format()), nil
}

// Any image in canonical form: an OCI archive or a docker-archive becomes an OCI archive that no clock and no tool has left its mark on
func (m *Twice) Normalize(
	ctx context.Context,
	// An OCI archive or a docker-archive
	file *dagger.File,
	// The base image, in an archive: its layers stay as they are
	// +optional
	base *dagger.File,
	// Compression of the image's own layers: none, gzip, zstd
	// +optional
	// +default="gzip"
	compression string,
	// Latest time in the image, in seconds since 1970
	// +optional
	// +default=0
	epoch int,
) (*dagger.File, error) {
	r, err := m.newRun(ctx)
	if err != nil {
		return nil, failure(err)
	}
	opt := normalize.Options{Store: r.tools.Store, Compression: layer.Compression(compression), Epoch: int64(epoch)}
	if base != nil {
		opt.Base = r.path("base.tar")
		if _, err := base.Export(ctx, opt.Base); err != nil {
			return nil, err
		}
	}
	in, out := r.path("image.tar"), filepath.Join(r.dir, "canonical.tar")
	if _, err := file.Export(ctx, in); err != nil {
		return nil, err
	}
	if _, err := normalize.Normalize(ctx, in, out, opt); err != nil {
		return nil, failure(err)
	}
	return dag.CurrentModule().WorkdirFile(out), nil
}
