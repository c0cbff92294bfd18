package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// A GitRef is a commit, and names under which a bundled repository offers it.
type GitRef struct {
	Commit string
	Refs   []string // "HEAD", "refs/heads/main", "refs/tags/v1"
}

// GitBundleTree is a bare repository that has just these commits, which
// FetchGit brought into dir, without their history and without submodules. Its
// bytes depend on nothing but the commits, and not on git's version:
//
//	HEAD                      refs/heads/twice-<commit>: of the commit that wants to be HEAD, else the first
//	config                    bare; any commit may be asked for
//	packed-refs               refs/heads/twice-<commit> for each, and the names in GitRef, sorted
//	shallow                   the commits whose parents are not in it, sorted
//	objects/pack/pack-*.pack  version 2, objects sorted by id, none a delta, each in stored zlib blocks
//	objects/pack/pack-*.idx   version 2
//	refs/
//
// Close the closer when the tree is no longer read.
func GitBundleTree(ctx context.Context, dir string, refs []GitRef) (*layer.Tree, io.Closer, error) {
	sp, err := spool.New(dir)
	if err != nil {
		return nil, nil, err
	}
	tree, err := bundleTree(ctx, sp, repo{dir}, refs)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("bundling git commits: %w", err), sp.Close())
	}
	return tree, sp, nil
}

func bundleTree(ctx context.Context, sp *spool.Spool, r repo, refs []GitRef) (*layer.Tree, error) {
	commits, head, packedRefs, err := refNames(refs)
	if err != nil {
		return nil, err
	}
	var shallow strings.Builder
	var ids []string
	for _, id := range commits {
		c, err := r.commit(ctx, id)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.parents, func(p string) bool { return !slices.Contains(commits, p) }) {
			shallow.WriteString(id + "\n")
		}
		objects, err := r.objects(ctx, id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, objects...)
	}
	p, err := writePack(ctx, sp, r, sortedUnique(ids))
	if err != nil {
		return nil, err
	}
	tree := layer.NewTree()
	name := "objects/pack/pack-" + p.name
	const mtime = 0
	entries := []layer.Entry{
		layer.File("HEAD", 0o644, mtime, []byte("ref: refs/heads/twice-"+head+"\n")),
		layer.File("config", 0o644, mtime, []byte("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[uploadpack]\n\tallowAnySHA1InWant = true\n")),
		layer.File("packed-refs", 0o644, mtime, packedRefs),
		layer.Dir("objects", 0o755, mtime),
		layer.Dir("objects/pack", 0o755, mtime),
		{Path: name + ".pack", Type: tar.TypeReg, Mode: 0o644, ModTime: mtime, Size: p.size, Open: p.open},
		layer.File(name+".idx", 0o644, mtime, p.index),
		layer.Dir("refs", 0o755, mtime),
	}
	if shallow.Len() > 0 {
		entries = append(entries, layer.File("shallow", 0o644, mtime, []byte(shallow.String())))
	}
	for _, e := range entries {
		if err := tree.Add(e); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// refNames returns the commits, sorted, the one that is HEAD, and packed-refs.
func refNames(refs []GitRef) (commits []string, head string, packed []byte, err error) {
	names := map[string]string{}
	add := func(name, commit string) error {
		if !refName.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, "/") {
			return fmt.Errorf("%.100q can't be the name of a reference", name)
		}
		if old, ok := names[name]; ok && old != commit {
			return fmt.Errorf("%s: both %s and %s", name, old, commit)
		}
		names[name] = commit
		return nil
	}
	for _, r := range refs {
		if !isCommit(r.Commit) {
			return nil, "", nil, fmt.Errorf("commit %.50q is not a full commit id", r.Commit)
		}
		commits = append(commits, r.Commit)
		for _, name := range append([]string{"refs/heads/twice-" + r.Commit}, r.Refs...) {
			if name == "HEAD" {
				if head == "" || r.Commit < head {
					head = r.Commit
				}
				continue
			}
			if err := add(name, r.Commit); err != nil {
				return nil, "", nil, err
			}
		}
	}
	if commits = sortedUnique(commits); len(commits) == 0 {
		return nil, "", nil, errors.New("no commits")
	}
	if head == "" {
		head = commits[0]
	}
	text := []byte("# pack-refs with: peeled fully-peeled sorted \n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		text = fmt.Appendf(text, "%s %s\n", names[name], name)
	}
	return commits, head, text, nil
}

var refName = regexp.MustCompile(`^refs/[A-Za-z0-9_+=@,%][A-Za-z0-9_+=@,%./#!$&()-]*$`)

// objects lists what a commit consists of: itself, its trees and its files.
func (r repo) objects(ctx context.Context, commit string) ([]string, error) {
	root, err := r.line(ctx, "rev-parse", "--verify", commit+"^{tree}")
	if err != nil {
		return nil, err
	}
	entries, err := r.lsTree(ctx, commit, "", true)
	if err != nil {
		return nil, err
	}
	ids := []string{commit, root}
	for _, e := range entries {
		if e.kind != "commit" {
			ids = append(ids, e.id)
		}
	}
	return ids, nil
}
