package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Deny asks the pinned cargo-deny about a project, in the builder and without a
// network. The program is built from its crate as any other is, once, and kept in
// the store.
func (r *Runner) Deny(ctx context.Context, opt Options, pins config.Check) (*deny.Report, error) {
	prep, err := r.Prepare(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	src := prep.Project.Source
	file, err := fs.ReadFile(src.FS(), path.Join(src.Dir, "deny.toml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	db, err := deny.ReadDatabase(file)
	if err != nil {
		return nil, err
	}
	if prep.Inputs.Advisories, err = r.advisories(ctx, db.URL, pins.AdvisoryDB.Commit); err != nil {
		return nil, fmt.Errorf("%s: %w", prep.Project.Config.Where("check", "advisory-db"), err)
	}
	if prep.Inputs.Deny, err = r.cargoDeny(ctx, opt, pins.CargoDeny); err != nil {
		return nil, fmt.Errorf("%s: building cargo-deny %s: %w", prep.Project.Config.Where("check", "cargo-deny"), pins.CargoDeny.Version, err)
	}
	engine, err := r.Engine(ctx)
	if err != nil {
		return nil, err
	}
	dir, cleanup, err := newScratch(r.Scratch)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	pl := prep.Plans[0].AskDeny(plan.Deny{Path: db.Path, Folder: db.Folder, Tool: prep.Inputs.Deny.Desc.Digest, DB: prep.Inputs.Advisories.Desc.Digest})
	side := plan.Side{Name: "deny", Jobs: 1} // its result may be kept: it is a function of the inputs
	if err := run(ctx, engine, Job{Plan: pl, Side: side, Inputs: prep.Inputs, Out: dir}); err != nil {
		return nil, fmt.Errorf("asking cargo-deny: %w", err)
	}
	report := &deny.Report{Version: pins.CargoDeny.Version, DB: pins.AdvisoryDB.Commit, Results: map[string]deny.Result{}}
	for _, c := range deny.Checks {
		out, err := os.ReadFile(filepath.Join(dir, "deny", c))
		if err != nil {
			return nil, fmt.Errorf("asking cargo-deny: %w", err)
		}
		report.Results[c] = deny.Parse(c, out)
	}
	return report, nil
}

// advisories composes the database at a commit.
func (r *Runner) advisories(ctx context.Context, url, commit string) (image.Image, error) {
	if _, err := resolve.FetchGit(ctx, r.Tools, cargo.GitDep{URL: url, Commit: commit}); err != nil {
		return image.Image{}, fmt.Errorf("fetching the advisory database: %w", err)
	}
	tree, done, err := source.GitTree(ctx, resolve.GitCache(r.Tools), commit)
	if err != nil {
		return image.Image{}, fmt.Errorf("reading the advisory database: %w", err)
	}
	defer done.Close()
	return compose.Scratch(ctx, r.Tools.Store, tree, layer.Zstd)
}

// cargoDeny builds the program and composes an image that has it, if the store
// has none.
func (r *Runner) cargoDeny(ctx context.Context, opt Options, pin config.CargoDeny) (image.Image, error) {
	prep, err := r.Prepare(ctx, Options{Spec: "crate:cargo-deny@" + pin.Version, Resolve: resolve.Options{Offline: opt.Resolve.Offline, Checksum: pin.SHA256}, Version: opt.Version})
	if err != nil {
		return image.Image{}, err
	}
	defer prep.Project.Close()
	pl := prep.Plans[0]
	if data, ok := r.Tools.Store.Recall("tool", pl.Digest()); ok {
		var desc ocispec.Descriptor
		if json.Unmarshal(data, &desc) == nil {
			if im, err := image.Load(ctx, r.Tools.Store, desc); err == nil && r.has(im) {
				return im, nil
			}
		}
	}
	engine, err := r.Engine(ctx)
	if err != nil {
		return image.Image{}, err
	}
	dir, cleanup, err := newScratch(r.Scratch)
	if err != nil {
		return image.Image{}, err
	}
	defer cleanup()
	side := plan.Side{Name: "cargo-deny", Jobs: runtime.NumCPU()}
	if err := run(ctx, engine, Job{Plan: pl, Side: side, Inputs: prep.Inputs, Out: dir}); err != nil {
		return image.Image{}, err
	}
	program, err := os.ReadFile(filepath.Join(dir, "bin", "cargo-deny"))
	if err != nil {
		return image.Image{}, err
	}
	tree := layer.NewTree()
	if err := tree.Add(layer.File("cargo-deny", 0o755, 0, program)); err != nil {
		return image.Image{}, err
	}
	im, err := compose.Scratch(ctx, r.Tools.Store, tree, layer.Zstd)
	if err != nil {
		return image.Image{}, err
	}
	data, err := json.Marshal(im.Desc)
	if err != nil {
		return image.Image{}, err
	}
	return im, r.Tools.Store.Remember(ctx, "tool", pl.Digest(), data)
}

// has says whether the store has an image's layers.
func (r *Runner) has(im image.Image) bool {
	for _, l := range im.Manifest.Layers {
		if _, err := r.Tools.Store.Size(l.Digest); err != nil {
			return false
		}
	}
	return true
}
