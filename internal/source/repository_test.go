package source

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/layer"
)

// repositoryOf opens a directory and returns its minimal repository, unpacked,
// and the digest of its files.
func repositoryOf(t *testing.T, dir string) (string, string) {
	t.Helper()
	s, err := Open(context.Background(), dir, Options{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tree, done, err := s.RepositoryTree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer done.Close()
	d, err := layer.TreeDigest(tree)
	if err != nil {
		t.Fatal(err)
	}
	work := tempDir(t)
	gitRun(t, work, "init", "-q") // overwritten
	unpack(t, tree, filepath.Join(work, ".git"))
	return work, d.String()
}

// The repository that a build sees is the same whichever way the commit got
// here, and has its commit and its tags alone.
func TestRepositoryTree(t *testing.T) {
	dir, _ := newRepo(t, "a", "1", "sub/Cargo.toml", "[package]\nname = \"x\"\n")
	write(t, dir, "a", "2")
	commit := commitAll(t, dir)
	gitRun(t, dir, "tag", "-a", "v1.2.3", "-m", "annotated")
	gitRun(t, dir, "tag", "light")
	gitRun(t, dir, "tag", "old", "HEAD~1")
	work, want := repositoryOf(t, dir)

	shallow := tempDir(t)
	gitRun(t, shallow, "clone", "-q", "--depth", "1", "file://"+dir, "c")
	gitRun(t, filepath.Join(shallow, "c"), "fetch", "-q", "--depth", "1", "origin", "refs/tags/*:refs/tags/*")
	linked := filepath.Join(tempDir(t), "w")
	gitRun(t, dir, "worktree", "add", "-q", "--detach", linked)
	packed := tempDir(t)
	gitRun(t, packed, "clone", "-q", dir, "c")
	gitRun(t, filepath.Join(packed, "c"), "gc", "-q")
	gitRun(t, filepath.Join(packed, "c"), "checkout", "-q", "-b", "other")
	for name, other := range map[string]string{
		"shallow clone": filepath.Join(shallow, "c"), "work tree": linked, "clone with a branch": filepath.Join(packed, "c"), "folder": filepath.Join(dir, "sub"),
	} {
		if _, got := repositoryOf(t, other); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}

	write(t, work, "a", "2", "sub/Cargo.toml", "[package]\nname = \"x\"\n")
	gitRun(t, work, "read-tree", "HEAD")
	said := []string{}
	for _, args := range [][]string{
		{"fsck", "--strict", "--no-dangling"}, {"rev-parse", "HEAD"}, {"describe", "--dirty"}, {"status", "--porcelain"}, {"tag", "-l"},
		{"rev-list", "--count", "HEAD"}, {"rev-parse", "--abbrev-ref", "HEAD"}, {"cat-file", "-p", "HEAD:a"}, {"branch", "-a"},
	} {
		said = append(said, gitRun(t, work, args...))
	}
	if d := cmp.Diff([]string{"", commit, "v1.2.3", "", "light\nv1.2.3", "1", "HEAD", "2", "* (no branch)"}, said); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// What has no repository says so.
func TestRepositoryTreeOfNothing(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "a", "1")
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.RepositoryTree(context.Background()); err == nil {
		t.Error("a folder has a repository")
	}
}
