package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Private is what may take a login to fetch, as text: all that the result of
// its Write depends on.
type Private struct {
	CargoLock string   // Cargo.lock, whose git dependencies are fetched; "": none
	Bases     []string // base images by digest (config.Image.Input)
	// Crates is Cargo.lock once more, whose crates of registries other than
	// crates.io are fetched; "": none. Registries are their names, "NAME=INDEX".
	Crates     string
	Registries []string
}

// NewPrivate is what of a project may take a login: with git its git
// dependencies, with bases its base images by digest, with registries the
// crates of registries other than crates.io.
func NewPrivate(p *resolve.Project, git, bases, registries bool) Private {
	var v Private
	if git && len(p.GitDependencies()) > 0 {
		v.CargoLock = p.CargoLockText
	}
	if bases {
		v.Bases = p.Bases()
		slices.Sort(v.Bases)
	}
	if registries && len(p.Registries()) > 0 {
		v.Crates = p.CargoLockText
		for _, r := range p.Registries() {
			for _, name := range p.Workspace.Config.RegistryNames(r.Index) {
				v.Registries = append(v.Registries, name+"="+r.Index)
			}
		}
		slices.Sort(v.Registries)
	}
	return v
}

// Empty tells that there is nothing to fetch.
func (v Private) Empty() bool { return v.CargoLock == "" && len(v.Bases) == 0 && v.Crates == "" }

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
	if err := v.crates(ctx, tools, &files); err != nil {
		return nil, err
	}
	list, err := files.put(ctx, nil)
	return append(roots, list), err
}

// crates fetches the crates of other registries and adds them to the list.
func (v Private) crates(ctx context.Context, tools resolve.Tools, files *artifact) error {
	if v.Crates == "" {
		return nil
	}
	locked, err := cargo.ParseLock([]byte(v.Crates))
	if err != nil {
		return err
	}
	p := &resolve.Project{CargoLock: locked, Workspace: &cargo.Workspace{Config: cargo.Config{Registries: map[string]string{}}}}
	for _, r := range v.Registries {
		name, index, _ := strings.Cut(r, "=")
		p.Workspace.Config.Registries[name] = index
	}
	others := p.Registries()
	locked.Packages = slices.DeleteFunc(locked.Packages, func(x cargo.LockPackage) bool {
		return !x.Registry() || !slices.ContainsFunc(others, func(r plan.Registry) bool { return r.Folder == cargo.IndexDir(x.Source) })
	})
	if err := p.OpenIndexes(ctx, tools); err != nil {
		return err
	}
	items := crateItems(tools, p)
	if err := tools.Fetcher.Fetch(ctx, items); err != nil {
		return err
	}
	for _, it := range items {
		if err := files.add(it.Kind+" "+it.Name, it.Digest); err != nil {
			return err
		}
	}
	return nil
}
