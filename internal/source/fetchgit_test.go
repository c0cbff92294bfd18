package source

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

func fetchOne(t testing.TB, dir, url, commit string) []GitRepo {
	t.Helper()
	got, err := FetchGit(context.Background(), GitOptions{URLs: []string{url}, Commit: commit, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func gitTreeOf(t testing.TB, dir, commit string) *layer.Tree {
	t.Helper()
	tree, closer, err := GitTree(context.Background(), dir, commit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
	return tree
}

// withGitConfig gives git a user's configuration for this test.
func withGitConfig(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gitconfig")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", name)
}

func TestFetchGit(t *testing.T) {
	up, first := newRepo(t, "Cargo.toml", manifestA, "x!", "1")
	write(t, up, "x", "2")
	second := commitAll(t, up)
	cache := filepath.Join(t.TempDir(), "new", "git")
	url := "file://" + up
	for range 2 {
		if diff := cmp.Diff([]GitRepo{{URL: url, Commit: first}}, fetchOne(t, cache, url, first)); diff != "" {
			t.Error(diff)
		}
	}
	// Only the one commit came.
	if n := gitRun(t, cache, "rev-list", "--all", "--count"); n != "1" {
		t.Errorf("%s commits were fetched", n)
	}
	fetchOne(t, cache, url, second)
	if diff := cmp.Diff([]string{"644 Cargo.toml = " + manifestA, "755 x = 1"}, listing(t, gitTreeOf(t, cache, first))); diff != "" {
		t.Error(diff)
	}
	if got, want := digestOf(t, gitTreeOf(t, cache, second)), digestOf(t, open(t, up, Options{}).Tree); got != want {
		t.Errorf("tree digest of the commit is %s, of a checkout %s", got, want)
	}
	s := open(t, "git+"+url+"#"+second, Options{GitCache: cache, Offline: true})
	if s.Kind != KindGit || s.Commit != second || s.Epoch != epoch || s.Name != filepath.Base(up) || s.Spec != "git+"+url+"#"+second {
		t.Errorf("%+v", s)
	}
}

func TestFetchGitRefuses(t *testing.T) {
	up, commit := newRepo(t, "a", "a")
	blob := gitRun(t, up, "rev-parse", "HEAD:a")
	none := strings.Repeat("1", 40)
	for name, c := range map[string]struct {
		opt        GitOptions
		want, hint string
	}{
		"no URL":        {GitOptions{Commit: commit}, "no place", ""},
		"a branch":      {GitOptions{URLs: []string{"file://" + up}, Commit: "main"}, "not a full commit id", ""},
		"no such":       {GitOptions{URLs: []string{"file://" + up}, Commit: none}, none, "git ls-remote file://" + up},
		"a file":        {GitOptions{URLs: []string{"file://" + up}, Commit: blob}, blob + " is not a commit", ""},
		"a command":     {GitOptions{URLs: []string{"ext::touch /tmp/x"}, Commit: commit}, "is not the URL", "https://"},
		"no repository": {GitOptions{URLs: []string{"file://" + filepath.Join(up, "gone")}, Commit: commit}, "gone", ""},
		"offline":       {GitOptions{URLs: []string{"file://" + up}, Commit: commit, Offline: true}, "is not in the cache", "twice fetch"},
	} {
		c.opt.Dir = filepath.Join(t.TempDir(), "git")
		_, err := FetchGit(context.Background(), c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: error %v, hint %q", name, err, fault.HintOf(err))
		}
	}
	for spec, want := range map[string]string{"": "no commit", "#": "no commit", "#main": `"main" is a branch, a tag or a part`, "#" + commit[:12]: "part of a commit id", "#" + strings.ToUpper(commit): "part of a commit id"} {
		refuse(t, "git+file://"+up+spec, Options{GitCache: t.TempDir()}, want, "git ls-remote file://"+up)
	}
	refuse(t, "git+ext::x#"+commit, Options{GitCache: t.TempDir()}, "is not the URL", "")
}

// A server may refuse single commits, a mirror may be gone, and a mirror may
// itself be a clone without history.
func TestPlacesThatGiveLess(t *testing.T) {
	up, first := newRepo(t, "x", "1")
	write(t, up, "x", "2")
	second := commitAll(t, up)
	write(t, up, "x", "3")
	commitAll(t, up)
	shallow := filepath.Join(t.TempDir(), "shallow")
	gitRun(t, up, "clone", "-q", "--depth=2", "file://"+up, shallow)
	for name, config := range map[string]string{"any commit": "", "only what has a name": "[protocol]\nversion = 0\n"} {
		t.Run(name, func(t *testing.T) {
			withGitConfig(t, config)
			cache := filepath.Join(t.TempDir(), "git")
			gone := "file://" + filepath.Join(up, "gone")
			for _, c := range []struct {
				commit string
				urls   []string
			}{{second, []string{gone, "file://" + shallow}}, {first, []string{"file://" + shallow, "file://" + up}}} {
				if _, err := FetchGit(context.Background(), GitOptions{URLs: c.urls, Commit: c.commit, Dir: cache}); err != nil {
					t.Fatal(err)
				}
			}
			for commit, want := range map[string]string{first: "1", second: "2"} {
				if diff := cmp.Diff([]string{"644 x = " + want}, listing(t, gitTreeOf(t, cache, commit))); diff != "" {
					t.Error(diff)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(cache, fullPrefix+"*")); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
			if n := gitRun(t, cache, "rev-list", "--all", "--count"); n != "2" {
				t.Errorf("%s commits were fetched", n)
			}
		})
	}
}

func TestNoHookRuns(t *testing.T) {
	up, commit := newRepo(t, "Cargo.toml", manifestA)
	hooks := t.TempDir()
	mark := filepath.Join(hooks, "ran")
	for _, name := range []string{"reference-transaction", "post-index-change", "pre-auto-gc", "fsmonitor"} {
		write(t, hooks, name+"!", "#!/bin/sh\ntouch "+mark+"\n")
	}
	withGitConfig(t, "[core]\nhooksPath = "+hooks+"\nfsmonitor = "+hooks+"/fsmonitor\n")
	gitRun(t, up, "config", "core.fsmonitor", hooks+"/fsmonitor")
	open(t, up, Options{})
	fetchOne(t, filepath.Join(t.TempDir(), "git"), "file://"+up, commit)
	if _, err := os.Stat(mark); err == nil {
		t.Error("a hook ran")
	}
}

func TestFetchGitAtOnce(t *testing.T) {
	up, first := newRepo(t, "x", "1")
	write(t, up, "x", "2")
	second := commitAll(t, up)
	cache := filepath.Join(t.TempDir(), "git")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			_, err := FetchGit(context.Background(), GitOptions{URLs: []string{"file://" + up}, Commit: []string{first, second}[i%2], Dir: cache})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	gitTreeOf(t, cache, first)
	gitTreeOf(t, cache, second)
}

func TestFetchSubmodules(t *testing.T) {
	root := t.TempDir()
	make := func(name string, pairs ...string) (string, string) {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		gitRun(t, dir, "init", "-q", "-b", "main")
		write(t, dir, pairs...)
		return dir, commitAll(t, dir)
	}
	_, inner := make("inner", "deep", "deep")
	sub, _ := make("sub", "lib.c", "int x;")
	gitRun(t, sub, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "../inner", "in/ner")
	subCommit := commitAll(t, sub)
	super, _ := make("super", "Cargo.toml", manifestA)
	gitRun(t, super, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "file://"+sub, "vendor/sub")
	commit := commitAll(t, super)
	write(t, sub, "lib.c", "moved on")
	commitAll(t, sub)

	cache := filepath.Join(t.TempDir(), "git")
	got, err := FetchGit(context.Background(), GitOptions{
		URL: "https://git.test/super", URLs: []string{"file://" + super}, Commit: commit, Dir: cache,
		Mirrors: func(u string) []string { return []string{u} },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []GitRepo{
		{"https://git.test/super", commit, ""}, {"file://" + sub, subCommit, "vendor/sub"},
		{"file://" + filepath.Join(root, "inner"), inner, "vendor/sub/in/ner"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	has := strings.Join(listing(t, gitTreeOf(t, cache, commit)), "\n")
	for _, want := range []string{"644 vendor/sub/lib.c = int x;", "644 vendor/sub/in/ner/deep = deep"} {
		if !strings.Contains(has, want) {
			t.Errorf("%q is not in\n%s", want, has)
		}
	}
	// .gitmodules of a hostile repository.
	for text, want := range map[string]string{
		"[submodule \"s\"]\npath = vendor/sub\nurl = ext::touch /tmp/x\n":   "is not the URL",
		"[submodule \"s\"]\npath = vendor/sub\nurl = --upload-pack=touch\n": "is not the URL",
		"[submodule \"s\"]\npath = vendor/sub\nupdate = !touch x\n":         ".gitmodules doesn't name it",
		"[submodule \"s\"]\npath = elsewhere\nurl = file:///x\n":            ".gitmodules doesn't name it",
	} {
		write(t, super, ".gitmodules", text)
		bad := commitAll(t, super)
		if _, err := FetchGit(context.Background(), GitOptions{URLs: []string{"file://" + super}, Commit: bad, Dir: cache}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "vendor/sub") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// A repository whose trees hold what a checkout would refuse.
func TestHostileTrees(t *testing.T) {
	up, _ := newRepo(t, "a", "a", "target", "../../etc/passwd")
	blob, link := gitRun(t, up, "rev-parse", "HEAD:a"), gitRun(t, up, "rev-parse", "HEAD:target")
	for name, c := range map[string]struct{ mode, path, id, want string }{
		"climbing":     {"100644", "../x", blob, "climbs|not clean|not below the root"},
		"absolute":     {"100644", "/x", blob, "absolute|empty path"},
		"git's own":    {"100644", ".GIT", blob, "part of a repository"},
		"link outside": {"120000", "l", link, "leads out of the source"},
		"no object":    {"100644", "x", strings.Repeat("1", 40), "missing"},
		"not a blob":   {"100644", "x", gitRun(t, up, "rev-parse", "HEAD^{tree}"), "is a tree"},
	} {
		id, err := hex.DecodeString(c.id)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "-C", up, "hash-object", "-t", "tree", "--literally", "-w", "--stdin")
		cmd.Stdin = strings.NewReader(c.mode + " " + c.path + "\x00" + string(id))
		tree, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		commit := gitRun(t, up, "commit-tree", "-m", "x", strings.TrimSpace(string(tree)))
		_, _, err = GitTree(context.Background(), up, commit)
		if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// What somebody else brings is asked for by URL and commit, and is believed as
// little as any other place.
func TestBring(t *testing.T) {
	up, commit := newRepo(t, "a", "a")
	other, _ := newRepo(t, "b", "b")
	t.Setenv("GIT_SSH_COMMAND", "false")
	t.Chdir(filepath.Dir(up))
	const url = "ssh://git@git.test/team/repo"
	for name, c := range map[string]struct {
		dir, want string
		err       error
	}{
		"the repository":  {dir: up},
		"a relative name": {dir: filepath.Base(up)},
		"another":         {dir: other, want: "is in none of its branches"},
		"an error":        {err: fault.Hint(errors.New("refused"), "try this"), want: "refused"},
		"not for it":      {want: "Could not read from remote"},
	} {
		opt := GitOptions{URLs: []string{url}, Commit: commit, Dir: t.TempDir(), Bring: func(_ context.Context, u, id string) (string, error) {
			if u != url || id != commit {
				t.Errorf("asked for %s at %s", u, id)
			}
			return c.dir, c.err
		}}
		_, err := FetchGit(t.Context(), opt)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "not for it" && !strings.Contains(fault.HintOf(err), "--known-hosts") {
			t.Errorf("%s: hint %q", name, fault.HintOf(err))
		}
		if c.err != nil && fault.HintOf(err) != "try this" {
			t.Errorf("%s: hint %q", name, fault.HintOf(err))
		}
	}
}

func TestOverSSH(t *testing.T) {
	for u, want := range map[string]bool{
		"ssh://git@git.test/team/repo": true, "ssh://git.test:2222/repo": true, "git@git.test:team/repo": true, "git.test:team/repo": true,
		"https://git.test/team/repo": false, "http://git.test:80/repo": false, "file:///srv/repo": false, "git://git.test/repo": false, "/srv/repo": false, "": false,
	} {
		if got := OverSSH(u); got != want {
			t.Errorf("OverSSH(%q) = %v", u, got)
		}
	}
}

func TestHasCommit(t *testing.T) {
	dir, commit := newRepo(t, "a", "a")
	if !HasCommit(t.Context(), dir, commit) {
		t.Error("a commit is not found")
	}
	for _, id := range []string{gitRun(t, dir, "rev-parse", "HEAD:a"), strings.Repeat("1", 40), "HEAD", "--help"} {
		if HasCommit(t.Context(), dir, id) {
			t.Errorf("%s is said to be a commit", id)
		}
	}
}
