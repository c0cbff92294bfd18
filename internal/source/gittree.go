package source

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// A treeEntry is a line of `git ls-tree`.
type treeEntry struct {
	mode, kind, id, path string
}

const (
	modeExec    = "100755"
	modeSymlink = "120000"
	modeModule  = "160000"

	maxEntries    = 2_000_000
	maxModules    = 256
	maxModuleDeep = 16
)

// lsTree lists a commit's files below prefix ("" is everything), recursively.
// With trees, directories come too. Paths are relative to the repository's root.
func (r repo) lsTree(ctx context.Context, commit, prefix string, trees bool) ([]treeEntry, error) {
	args := []string{"ls-tree", "-r", "-z", "--full-tree"}
	if trees {
		args = append(args, "-t")
	}
	args = append(args, commit)
	if prefix != "" {
		args = append(args, "--", ":(literal)"+prefix)
	}
	out, err := r.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseTree(out)
}

// parseTree reads "MODE KIND ID<tab>PATH<nul>"….
func parseTree(out []byte) ([]treeEntry, error) {
	var all []treeEntry
	for record := range bytes.SplitSeq(out, []byte{0}) {
		if len(record) == 0 {
			continue
		}
		if len(all) == maxEntries {
			return nil, fmt.Errorf("more than %d files", maxEntries)
		}
		head, name, ok := strings.Cut(string(record), "\t")
		f := strings.Fields(head)
		if !ok || len(f) != 3 || !isCommit(f[2]) {
			return nil, fmt.Errorf("git ls-tree printed %.100q", record)
		}
		all = append(all, treeEntry{f[0], f[1], f[2], name})
	}
	return all, nil
}

// A gitReader collects the files of commits.
type gitReader struct {
	spool *spool.Spool
	tree  *layer.Tree
	mtime int64
	// module finds the repository of a submodule: at is its place in the
	// whole tree, commit what the superproject records.
	module  func(ctx context.Context, in repo, at, path, commit string) (repo, error)
	modules int

	worktree bool     // files are checked out in the repositories' directories
	files    []string // that are in git's large file storage
}

// read adds the files below prefix of a commit in r, at "at" in the tree, with
// prefix taken off.
func (g *gitReader) read(ctx context.Context, r repo, commit, prefix, at string, depth int) error {
	entries, err := r.lsTree(ctx, commit, prefix, false)
	if err != nil {
		return err
	}
	cat, err := r.catFile(ctx)
	if err != nil {
		return err
	}
	defer cat.Close()
	for _, e := range entries {
		rel := e.path
		if prefix != "" {
			var ok bool
			if rel, ok = strings.CutPrefix(e.path, prefix+"/"); !ok {
				if e.kind == "commit" && e.path == prefix {
					return fmt.Errorf("%s is a submodule", prefix)
				}
				return fmt.Errorf("%s is not a directory", prefix)
			}
		}
		full := path.Join(at, rel)
		if hasDotGit(rel) {
			return fmt.Errorf("%q: git tracks a file that would be part of a repository", full)
		}
		if e.mode == modeModule {
			if err := g.submodule(ctx, r, full, e.path, e.id, depth); err != nil {
				return err
			}
			continue
		}
		if err := g.blob(ctx, r, cat, e, full); err != nil {
			return fmt.Errorf("%s: %w", full, err)
		}
	}
	return nil
}

// hasDotGit says whether a name on the way to p is git's own: a checkout would
// refuse it.
func hasDotGit(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if strings.EqualFold(name, ".git") {
			return true
		}
	}
	return false
}

func (g *gitReader) submodule(ctx context.Context, r repo, full, at, commit string, depth int) error {
	if g.modules++; g.modules > maxModules || depth >= maxModuleDeep {
		return fmt.Errorf("submodule %s: too many of them, or too deep", full)
	}
	sub, err := g.module(ctx, r, full, at, commit)
	if err != nil {
		return err
	}
	if err := g.tree.Add(layer.Dir(full, 0o755, g.mtime)); err != nil {
		return err
	}
	if err := g.read(ctx, sub, commit, "", full, depth+1); err != nil {
		return fmt.Errorf("submodule %s: %w", full, err)
	}
	return nil
}

func (g *gitReader) blob(ctx context.Context, in repo, cat *catFile, e treeEntry, full string) error {
	return cat.object(e.id, func(kind string, size int64, r io.Reader) error {
		if kind != "blob" {
			return fmt.Errorf("object %s is a %s", e.id, kind)
		}
		if e.mode == modeSymlink {
			target, err := io.ReadAll(io.LimitReader(r, 8192))
			if err != nil {
				return err
			}
			return addWithParents(g.tree, layer.Symlink(full, string(target), g.mtime))
		}
		var open func() (io.ReadCloser, error)
		if size < maxPointer {
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			r = bytes.NewReader(data)
			if isPointer(data) {
				if open, size, err = g.large(ctx, in, e, data); err != nil {
					return err
				}
				g.files = append(g.files, full)
			}
		}
		if open == nil {
			var err error
			if open, err = g.spool.Put(ctx, r, size); err != nil {
				return err
			}
		}
		mode := int64(0o644)
		if e.mode == modeExec {
			mode = 0o755
		}
		return addWithParents(g.tree, layer.Entry{Path: full, Type: tar.TypeReg, Mode: mode, ModTime: g.mtime, Size: size, Open: open})
	})
}

// addWithParents adds e and the directories above it that aren't there, with e's time.
func addWithParents(tree *layer.Tree, e layer.Entry) error {
	for i, c := range e.Path {
		if c == '/' {
			if _, ok := tree.Get(e.Path[:i]); !ok {
				if err := tree.Add(layer.Dir(e.Path[:i], 0o755, e.ModTime)); err != nil {
					return err
				}
			}
		}
	}
	return tree.Add(e)
}

// GitTree is the files of a commit that FetchGit brought into dir, with its
// submodules'. Every time is the commit's. Close the closer when the tree is no
// longer read.
func GitTree(ctx context.Context, dir, commit string) (*layer.Tree, io.Closer, error) {
	return gitTreeBelow(ctx, dir, commit, "")
}

// gitTreeBelow is GitTree of one folder of the commit.
func gitTreeBelow(ctx context.Context, dir, commit, prefix string) (*layer.Tree, io.Closer, error) {
	if !isCommit(commit) {
		return nil, nil, fmt.Errorf("reading commit %.50q: not a full commit id", commit)
	}
	sp, err := spool.New(dir)
	if err != nil {
		return nil, nil, err
	}
	tree, err := gitTree(ctx, sp, repo{dir}, commit, prefix)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("reading commit %s: %w", commit, err), sp.Close())
	}
	return tree, sp, nil
}

func gitTree(ctx context.Context, sp *spool.Spool, r repo, id, prefix string) (*layer.Tree, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return nil, err
	}
	g := &gitReader{spool: sp, tree: layer.NewTree(), mtime: clampTime(c.time)}
	g.module = func(ctx context.Context, in repo, at, _, commit string) (repo, error) {
		if !in.has(ctx, commit) {
			return repo{}, fmt.Errorf("submodule %s: commit %s was not fetched", at, commit)
		}
		return in, nil // the cache holds every repository's objects
	}
	if err := g.read(ctx, r, id, prefix, "", 0); err != nil {
		return nil, err
	}
	return g.tree, checkLinks(g.tree)
}

// clampTime brings a commit's time to what a layer can hold.
func clampTime(t int64) int64 { return min(max(t, 0), 1<<33-1) }

// sortedUnique sorts commit ids.
func sortedUnique(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}
