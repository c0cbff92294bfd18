package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Private is what may take a login to fetch, as text: all that the result of
// its Write depends on.
type Private struct {
	CargoLock string   // Cargo.lock, whose git dependencies are fetched; "": none
	Bases     []string // base images by digest (config.Image.Input)
}

// NewPrivate is what of a project may take a login: with git its git
// dependencies, with bases its base images by digest.
func NewPrivate(p *resolve.Project, git, bases bool) Private {
	var v Private
	if git && len(p.GitDependencies()) > 0 {
		v.CargoLock = p.CargoLockText
	}
	if bases {
		v.Bases = p.Bases()
		slices.Sort(v.Bases)
	}
	return v
}

// Empty tells that there is nothing to fetch.
func (v Private) Empty() bool { return v.CargoLock == "" && len(v.Bases) == 0 }

// Write fetches it and writes it to a directory, which is made or must be
// empty, as a bundle that has nothing else. The bytes depend on nothing but v.
func (v Private) Write(ctx context.Context, tools resolve.Tools, dir string) error {
	roots, err := v.roots(ctx, tools)
	if err != nil {
		return err
	}
	if err := image.WriteLayoutOf(ctx, tools.Store, roots, dir); err != nil {
		return fmt.Errorf("bundling what takes a login: %w", err)
	}
	return nil
}

func (v Private) roots(ctx context.Context, tools resolve.Tools) ([]ocispec.Descriptor, error) {
	files := artifact{tools: tools}
	var roots []ocispec.Descriptor
	if v.CargoLock != "" {
		locked, err := cargo.ParseLock([]byte(v.CargoLock))
		if err != nil {
			return nil, err
		}
		repos, err := repositories(ctx, tools, &lock.Lock{}, cargo.GitDependencies(locked))
		if err != nil {
			return nil, err
		}
		img, list, err := pack(ctx, tools, repos)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		img.Desc.Annotations = map[string]string{annotationGit: string(text)}
		roots = append(roots, img.Desc)
	}
	for _, ref := range v.Bases {
		img, err := resolve.Pull(ctx, tools, ref, false)
		if err != nil {
			return nil, err
		}
		if err := files.addIndex(ref, img); err != nil {
			return nil, err
		}
		roots = append(roots, img.Desc)
	}
	list, err := files.put(ctx, nil)
	return append(roots, list), err
}
