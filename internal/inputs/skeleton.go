package inputs

import (
	"archive/tar"
	"context"
	"fmt"
	"path"

	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/resolve"
)

// AddSkeleton composes what stands in for the sources where only dependencies are
// compiled: see plan.KeepDependencies. It is the same layer for as long as files
// change that Cargo doesn't read to plan a build, and none comes or goes.
func (set *Set) AddSkeleton(ctx context.Context, tools resolve.Tools, p *resolve.Project) error {
	t, err := skeleton(p.Source.Tree)
	if err == nil {
		set.Skeleton, err = compose.Scratch(ctx, tools.Store, t, layer.Zstd)
	}
	if err != nil {
		return fmt.Errorf("composing the sources' skeleton: %w", err)
	}
	return nil
}

// skeleton is a tree with the same names, modes and links, in which files are empty
// that have no say in how dependencies are built. All times are 0: a commit
// changes those of the sources.
func skeleton(t *layer.Tree) (*layer.Tree, error) {
	out := layer.NewTree()
	for _, e := range t.Entries() {
		if e.Type == tar.TypeReg && !plansBuild(e.Path) {
			e.Size, e.Open = 0, nil
		}
		e.ModTime = 0
		if err := out.Add(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plansBuild says whether Cargo reads a file before it builds.
func plansBuild(name string) bool {
	switch path.Base(name) {
	case "Cargo.toml", "Cargo.lock":
		return true
	case "config.toml", "config":
		return path.Base(path.Dir(name)) == ".cargo"
	}
	return false
}
