package inputs

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/opencontainers/go-digest"
)

// git composes what a project with git dependencies needs besides: a builder
// with git in it, and repositories that hold the locked commits.
func (set *Set) git(ctx context.Context, tools resolve.Tools, p *resolve.Project, toolchain ...compose.Input) error {
	deps := p.GitDependencies()
	if len(deps) == 0 {
		return nil
	}
	def, err := p.Definition(p.GitBuilder())
	if err != nil {
		return err
	}
	if def, err = def.With(resolve.GitGroup); err != nil {
		return err
	}
	if set.GitBuilder, err = compose.Builder(ctx, tools.Store, def, nil, toolchain...); err != nil {
		return err
	}
	repos, err := repositories(ctx, tools, p.Lock, deps)
	if err != nil {
		return err
	}
	set.Git, set.GitRepos, err = pack(ctx, tools, repos)
	return err
}

// pack composes an image of repositories, each in a folder of its own.
func pack(ctx context.Context, tools resolve.Tools, repos []*repository) (image.Image, []plan.GitRepo, error) {
	all := layer.NewTree()
	var list []plan.GitRepo
	var open []io.Closer
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for _, r := range repos {
		t, done, err := source.GitBundleTree(ctx, resolve.GitCache(tools), r.refs)
		if err != nil {
			return image.Image{}, nil, fmt.Errorf("packing %s: %w", r.url, err)
		}
		open = append(open, done)
		folder := folderOf(r.url)
		if err := addBelow(all, folder, t); err != nil {
			return image.Image{}, nil, err
		}
		list = append(list, plan.GitRepo{URL: r.url, Folder: folder})
	}
	img, err := compose.Scratch(ctx, tools.Store, all, layer.Zstd)
	if err != nil {
		return image.Image{}, nil, fmt.Errorf("composing the git layer: %w", err)
	}
	return img, list, nil
}

// sourceCommit is an image with the repository that the project's commit is in, and
// its submodules', cut down to that commit. There is none of a published crate, which
// is among the files, nor of files that no commit holds.
func sourceCommit(ctx context.Context, tools resolve.Tools, p *resolve.Project) (image.Image, error) {
	s := p.Source
	if s == nil || s.Commit == "" || s.Dirty || s.Kind != source.KindDirectory && s.Kind != source.KindGit {
		return image.Image{}, nil
	}
	opt := source.GitOptions{URL: s.Repository, URLs: []string{s.Repository}, Commit: s.Commit, Dir: resolve.GitCache(tools),
		Mirrors: tools.Resolver.Git, Offline: tools.Fetcher.Offline, Bring: tools.BringGit}
	if s.Kind == source.KindDirectory {
		top, err := source.Worktree(ctx, s.Root)
		if err != nil {
			return image.Image{}, err
		}
		opt.URLs = []string{(&url.URL{Scheme: "file", Path: filepath.ToSlash(top)}).String()}
		opt.Offline = false // it is here
		if source.CheckGitURL(opt.URL) != nil {
			opt.URL = opt.URLs[0]
		}
	}
	got, err := source.FetchGit(ctx, opt)
	if err != nil {
		return image.Image{}, fmt.Errorf("bundling the source's commit: %w", err)
	}
	// The folders' names must not tell whose clone it was.
	repos := []*repository{{url: "source", refs: []source.GitRef{{Commit: s.Commit}}}}
	for i, sub := range got[1:] {
		repos = append(repos, &repository{url: fmt.Sprintf("submodule-%d", i+1), refs: []source.GitRef{{Commit: sub.Commit}}})
	}
	img, _, err := pack(ctx, tools, repos)
	return img, err
}

// repository is one URL with every commit that is wanted from it.
type repository struct {
	url  string
	refs []source.GitRef
}

// repositories fetches what isn't there yet, submodules included, and checks
// each dependency's files against the lock.
func repositories(ctx context.Context, tools resolve.Tools, l *lock.Lock, deps []cargo.GitDep) ([]*repository, error) {
	var out []*repository
	add := func(url string, ref source.GitRef) {
		i := slices.IndexFunc(out, func(r *repository) bool { return r.url == url })
		if i < 0 {
			out = append(out, &repository{url: url})
			i = len(out) - 1
		}
		if !slices.ContainsFunc(out[i].refs, func(x source.GitRef) bool { return x.Commit == ref.Commit }) {
			out[i].refs = append(out[i].refs, ref)
		}
	}
	for _, d := range deps {
		got, err := resolve.FetchGit(ctx, tools, d)
		if err != nil {
			return nil, err
		}
		if err := checkTree(ctx, tools, l, d); err != nil {
			return nil, err
		}
		add(d.URL, source.GitRef{Commit: d.Commit, Refs: d.Refs})
		for _, sub := range got[1:] {
			add(sub.URL, source.GitRef{Commit: sub.Commit, Refs: []string{"HEAD"}})
		}
	}
	return out, nil
}

// checkTree compares a dependency's files with the lock, where there is one.
func checkTree(ctx context.Context, tools resolve.Tools, l *lock.Lock, d cargo.GitDep) error {
	i := slices.IndexFunc(l.Git, func(g lock.Git) bool { return g.URL == d.URL && g.Commit == d.Commit })
	if i < 0 {
		return nil
	}
	got, err := resolve.GitTreeDigest(ctx, tools, d)
	if err != nil {
		return err
	}
	if got != l.Git[i].Tree {
		return fault.Hint(fmt.Errorf("git dependency %s at %.12s: its files hash to %s, %s says %s", d.URL, d.Commit, got, lock.Name, l.Git[i].Tree),
			"the commit is the same and its files are not: find out who changed what, then run `twice lock --update git`")
	}
	return nil
}

// GitRepos are the repositories of a project's git dependencies, without the
// submodules that only the commits name.
func GitRepos(p *resolve.Project) []plan.GitRepo {
	var out []plan.GitRepo
	for _, d := range p.GitDependencies() {
		r := plan.GitRepo{URL: d.URL, Folder: folderOf(d.URL)}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// folderOf names a repository's folder after its URL.
func folderOf(url string) string {
	base := strings.TrimSuffix(path.Base(strings.TrimRight(url, "/")), ".git")
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '-'
	}, base)
	return strings.TrimLeft(clean, ".-") + "-" + digest.FromString(url).Encoded()[:16]
}

// addBelow adds a tree's entries under a folder.
func addBelow(to *layer.Tree, folder string, t *layer.Tree) error {
	for _, e := range t.Entries() {
		e.Path = folder + "/" + e.Path
		if e.Type == tar.TypeLink {
			e.Linkname = folder + "/" + e.Linkname
		}
		if err := to.Add(e); err != nil {
			return err
		}
	}
	return nil
}
