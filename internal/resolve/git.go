package resolve

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/source"
	"github.com/opencontainers/go-digest"
)

// FetchGit brings the commits of a git dependency, submodules included, into
// the cache of repositories. The first result is the dependency itself.
func FetchGit(ctx context.Context, tools Tools, g cargo.GitDep) ([]source.GitRepo, error) {
	got, err := source.FetchGit(ctx, source.GitOptions{
		URL: g.URL, URLs: tools.Resolver.Git(g.URL), Commit: g.Commit, Dir: GitCache(tools),
		Mirrors: tools.Resolver.Git, Offline: tools.Fetcher.Offline, Bring: tools.BringGit,
	})
	if err != nil {
		return nil, fmt.Errorf("git dependency at %.12s: %w", g.Commit, err)
	}
	return got, nil
}

// pinned refuses what Cargo.lock takes from git by anything else than a whole
// commit: the next cargo update takes another one for it.
func pinned(l *cargo.LockFile) error {
	for _, x := range l.Packages {
		url, commit, ok := x.Git()
		if !ok {
			continue
		}
		kind, value := x.GitReference()
		by := ""
		switch {
		case kind == "rev" && value == commit:
			continue
		case kind == "":
			by = "its default branch"
		case kind == "rev" && strings.HasPrefix(commit, value):
			by = "a part of a commit's hash, " + value
		case kind == "rev":
			by = "the reference " + value
		default:
			by = "the " + kind + " " + value
		}
		return fault.Hintf(fmt.Errorf("git dependency %s (Cargo.lock:%d) is taken from %s by %s: that can be another commit tomorrow", x.Name, x.Line, url, by),
			"write rev = \"%s\" for it in Cargo.toml: that is the commit now (for what another crate asks for, a [patch] says it)", commit)
	}
	return nil
}

// GitTreeDigest hashes the files of a git dependency's commit.
func GitTreeDigest(ctx context.Context, tools Tools, g cargo.GitDep) (digest.Digest, error) {
	if _, err := FetchGit(ctx, tools, g); err != nil {
		return "", err
	}
	t, done, err := source.GitTree(ctx, GitCache(tools), g.Commit)
	if err != nil {
		return "", err
	}
	defer done.Close()
	return layer.TreeDigest(t)
}

// GitCache is the bare repository beside the store that holds every commit
// that was ever fetched.
func GitCache(tools Tools) string { return filepath.Join(filepath.Dir(tools.Store.Dir()), "git") }
