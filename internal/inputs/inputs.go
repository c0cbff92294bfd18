// Package inputs brings a locked project's inputs into the store and composes
// them: the builder image, the source layer, the vendor layer, the base images.
// Its result is a function of the project and its lock alone.
//
// What was composed once is remembered under a digest of what it was made
// from, so that a second run with the same lock reads a few small files.
package inputs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/opencontainers/go-digest"
)

// Set is everything that a project's builds start from.
type Set struct {
	Builder  image.Image
	Source   image.Image
	Vendor   image.Image
	Runtimes map[string]image.Image // by config.Image.Input

	// Of a project whose builds ask git: .git with the one commit that is built.
	Repository image.Image

	// What stands in for the sources where dependencies are compiled by themselves.
	Skeleton image.Image

	// Of a workspace that cargo-deny is asked about: the program, and the database.
	Deny, Advisories image.Image

	// Of a project with git dependencies.
	GitBuilder image.Image
	Git        image.Image
	GitRepos   []plan.GitRepo

	Crates    int // from registries
	GitCrates int // from git
	Packages  int // Debian packages in the builder
}

// Items are the files that must be in the store before Compose: crates,
// Debian packages, CUDA's wheels and archives, and the tarballs of a toolchain
// that nothing else can serve. Another one that is not installed here is
// fetched when its layer is made. Wheels have no address yet: see
// resolve.LocateWheels.
func Items(tools resolve.Tools, p *resolve.Project) ([]fetch.Item, error) {
	items := crateItems(tools, p)
	if pin := p.Lock.Toolchain.Pin; pin.Tree == "" {
		items = append(items, resolve.ToolchainItems(tools, pin)...)
	}
	names, err := p.ImageNames()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		def, err := p.Definition(name)
		if err != nil {
			return nil, err
		}
		if name == p.GitBuilder() && len(p.GitDependencies()) > 0 {
			if def, err = def.With(resolve.GitGroup); err != nil {
				return nil, err
			}
		}
		items = append(items, compose.Items(def, tools.Resolver)...)
	}
	if c := p.Lock.CUDA; c != nil {
		items = append(items, resolve.CUDAItems(tools, c.Pin)...)
	}
	return items, nil
}

// crateItems are the crates of registries.
func crateItems(tools resolve.Tools, p *resolve.Project) []fetch.Item {
	var items []fetch.Item
	for _, c := range p.Crates() {
		items = append(items, fetch.Item{Kind: "crate", Name: c.Name + " " + c.Version, Size: -1,
			Digest: digest.NewDigestFromEncoded(digest.SHA256, c.Checksum), URLs: tools.Resolver.CrateOf(c.Source, p.Indexes[c.Source], c.Name, c.Version, c.Checksum)})
	}
	return items
}

// Fetch brings the items that the store lacks.
func Fetch(ctx context.Context, tools resolve.Tools, p *resolve.Project) error {
	if err := p.OpenIndexes(ctx, tools); err != nil {
		return err
	}
	items, err := Items(tools, p)
	if err != nil {
		return err
	}
	if c := p.Lock.CUDA; c != nil {
		if err := resolve.LocateWheels(ctx, tools, items, c.Pin); err != nil {
			return err
		}
	}
	if err := tools.Fetcher.Fetch(ctx, items); err != nil {
		return err
	}
	if err := takeGit(ctx, tools, p.GitDependencies()); err != nil {
		return err
	}
	for _, d := range p.GitDependencies() {
		if _, err := resolve.FetchGit(ctx, tools, d); err != nil {
			return err
		}
	}
	for _, ref := range p.Bases() {
		if _, err := resolve.Pull(ctx, tools, ref, tools.Fetcher.Offline); err != nil {
			return fmt.Errorf("%s: %w", p.WhereBase(ref), err)
		}
	}
	return nil
}

// Compose makes the images from what is in the store.
func Compose(ctx context.Context, tools resolve.Tools, p *resolve.Project) (*Set, error) {
	set, err := ComposeLocked(ctx, tools, p)
	if err != nil {
		return nil, err
	}
	return set, set.AddSource(ctx, tools, p)
}

// AddSource composes what ComposeLocked leaves out, the source layer, and
// counts what the set is made of.
func (set *Set) AddSource(ctx context.Context, tools resolve.Tools, p *resolve.Project) error {
	var err error
	if set.Source, err = compose.Scratch(ctx, tools.Store, p.Source.Tree, layer.Zstd); err != nil {
		return fmt.Errorf("composing the source layer: %w", err)
	}
	if p.Config.Git {
		repo, done, err := p.Source.RepositoryTree(ctx)
		if err != nil {
			return err
		}
		defer done.Close()
		if set.Repository, err = compose.Scratch(ctx, tools.Store, repo, layer.Zstd); err != nil {
			return fmt.Errorf("composing the repository's layer: %w", err)
		}
	}
	set.Crates, set.GitCrates = len(p.Crates()), 0
	for _, d := range p.GitDependencies() {
		set.GitCrates += len(d.Packages)
	}
	set.Packages, err = p.BuilderPackages()
	return err
}

// ComposeLocked makes the images that depend on the project's locks and not on
// its sources.
func ComposeLocked(ctx context.Context, tools resolve.Tools, p *resolve.Project) (*Set, error) {
	set := &Set{Runtimes: map[string]image.Image{}}
	pins, err := pinned(tools, p)
	if err == nil {
		err = adopt(ctx, tools, pins)
	}
	if err != nil {
		return nil, err
	}
	var toolchain []compose.Input // none: it is among the builder's packages
	if !p.IsDebian() {
		in, done := rust(tools, p)
		defer done()
		toolchain = append(toolchain, in)
	}
	more, doneCUDA := cudaLayers(tools, p)
	defer doneCUDA()
	if set.Builder, err = builder(ctx, tools, p, slices.Concat(toolchain, more)); err != nil {
		return nil, err
	}
	var rustImage *image.Image
	if tree := p.Lock.Toolchain.Tree; tree != "" {
		// A store is a place that inputs may be taken from: see ReadBundle.
		found, err := toolchainImage(ctx, tools, p, set.Builder)
		if err != nil {
			return nil, err
		}
		if err := resolve.RememberToolchain(ctx, tools, tree, found.Desc); err != nil {
			return nil, err
		}
		rustImage = &found
	}
	if err := set.git(ctx, tools, p, toolchain...); err != nil {
		return nil, err
	}
	if set.Vendor, err = vendor(ctx, tools, p); err != nil {
		return nil, err
	}
	for _, im := range p.Config.Images {
		name := im.Input()
		if _, done := set.Runtimes[name]; done || im.Base == resolve.Scratch {
			continue
		}
		if strings.Contains(im.Base, "@") {
			if set.Runtimes[name], err = resolve.Pull(ctx, tools, name, true); err != nil {
				return nil, err
			}
			continue
		}
		def, err := p.Definition(im.Base)
		if err != nil {
			return nil, err
		}
		if set.Runtimes[name], err = compose.Runtime(ctx, tools.Store, def); err != nil {
			return nil, err
		}
	}
	set.keep(tools, p, pins, rustImage)
	return set, nil
}
