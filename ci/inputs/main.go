// What a build takes from outside, fetched by hash and composed into layers.
//
// This module is a part of Twice's. It is one of its own so that the engine
// keeps its result: the arguments of its one function are texts and bundles, no
// sources, and a call with the same arguments fetches nothing and moves nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/craton-co/twice/ci/inputs/internal/dagger"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/lastline"
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
	// What Private gave
	// +optional
	private *dagger.Directory,
	// Mirrors, KIND=URL each
	// +optional
	mirrors []string,
	// Certificates to trust besides the system's, as PEM
	// +optional
	ca string,
	// Logins at the mirrors: a .netrc
	// +optional
	netrc *dagger.Secret,
) (*dagger.Directory, error) {
	net := network{mirrors: mirrors, ca: ca, netrc: netrc}
	out, err := compose(ctx, inputs.Request{Lock: lock, CargoLock: cargoLock, Settings: settings}, bundle, []*dagger.Directory{store, private}, net)
	if err != nil {
		return nil, lastline.Error(err)
	}
	return dag.CurrentModule().Workdir(out), nil
}

// compose returns the layout's place below the module's working directory.
func compose(ctx context.Context, req inputs.Request, bundle *dagger.File, layouts []*dagger.Directory, net network) (out string, err error) {
	work, tools, back, err := net.open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, back()) }()
	if bundle != nil {
		at := filepath.Join(work, "bundle.tar")
		if _, err := bundle.Export(ctx, at); err != nil {
			return "", fmt.Errorf("taking the bundle: %w", err)
		}
		if err := inputs.ReadBundle(ctx, tools, at); err != nil {
			return "", err
		}
	}
	for i, layout := range layouts {
		if layout == nil {
			continue
		}
		at := filepath.Join(work, fmt.Sprintf("given-%d", i))
		if _, err := layout.Export(ctx, at); err != nil {
			return "", fmt.Errorf("taking the store: %w", err)
		}
		if err := inputs.ReadBundle(ctx, tools, at); err != nil {
			return "", err
		}
	}
	out = filepath.Join(work, "inputs")
	return out, req.Write(ctx, tools, out)
}
