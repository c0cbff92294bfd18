package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// openDirectory opens a directory of this machine.
func openDirectory(ctx context.Context, spec string, opt Options) (*Source, error) {
	if spec == "" {
		spec = "."
	}
	dir, err := filepath.Abs(spec)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fault.Hint(err, "name a directory, crate:NAME@VERSION, or git+URL#<commit>")
	}
	if st, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return openArchive(ctx, spec, dir, opt)
	}
	sp, err := spool.New(opt.spoolDir())
	if err != nil {
		return nil, err
	}
	s := &Source{Spec: spec, Kind: KindDirectory, Name: filepath.Base(dir), Tree: layer.NewTree(), closers: []io.Closer{sp}}
	top, err := worktree(ctx, dir)
	if err == nil {
		s.Root = dir
		if top == "" {
			err = s.fromPlain(ctx, sp, dir, opt)
		} else {
			err = s.fromWorktree(ctx, sp, top, dir, opt)
		}
	}
	if err == nil {
		err = checkLinks(s.Tree)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// worktree returns the root of the git work tree that dir is in, or "" when
// there is none, or it ignores dir.
func worktree(ctx context.Context, dir string) (string, error) {
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Lstat(filepath.Join(up, ".git")); err == nil {
			break
		}
		if up == filepath.Dir(up) {
			return "", nil
		}
	}
	r := repo{dir}
	top, err := r.line(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	if top, err = filepath.EvalSymlinks(filepath.FromSlash(top)); err != nil {
		return "", err
	}
	if dir != top {
		out, err := r.git(ctx, "status", "--porcelain=v1", "-z", "--ignored=matching", "--untracked-files=normal", "--", ".")
		if err != nil {
			return "", err
		}
		tracked, err := r.git(ctx, "ls-files", "-z", "--", ".")
		if err != nil {
			return "", err
		}
		if len(tracked) == 0 && strings.HasPrefix(string(out), "!! ") && !strings.Contains(string(out), "?? ") {
			return "", nil
		}
	}
	return top, nil
}

// fromWorktree takes what git tracks at HEAD; with opt.Dirty, and if that
// differs, what git would track if everything were added.
func (s *Source) fromWorktree(ctx context.Context, sp *spool.Spool, top, dir string, opt Options) error {
	root := top
	if !opt.Whole {
		var err error
		if root, err = widen(top, dir); err != nil {
			return err
		}
	}
	var err error
	if s.Dir, err = below(root, dir); err != nil {
		return err
	}
	if s.Prefix, err = below(top, root); err != nil {
		return err
	}
	s.Root = root
	r := repo{root}
	s.repo, s.Repository = repo{top}, top
	if u, err := r.line(ctx, "config", "--get", "remote.origin.url"); err == nil && u != "" && CheckGitURL(u) == nil {
		s.Repository = public(u)
	}
	var at int64
	s.Commit, err = r.line(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		s.Commit = ""
	case !isCommit(s.Commit):
		return fmt.Errorf("commit %s is not a SHA-1; other repositories are not supported", s.Commit)
	default:
		c, err := r.commit(ctx, s.Commit)
		if err != nil {
			return err
		}
		at = clampTime(c.time)
	}
	if s.DirtyFiles, s.Untracked, err = r.changes(ctx); err != nil {
		return err
	}
	s.Dirty = len(s.DirtyFiles) > 0 || s.Commit == ""
	if s.Dirty && !opt.Dirty {
		return s.dirtyError()
	}
	if s.Dirty {
		err = addWorktree(ctx, sp, s.Tree, r, "", 0)
	} else {
		err = s.readHead(ctx, sp, top, root)
	}
	if err != nil {
		return err
	}
	if s.Tree.Len() == 0 {
		return errors.New("git tracks no files in it")
	}
	from := FromCommit
	if s.Commit == "" {
		from = FromNothing
	} else if s.Tags, err = r.tags(ctx, s.Commit); err != nil {
		return err
	} else if len(s.Tags) > 0 {
		s.Tag = s.Tags[0]
	}
	return s.setEpoch(opt, at, from)
}

func (s *Source) dirtyError() error {
	if s.Commit == "" {
		return fault.Hint(errors.New("its git repository has no commit yet"), "commit it; or pass --dirty to build it as it is")
	}
	names := s.DirtyFiles
	more := ""
	if len(names) > 3 {
		names, more = names[:3], fmt.Sprintf(" and %d more", len(names)-3)
	}
	return fault.Hint(fmt.Errorf("it differs from commit %.12s: %s%s", s.Commit, strings.Join(names, ", "), more),
		"commit or stash it; or pass --dirty to build it as it is")
}

// readHead adds the files of HEAD below root.
func (s *Source) readHead(ctx context.Context, sp *spool.Spool, top, root string) error {
	prefix, err := below(top, root)
	if err != nil {
		return err
	}
	g := &gitReader{spool: sp, tree: s.Tree, worktree: true}
	g.module = func(ctx context.Context, in repo, at, rel, commit string) (repo, error) {
		sub := repo{filepath.Join(in.dir, filepath.FromSlash(rel))}
		const hint = "run `git submodule update --init --recursive`"
		if _, err := os.Lstat(filepath.Join(sub.dir, ".git")); err != nil {
			return sub, fault.Hint(fmt.Errorf("submodule %s is not checked out", at), hint)
		}
		if !sub.has(ctx, commit) {
			return sub, fault.Hint(fmt.Errorf("submodule %s lacks commit %s", at, commit), hint)
		}
		return sub, nil
	}
	err = g.read(ctx, repo{top}, s.Commit, prefix, "", 0)
	s.Large, s.Submodules = g.files, g.modules > 0
	return err
}

// changes lists what differs from HEAD in r's directory, untracked files
// included, and those alone.
func (r repo) changes(ctx context.Context) (all, untracked []string, err error) {
	out, err := r.git(ctx, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=none", "--", ".")
	if err != nil {
		return nil, nil, err
	}
	prefix, err := r.line(ctx, "rev-parse", "--show-prefix")
	if err != nil {
		return nil, nil, err
	}
	records := strings.Split(string(out), "\x00")
	for i := 0; i < len(records); i++ {
		if len(records[i]) < 4 {
			continue
		}
		kind, name := records[i][:2], records[i][3:]
		all = append(all, strings.TrimPrefix(name, prefix))
		if kind == "??" {
			untracked = append(untracked, all[len(all)-1])
		}
		if strings.ContainsAny(kind, "RC") {
			i++ // the old name follows
		}
	}
	slices.Sort(all)
	slices.Sort(untracked)
	return all, untracked, nil
}

// tags returns the tags that name commit, in order of their names.
func (r repo) tags(ctx context.Context, commit string) ([]string, error) {
	out, err := r.git(ctx, "for-each-ref", "--points-at="+commit, "--format=%(refname:strip=2)", "--sort=refname", "refs/tags")
	return strings.Fields(string(out)), err
}

// widen returns the directory that a build of dir needs: dir itself, or the
// root of the repository if the workspace's root, a path dependency, or
// configuration that Cargo and rustup would find, lies outside of dir.
func widen(top, dir string) (string, error) {
	rel, err := below(top, dir)
	if err != nil {
		return dir, err
	}
	w, err := cargo.Inspect(os.DirFS(top), path.Join(".", rel))
	if err != nil {
		return dir, nil // who asked will find out
	}
	needs := append([]string{w.Root, path.Dir(w.Toolchain.File)}, w.Config.Files...)
	if w.Toolchain.File == "" {
		needs = slices.Delete(needs, 1, 2)
	}
	for _, m := range w.Members {
		for _, p := range m.Paths {
			if strings.HasPrefix(p, "../") || path.IsAbs(p) {
				return "", fault.Hintf(fmt.Errorf("package %s depends on %s, which is outside of the repository", m.Name, p), "move it into the repository")
			}
			needs = append(needs, p)
		}
	}
	for _, p := range needs {
		if rel != "" && p != rel && !strings.HasPrefix(p, rel+"/") {
			return top, nil
		}
	}
	return dir, nil
}

// below returns dir's path in root, "" for root itself.
func below(root, dir string) (string, error) {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "", err
	}
	if rel = filepath.ToSlash(rel); rel == "." {
		return "", nil
	}
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("%s is not below %s", dir, root)
	}
	return rel, nil
}

// Worktree is the root of the git work tree, or the bare repository, that dir is in.
func Worktree(ctx context.Context, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(abs); err != nil {
		return "", err
	}
	if top, err := worktree(ctx, abs); err == nil && top != "" {
		return top, nil
	}
	r := repo{abs}
	if bare, err := r.line(ctx, "rev-parse", "--is-bare-repository"); err == nil && bare == "true" {
		return abs, nil
	}
	return "", fault.Hint(fmt.Errorf("%s is in no git repository", dir), "name a clone that has the commit")
}
