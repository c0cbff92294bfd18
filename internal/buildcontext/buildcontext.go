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
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/store"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Dockerfile is the text of the context's Dockerfile for one side.
func Dockerfile(pl *plan.Plan, side plan.Side, set *inputs.Set, images ...plan.Image) string {
	layers := map[string][]string{}
	for name, im := range set.Images() {
		for _, l := range im.Manifest.Layers {
			layers[name] = append(layers[name], image.BlobPath(l.Digest))
		}
	}
	for _, im := range images {
		for _, l := range set.Runtimes[im.BaseOf].Manifest.Layers {
			layers[im.Base] = append(layers[im.Base], image.BlobPath(l.Digest))
		}
	}
	return pl.ContextDockerfile(side, layers, images...)
}

// Write writes the context of one plan into dir, which is made or must be empty.
func Write(ctx context.Context, st *store.Store, dir string, pl *plan.Plan, side plan.Side, set *inputs.Set, images ...plan.Image) error {
	if err := set.WriteLayout(ctx, st, dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(Dockerfile(pl, side, set, images...)), 0o644); err != nil {
		return fmt.Errorf("writing the build context: %w", err)
	}
	return nil
}

// Sources are the blobs of the sources: what has to be added to a layout of
// what is locked.
func Sources(set *inputs.Set) []ocispec.Descriptor {
	return slices.Concat(set.Source.Manifest.Layers, set.Repository.Manifest.Layers)
}
