package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// openGit opens URL#COMMIT.
func openGit(ctx context.Context, spec string, opt Options) (*Source, error) {
	u, commit, ok := strings.Cut(spec, "#")
	if err := CheckGitURL(u); err != nil {
		return nil, err
	}
	if !isCommit(commit) {
		what := fmt.Sprintf("%.100q is a branch, a tag or a part of a commit id", commit)
		if !ok || commit == "" {
			what, commit = "no commit", "HEAD"
		}
		return nil, fault.Hintf(fmt.Errorf("%s; a source needs #<commit>, 40 hex digits", what),
			"`git ls-remote %s %s` prints the commit", redact(u), commit)
	}
	dir := opt.GitCache
	if dir == "" {
		if opt.Store == nil {
			return nil, errors.New("no place for the repository")
		}
		dir = filepath.Join(filepath.Dir(opt.Store.Dir()), "git")
	}
	g := GitOptions{URL: u, URLs: []string{u}, Commit: commit, Dir: dir, Offline: opt.Offline}
	if opt.Resolver != nil {
		g.Mirrors = opt.Resolver.Git
		if !strings.HasPrefix(u, "file://") { // what is on this machine no mirror is asked for
			g.URLs = opt.Resolver.Git(u)
		}
	}
	repos, err := FetchGit(ctx, g)
	if err != nil {
		return nil, err
	}
	for _, p := range []string{opt.Prefix, opt.Dir} {
		if p != "" && !fs.ValidPath(p) {
			return nil, fmt.Errorf("%.200q is no folder of a repository", p)
		}
	}
	tree, closer, err := gitTreeBelow(ctx, dir, commit, opt.Prefix)
	if err != nil {
		return nil, err
	}
	s := &Source{
		Spec: "git+" + u + "#" + commit, Kind: KindGit, Commit: commit, Tree: tree, Repository: public(u), repo: repo{dir},
		Prefix: opt.Prefix, Dir: opt.Dir,
		Submodules: len(repos) > 1,
		Name:       strings.TrimSuffix(path.Base(strings.TrimSuffix(u, "/")), ".git"),
		closers:    []io.Closer{closer},
	}
	c, err := repo{dir}.commit(ctx, commit)
	if err == nil {
		err = s.setEpoch(opt, clampTime(c.time), FromCommit)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
