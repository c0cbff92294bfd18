package source

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
)

const epoch = 1700000000

// gitRun runs git as a user would, at a fixed time.
func gitRun(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a.test", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@c.test",
		fmt.Sprintf("GIT_AUTHOR_DATE=%d +0200", epoch-5), fmt.Sprintf("GIT_COMMITTER_DATE=%d +0200", epoch))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes files of "path", "content" pairs; a path that ends in "!" is
// executable, content "->x" is a link to x.
func write(t testing.TB, dir string, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		name := filepath.Join(dir, strings.TrimSuffix(pairs[i], "!"))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(pairs[i], "!") {
			mode = 0o755
		}
		var err error
		if target, ok := strings.CutPrefix(pairs[i+1], "->"); ok {
			err = os.Symlink(target, name)
		} else if err = os.WriteFile(name, []byte(pairs[i+1]), mode); err == nil {
			err = os.Chmod(name, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// commitAll commits everything in dir and returns the commit.
func commitAll(t testing.TB, dir string) string {
	t.Helper()
	gitRun(t, dir, "add", "-A")
	gitRun(t, dir, "commit", "-q", "--allow-empty", "-m", "change")
	return gitRun(t, dir, "rev-parse", "HEAD")
}

// newRepo makes a repository with one commit of the files.
func newRepo(t testing.TB, pairs ...string) (dir, commit string) {
	t.Helper()
	dir = tempDir(t)
	gitRun(t, dir, "init", "-q", "-b", "main")
	write(t, dir, pairs...)
	return dir, commitAll(t, dir)
}

// tempDir is a directory whose name has no links in it.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// listing is what a tree holds, directories left out: "mode path = content".
func listing(t testing.TB, tree *layer.Tree) []string {
	t.Helper()
	all := []string{}
	for _, e := range tree.Entries() {
		switch e.Type {
		case tar.TypeReg:
			r, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil || int64(len(data)) != e.Size {
				t.Fatal(e.Path, err, len(data), e.Size)
			}
			all = append(all, fmt.Sprintf("%o %s = %s", e.Mode, e.Path, data))
		case tar.TypeSymlink:
			all = append(all, e.Path+" -> "+e.Linkname)
		}
	}
	return all
}

func digestOf(t testing.TB, tree *layer.Tree) string {
	t.Helper()
	d, err := layer.TreeDigest(tree)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// What a caller's environment says about repositories doesn't reach git.
func TestGitEnvironment(t *testing.T) {
	t.Setenv("GIT_DIR", "/nowhere")
	t.Setenv("GIT_INDEX_FILE", "/nowhere")
	t.Setenv("HTTPS_PROXY", "http://proxy.test")
	env := gitEnv()
	for _, v := range env {
		if strings.HasPrefix(v, "GIT_DIR=") || strings.HasPrefix(v, "GIT_INDEX_FILE=") {
			t.Errorf("%s is passed on", v)
		}
	}
	for _, want := range []string{"GIT_TERMINAL_PROMPT=0", "HTTPS_PROXY=http://proxy.test", "LC_ALL=C"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing", want)
		}
	}
	dir, commit := newRepoIn(t)
	got, err := repo{dir}.line(t.Context(), "rev-parse", "HEAD")
	if err != nil || got != commit {
		t.Errorf("HEAD is %s, %v; want %s", got, err, commit)
	}
}

// newRepoIn is newRepo for tests that spoil git's environment.
func newRepoIn(t *testing.T) (string, string) {
	t.Helper()
	dir, index := os.Getenv("GIT_DIR"), os.Getenv("GIT_INDEX_FILE")
	os.Unsetenv("GIT_DIR")
	os.Unsetenv("GIT_INDEX_FILE")
	defer os.Setenv("GIT_DIR", dir)
	defer os.Setenv("GIT_INDEX_FILE", index)
	return newRepo(t, "a", "a")
}

func TestParseCommit(t *testing.T) {
	id := strings.Repeat("1", 40)
	c, err := parseCommit([]byte("tree " + id + "\nparent " + id + "\nauthor A > B <a@b> 1 +0000\ncommitter C 99 <c@d> 1700000000 -0730\ngpgsig x\n\ncommitter no <no> 5 +0\n"))
	if err != nil || c.time != 1700000000 || len(c.parents) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "tree x\n\n", "committer x\n", "committer x <y> later\n", "parent 12\ncommitter x <y> 1 +0\n"} {
		if _, err := parseCommit([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestGitURLs(t *testing.T) {
	for _, good := range []string{"https://git.test/a.git", "http://127.0.0.1:80/a", "ssh://git@git.test:22/a/b", "git://git.test/a", "file:///srv/a", "git@git.test:org/a.git", "host:a"} {
		if err := CheckGitURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a", "/srv/a", "ext::sh -c id", "--upload-pack=x", "-x@host:a", "ssh://-oProxyCommand=x/a", "https:///a", "file://host/a", "ftp://a/b", "https://git.test/a b", "host:-x", "fd::17/a", "https://git.test"} {
		if err := CheckGitURL(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	for _, c := range [][3]string{
		{"https://git.test/org/super.git", "../sub.git", "https://git.test/org/sub.git"},
		{"https://git.test/org/super.git/", "./sub", "https://git.test/org/super.git/sub"},
		{"https://git.test/org/super.git", "../../other/sub", "https://git.test/other/sub"},
		{"git@git.test:org/super", "../sub", "git@git.test:org/sub"},
		{"git@git.test:super", "../sub", "git@git.test:sub"},
		{"https://git.test/a", "https://other.test/b", "https://other.test/b"},
		{"file:///srv/git/super", "../sub", "file:///srv/git/sub"},
		{"https://git.test/a", "../../b", ""},
		{"https://git.test/a", "ext::x", ""},
	} {
		got, err := resolveURL(c[0], c[1])
		if (err != nil) != (c[2] == "") || err == nil && got != c[2] {
			t.Errorf("%s + %s = %s, %v", c[0], c[1], got, err)
		}
	}
	if got := redact("https://user:secret@git.test/a"); strings.Contains(got, "secret") {
		t.Errorf("redact: %s", got)
	}
}

func FuzzParseTree(f *testing.F) {
	id := strings.Repeat("1", 40)
	mutate.Add(f, []byte("100644 blob "+id+"\ta b\x00160000 commit "+id+"\tsub\x00"), []byte("committer c <c> 5 +0\n"))
	f.Fuzz(func(t *testing.T, tree, commit []byte) {
		entries, err := parseTree(tree)
		if err == nil {
			for _, e := range entries {
				if !isCommit(e.id) {
					t.Errorf("%+v was let through", e)
				}
			}
		}
		if c, err := parseCommit(commit); err == nil && clampTime(c.time) < 0 {
			t.Errorf("%+v was let through", c)
		}
	})
}
