// What a build takes from outside, fetched by hash and composed into layers.
//
// This module is a part of Twice's. It is one of its own so that the engine
// keeps its result: the arguments of its one function are texts and bundles, no
// sources, and a call with the same arguments fetches nothing and moves nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/ci/inputs/internal/dagger"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// TwiceInputs composes the inputs of builds.
type TwiceInputs struct{}

// Everything that a lock names, as one OCI layout: the builder, the vendored
// crates, what runtime images are made on. Nothing in it depends on the sources.
func (*TwiceInputs) Compose(
	ctx context.Context,
	// The text of twice.lock, built-in pins included
	lock string,
	// The text of Cargo.lock
	cargoLock string,
	// What the locks don't say, as JSON
	settings string,
	// A bundle that `twice bundle` wrote to a file
	// +optional
	bundle *dagger.File,
	// A bundle in a directory, or a store of Twice's
	// +optional
	store *dagger.Directory,
	// Mirrors, KIND=URL each
	// +optional
	mirrors []string,
) (*dagger.Directory, error) {
	out, err := compose(ctx, inputs.Request{Lock: lock, CargoLock: cargoLock, Settings: settings}, bundle, store, mirrors)
	if err != nil {
		return nil, withHint(err)
	}
	return dag.CurrentModule().Workdir(out), nil
}

// compose returns the layout's place below the module's working directory.
func compose(ctx context.Context, req inputs.Request, bundle *dagger.File, layout *dagger.Directory, mirrors []string) (string, error) {
	work, err := os.MkdirTemp(".", "work-")
	if err != nil {
		return "", err
	}
	tools, err := newTools(ctx, work, layout, mirrors)
	if err != nil {
		return "", err
	}
	given := ""
	if bundle != nil {
		given = filepath.Join(work, "bundle.tar")
		if _, err := bundle.Export(ctx, given); err != nil {
			return "", fmt.Errorf("taking the bundle: %w", err)
		}
	} else if dir := filepath.Join(work, "layout"); exists(dir) {
		given = dir
	}
	if given != "" {
		if err := inputs.ReadBundle(ctx, tools, given); err != nil {
			return "", err
		}
	}
	out := filepath.Join(work, "inputs")
	return out, req.Write(ctx, tools, out)
}

// newTools opens a store: the given one, or an empty one, with the bundle that
// was given instead beside it.
func newTools(ctx context.Context, work string, layout *dagger.Directory, mirrors []string) (resolve.Tools, error) {
	dir := filepath.Join(work, "store")
	if layout != nil {
		is, err := layout.Exists(ctx, "twice-store")
		if err != nil {
			return resolve.Tools{}, fmt.Errorf("taking the store: %w", err)
		}
		to := dir
		if !is {
			to = filepath.Join(work, "layout")
		}
		if _, err := layout.Export(ctx, to); err != nil {
			return resolve.Tools{}, fmt.Errorf("taking the store: %w", err)
		}
	}
	st, err := store.Open(dir)
	if err != nil {
		return resolve.Tools{}, err
	}
	m, err := address.ParseMirrors(mirrors)
	if err != nil {
		return resolve.Tools{}, err
	}
	r, err := address.New(m, os.Getenv)
	if err != nil {
		return resolve.Tools{}, err
	}
	return resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Client: r.HTTPClient()}}, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// withHint makes one text of an error and its hint: an engine shows the text.
func withHint(err error) error {
	if h := fault.HintOf(err); h != "" {
		return fmt.Errorf("%w\nhint: %s", err, h)
	}
	return err
}
