package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// RepositoryTree is a .git directory that has the source's commit and nothing
// else: no history, no branch, no remote. It is for build scripts that ask git
// for the commit. Its bytes depend on the commit and its tags alone, whatever
// kind of clone or work tree it comes from:
//
//	HEAD          the commit's id: no branch is checked out
//	config        four lines
//	packed-refs   the tags that name the commit, sorted
//	shallow       the commit, if it has parents
//	objects/pack  the commit, its trees and files, and annotated tags; see GitBundleTree
//
// There is no index: `git read-tree HEAD` makes one beside the files. A clone
// without tags has no tags to give. Close the closer when the tree is no longer read.
func (s *Source) RepositoryTree(ctx context.Context) (*layer.Tree, io.Closer, error) {
	if s.repo.dir == "" || s.Commit == "" {
		return nil, nil, fault.Hint(fmt.Errorf("%s has no git repository to ask", s.Spec), "take git = true out of twice.toml, or build a commit: git+URL#COMMIT or a clone")
	}
	sp, err := spool.New(s.spoolDir)
	if err != nil {
		return nil, nil, err
	}
	tree, err := repositoryTree(ctx, sp, s.repo, s.Commit)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("reading the repository of %s: %w", s.Spec, err), sp.Close())
	}
	return tree, sp, nil
}

func repositoryTree(ctx context.Context, sp *spool.Spool, r repo, id string) (*layer.Tree, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return nil, err
	}
	ids, err := r.objects(ctx, id)
	if err != nil {
		return nil, err
	}
	refs, tags, err := r.tagRefs(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := writePack(ctx, sp, r, sortedUnique(append(ids, tags...)))
	if err != nil {
		return nil, err
	}
	const mtime = 0
	name := "objects/pack/pack-" + p.name
	entries := []layer.Entry{
		layer.File("HEAD", 0o644, mtime, []byte(id+"\n")),
		layer.File("config", 0o644, mtime, []byte("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n")),
		layer.File("packed-refs", 0o644, mtime, []byte(refs)),
		layer.Dir("objects", 0o755, mtime),
		layer.Dir("objects/pack", 0o755, mtime),
		{Path: name + ".pack", Type: tar.TypeReg, Mode: 0o644, ModTime: mtime, Size: p.size, Open: p.open},
		layer.File(name+".idx", 0o644, mtime, p.index),
		layer.Dir("refs", 0o755, mtime),
	}
	if len(c.parents) > 0 {
		entries = append(entries, layer.File("shallow", 0o644, mtime, []byte(id+"\n")))
	}
	tree := layer.NewTree()
	for _, e := range entries {
		if err := tree.Add(e); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// tagRefs are the tags that name a commit, as lines of packed-refs, and the
// objects of those that are annotated. A tag of a tag is left out.
func (r repo) tagRefs(ctx context.Context, commit string) (refs string, objects []string, err error) {
	out, err := r.git(ctx, "for-each-ref", "--points-at="+commit, "--format=%(objecttype) %(objectname) %(*objectname) %(refname)", "--sort=refname", "refs/tags")
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	b.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[0] == "commit":
			fmt.Fprintf(&b, "%s %s\n", f[1], f[2])
		case len(f) == 4 && f[0] == "tag" && f[2] == commit:
			fmt.Fprintf(&b, "%s %s\n^%s\n", f[1], f[3], commit)
			objects = append(objects, f[1])
		}
	}
	return b.String(), objects, nil
}
