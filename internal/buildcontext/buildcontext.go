// Package buildcontext hands a plan to engines that know no named contexts:
// Dagger's Directory.DockerBuild, docker build. Such an engine gets one
// directory, the build context:
//
//	Dockerfile            the plan for one side; see plan.ContextDockerfile
//	oci-layout            with index.json and blobs: an OCI layout of the inputs
//	index.json
//	blobs/sha256/<hex>    the layers that the Dockerfile ADDs are among them
//
// The layout has the images that the plan names and those that runtime images
// are made on, so that one directory is all that a build needs. What is locked
// (all but the sources) and the sources can come in two layouts, which merge
// into one: only index.json is in both.
package buildcontext

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
)

// Dockerfile is the text of the context's Dockerfile for one side.
func Dockerfile(pl *plan.Plan, side plan.Side, set *inputs.Set) string {
	layers := map[string][]string{}
	for name, im := range set.Images() {
		for _, l := range im.Manifest.Layers {
			layers[name] = append(layers[name], image.BlobPath(l.Digest))
		}
	}
	return pl.ContextDockerfile(side, layers)
}

// Write writes the context of one plan into dir, which is made or must be empty.
func Write(ctx context.Context, st *store.Store, dir string, pl *plan.Plan, side plan.Side, set *inputs.Set) error {
	if err := set.WriteLayout(ctx, st, dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(Dockerfile(pl, side, set)), 0o644); err != nil {
		return fmt.Errorf("writing the build context: %w", err)
	}
	return nil
}

// AddSource adds the layers of the sources to the layout of what is locked, in
// dir. They are copies.
func AddSource(ctx context.Context, st *store.Store, dir string, set *inputs.Set) error {
	for _, l := range set.Source.Manifest.Layers {
		if err := copyBlob(ctx, st, l.Digest, filepath.Join(dir, filepath.FromSlash(image.BlobPath(l.Digest)))); err != nil {
			return fmt.Errorf("adding the sources to the build context: %w", err)
		}
	}
	return nil
}

func copyBlob(ctx context.Context, st *store.Store, d digest.Digest, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	from, err := st.Open(d)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	v := d.Verifier()
	_, err = io.Copy(io.MultiWriter(f, v), from)
	if err == nil && !v.Verified() {
		err = st.Verify(ctx, d)
	}
	return errors.Join(err, f.Close())
}
