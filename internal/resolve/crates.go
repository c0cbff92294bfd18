package resolve

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/source"
)

// replaced follows the source replacement of the sources' own configuration.
// What lies in a directory of theirs (a committed vendor folder) is not
// fetched: Cargo checks it against Cargo.lock.
func (p *Project) replaced(fsys fs.FS) error {
	p.inTree, p.Indexes = map[string]bool{}, map[string]string{}
	seen := map[string]bool{}
	for _, x := range p.CargoLock.Packages {
		if x.Local() || seen[x.Source] {
			continue
		}
		seen[x.Source] = true
		r, ok, err := p.Workspace.Replaced(fsys, x)
		if err != nil {
			return err
		}
		if ok && r.Dir != "" {
			p.inTree[x.Source] = true
		} else if ok {
			p.Indexes[x.Source] = r.Index
		}
	}
	return nil
}

// Crates are the crates of registries that are inputs of their own: all of
// Cargo.lock but those that are committed with the sources.
func (p *Project) Crates() []cargo.Crate {
	return slices.DeleteFunc(p.CargoLock.Crates(), func(c cargo.Crate) bool { return p.inTree[c.Source] })
}

// GitDependencies are the commits of repositories that are inputs of their
// own, as Crates.
func (p *Project) GitDependencies() []cargo.GitDep {
	if len(p.inTree) == 0 {
		return cargo.GitDependencies(p.CargoLock)
	}
	l := *p.CargoLock
	l.Packages = slices.DeleteFunc(slices.Clone(l.Packages), func(x cargo.LockPackage) bool { return p.inTree[x.Source] })
	return cargo.GitDependencies(&l)
}

// CommittedSources are the sources of Cargo.lock whose crates are committed with
// the sources, sorted.
func (p *Project) CommittedSources() []string { return slices.Sorted(maps.Keys(p.inTree)) }

// SetCommittedSources says so of a project without sources.
func (p *Project) SetCommittedSources(all []string) {
	p.inTree = map[string]bool{}
	for _, s := range all {
		p.inTree[s] = true
	}
}

// Committed counts the crates that are committed with the sources.
func (p *Project) Committed() int {
	n := 0
	for _, x := range p.CargoLock.Packages {
		if p.inTree[x.Source] {
			n++
		}
	}
	return n
}

// Outside are the directories of path dependencies outside of the workspace's
// root: see cargo.Workspace.Outside.
func (p *Project) Outside() []string { return p.Workspace.Outside() }

// Registries are the registries other than crates.io that crates are fetched
// from, in order of their folders.
func (p *Project) Registries() []plan.Registry {
	var out []plan.Registry
	for _, c := range p.Crates() {
		folder := cargo.IndexDir(c.Source)
		if folder == plan.IndexDir || slices.ContainsFunc(out, func(r plan.Registry) bool { return r.Folder == folder }) {
			continue
		}
		r := plan.Registry{Name: p.Workspace.Config.SourceTable(c.Source), Index: strings.TrimPrefix(c.Source, "registry+"), Folder: folder}
		if r.Name == "" {
			r.Name = "twice-index-" + folder
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b plan.Registry) int { return strings.Compare(a.Folder, b.Folder) })
	return out
}

// OpenIndexes asks the registries other than crates.io where the crates are
// that the store lacks.
func (p *Project) OpenIndexes(ctx context.Context, tools Tools) error {
	if tools.Fetcher.Offline {
		return nil
	}
	ask := address.Asker{Get: tools.Fetcher.Get, Git: func(ctx context.Context, url string) ([]byte, error) {
		return source.GitFile(ctx, source.GitOptions{URL: url, URLs: tools.Resolver.Git(url), Dir: GitCache(tools), Mirrors: tools.Resolver.Git, Bring: tools.BringGit}, "config.json")
	}}
	done := map[string]bool{}
	for _, c := range p.Crates() {
		if tools.Store.Has(c.Digest()) {
			continue
		}
		for _, index := range []string{p.Indexes[c.Source], c.Source} {
			if index == "" || done[index] {
				continue
			}
			done[index] = true
			var names []string
			if p.Workspace != nil { // a request has none: what takes a token was fetched before
				names = p.Workspace.Config.RegistryNames(index)
			}
			if err := tools.Resolver.OpenIndex(ctx, index, names, ask); err != nil {
				return err
			}
			break // what the sources put in a registry's place is asked instead of it
		}
	}
	return nil
}
