package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
)

const (
	manifestA = "[package]\nname = \"a\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"
	pointer   = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
)

func open(t testing.TB, spec string, opt Options) *Source {
	t.Helper()
	s, err := Open(context.Background(), spec, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func refuse(t testing.TB, spec string, opt Options, want, hint string) {
	t.Helper()
	s, err := Open(context.Background(), spec, opt)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), hint) {
		t.Errorf("%s: error %v, hint %q; want %q, %q", spec, err, fault.HintOf(err), want, hint)
	}
}

func TestCleanDirectory(t *testing.T) {
	dir, commit := newRepo(t, "Cargo.toml", manifestA, "src/main.rs", "fn main() {}", "run.sh!", "#!", "docs/link", "->../run.sh", ".gitignore", "target\n", ".gitattributes", "*.sh export-ignore\n")
	gitRun(t, dir, "tag", "v1.0.0")
	gitRun(t, dir, "tag", "-a", "-m", "x", "annotated")
	write(t, dir, "target/x", "ignored", ".git/hooks/post-checkout!", "#!/bin/sh\ntouch "+dir+"/pwned\n")
	s := open(t, dir, Options{})
	want := []string{"644 .gitattributes = *.sh export-ignore\n", "644 .gitignore = target\n", "644 Cargo.toml = " + manifestA,
		"docs/link -> ../run.sh", "755 run.sh = #!", "644 src/main.rs = fn main() {}"}
	if diff := cmp.Diff(want, listing(t, s.Tree)); diff != "" {
		t.Error(diff)
	}
	if s.Commit != commit || s.Tag != "annotated" || s.Epoch != epoch || s.EpochFrom != FromCommit || s.Dirty || s.Dir != "" || s.Kind != KindDirectory || s.Name != filepath.Base(dir) {
		t.Errorf("%+v", s)
	}
	for _, e := range s.Tree.Entries() {
		if e.ModTime != epoch || e.UID != 0 {
			t.Errorf("%s: time %d, owner %d", e.Path, e.ModTime, e.UID)
		}
	}
	if err := fstest.TestFS(s.FS(), "Cargo.toml", "docs/link", "src/main.rs"); err != nil {
		t.Error(err)
	}
	if w, err := cargo.Inspect(s.FS(), s.Dir); err != nil || w.Name != "a" {
		t.Errorf("Inspect: %+v, %v", w, err)
	}
	override := int64(42)
	s = open(t, dir, Options{EpochOverride: &override})
	if e, _ := s.Tree.Get("Cargo.toml"); s.Epoch != 42 || s.EpochFrom != FromOverride || e.ModTime != 42 {
		t.Errorf("override: %+v", s)
	}
	override = -1
	refuse(t, dir, Options{EpochOverride: &override}, "out of range", "")
}

// A clean checkout builds what was committed, whatever the checkout did to it.
func TestCheckoutConversions(t *testing.T) {
	dir, _ := newRepo(t, "Cargo.toml", manifestA, "src/main.rs", "fn main() {}\n", ".gitattributes", "*.rs text eol=crlf\n")
	if err := os.Remove(filepath.Join(dir, "src/main.rs")); err != nil {
		t.Fatal(err)
	}
	gitRun(t, dir, "checkout", "-q", "--", ".")
	if data, _ := os.ReadFile(filepath.Join(dir, "src/main.rs")); string(data) != "fn main() {}\r\n" {
		t.Fatalf("on disk: %q", data)
	}
	s := open(t, dir, Options{})
	if data, _ := fs.ReadFile(s.FS(), "src/main.rs"); string(data) != "fn main() {}\n" {
		t.Errorf("in the tree: %q", data)
	}
}

func TestDirtyDirectory(t *testing.T) {
	dir, commit := newRepo(t, "Cargo.toml", manifestA, "src/main.rs", "1", "gone", "x", "old", strings.Repeat("same\n", 50), "d/x", "x", ".gitignore", "*.o\n")
	write(t, dir, "src/main.rs", "2", "new file!", "n", "a.o", "ignored")
	for _, name := range []string{"gone", "d/x", "d"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "d", "->src")
	gitRun(t, dir, "mv", "old", "moved")
	refuse(t, dir, Options{}, "it differs from commit "+commit[:12], "--dirty")
	s := open(t, dir, Options{Dirty: true})
	if diff := cmp.Diff([]string{"d", "d/x", "gone", "moved", "new file", "src/main.rs"}, s.DirtyFiles); diff != "" {
		t.Error(diff)
	}
	want := []string{"644 .gitignore = *.o\n", "644 Cargo.toml = " + manifestA, "d -> src", "644 moved = " + strings.Repeat("same\n", 50), "755 new file = n", "644 src/main.rs = 2"}
	if diff := cmp.Diff(want, listing(t, s.Tree)); diff != "" {
		t.Error(diff)
	}
	if !s.Dirty || s.Commit != commit || s.Epoch != epoch {
		t.Errorf("%+v", s)
	}
	// What lies beside a subdirectory doesn't make it dirty.
	write(t, dir, "sub/Cargo.toml", manifestA, "sub/src/main.rs", "1")
	gitRun(t, dir, "add", "sub")
	gitRun(t, dir, "commit", "-q", "-m", "sub", "--", "sub")
	if s := open(t, filepath.Join(dir, "sub"), Options{}); s.Dirty || s.Tree.Len() == 0 {
		t.Errorf("%+v", s)
	}
}

func TestNoCommitYet(t *testing.T) {
	dir := tempDir(t)
	gitRun(t, dir, "init", "-q")
	write(t, dir, "Cargo.toml", manifestA)
	refuse(t, dir, Options{}, "no commit yet", "--dirty")
	s := open(t, dir, Options{Dirty: true})
	if s.Commit != "" || !s.Dirty || s.EpochFrom != FromNothing || len(listing(t, s.Tree)) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSubdirectories(t *testing.T) {
	member := "[package]\nname = \"m\"\nversion.workspace = true\n"
	dir, _ := newRepo(t,
		"alone/Cargo.toml", manifestA, "alone/src/main.rs", "",
		"path/Cargo.toml", manifestA+"[dependencies]\nshared = { path = \"../shared\" }\n", "path/src/main.rs", "",
		"shared/Cargo.toml", "[package]\nname = \"shared\"\nversion = \"1.0.0\"\n", "shared/src/lib.rs", "",
		"ws/Cargo.toml", "[workspace]\nmembers = [\"m\"]\n[workspace.package]\nversion = \"2.0.0\"\n", "ws/m/Cargo.toml", member, "ws/m/src/main.rs", "",
		"out/Cargo.toml", manifestA+"[dependencies]\nx = { path = \"../../x\" }\n", "out/src/main.rs", "")
	has := func(s *Source, name string) bool { _, ok := s.Tree.Get(name); return ok }
	if s := open(t, filepath.Join(dir, "alone"), Options{}); s.Dir != "" || !has(s, "Cargo.toml") || has(s, "alone/Cargo.toml") {
		t.Errorf("alone: Dir %q, %v", s.Dir, listing(t, s.Tree))
	}
	if s := open(t, filepath.Join(dir, "path"), Options{}); s.Dir != "path" || !has(s, "path/Cargo.toml") || !has(s, "shared/Cargo.toml") {
		t.Errorf("path: Dir %q, %v", s.Dir, listing(t, s.Tree))
	}
	s := open(t, filepath.Join(dir, "ws/m"), Options{})
	if w, err := cargo.Inspect(s.FS(), s.Dir); s.Dir != "ws/m" || err != nil || w.Version != "2.0.0" || w.Root != "ws" {
		t.Errorf("member: Dir %q, %+v, %v", s.Dir, w, err)
	}
	refuse(t, filepath.Join(dir, "out"), Options{}, "outside of the repository", "")
	// A toolchain file that rustup would find above the directory belongs to the source.
	write(t, dir, "rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n")
	commitAll(t, dir)
	if s := open(t, filepath.Join(dir, "alone"), Options{}); s.Dir != "alone" || !has(s, "rust-toolchain.toml") {
		t.Errorf("with a toolchain file: Dir %q", s.Dir)
	}
	// What git ignores altogether is a directory like any other.
	write(t, dir, ".gitignore", "scratch\n", "scratch/x/Cargo.toml", manifestA)
	commitAll(t, dir)
	if s := open(t, filepath.Join(dir, "scratch/x"), Options{}); s.Commit != "" || !has(s, "Cargo.toml") {
		t.Errorf("ignored: %+v", s)
	}
}

func TestPlainDirectory(t *testing.T) {
	dir := tempDir(t)
	write(t, dir, "Cargo.toml", manifestA, "src/main.rs", "fn main() {}", "run!", "x", "target/debug/a", "built", "sub/target/CACHEDIR.TAG", "x", "sub/target/y", "built", "src/target/keep.rs", "mine", "link", "->run")
	s := open(t, dir, Options{})
	want := []string{"644 Cargo.toml = " + manifestA, "link -> run", "755 run = x", "644 src/main.rs = fn main() {}", "644 src/target/keep.rs = mine"}
	if diff := cmp.Diff(want, listing(t, s.Tree)); diff != "" {
		t.Error(diff)
	}
	if s.Commit != "" || s.Dirty || s.Epoch != 0 || s.EpochFrom != FromNothing {
		t.Errorf("%+v", s)
	}
	// A member of a workspace brings the workspace along.
	ws := tempDir(t)
	write(t, ws, "Cargo.toml", "[workspace]\nmembers = [\"m\"]\n", "m/Cargo.toml", manifestA, "m/src/main.rs", "")
	if s := open(t, filepath.Join(ws, "m"), Options{}); s.Dir != "m" || len(listing(t, s.Tree)) != 3 {
		t.Errorf("member: Dir %q, %v", s.Dir, listing(t, s.Tree))
	}
	write(t, ws, "m/Cargo.toml", manifestA+"[dependencies]\nx = { path = \"../../x\" }\n")
	refuse(t, filepath.Join(ws, "m"), Options{}, "outside of the workspace", "git repository")
	if out, err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	refuse(t, dir, Options{}, "pipe is neither a file, a directory nor a link", "remove it")
	refuse(t, filepath.Join(dir, "gone"), Options{}, "no such file", "name a directory")
	refuse(t, filepath.Join(dir, "Cargo.toml"), Options{}, "not a directory", "name "+dir)
	refuse(t, "https://git.test/a", Options{}, "is not a source", "git+https://")
}

func TestEscapingLinks(t *testing.T) {
	for name, link := range map[string][]string{
		"absolute":        {"l", "->/etc/passwd"},
		"climbing":        {"d/l", "->../../x"},
		"through another": {"d/up", "->..", "l", "->d/up/../x"},
	} {
		dir := tempDir(t)
		write(t, dir, append(link, "Cargo.toml", manifestA, "d/x", "")...)
		refuse(t, dir, Options{}, "leads out of the source", "")
		gitRun(t, dir, "init", "-q")
		commitAll(t, dir)
		refuse(t, dir, Options{}, "leads out of the source", "")
		_ = name
	}
	dir := tempDir(t)
	write(t, dir, "Cargo.toml", manifestA, "a/dangling", "->nowhere", "a/b/l", "->../../Cargo.toml", "loop", "->loop", "a/odd", "->b/../dangling")
	s := open(t, dir, Options{})
	if s.Tree.Len() == 0 {
		t.Error("nothing")
	}
	if _, err := fs.Stat(s.FS(), "loop"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a loop: %v", err)
	}
	if data, err := fs.ReadFile(s.FS(), "a/b/l"); err != nil || string(data) != manifestA {
		t.Errorf("through a link: %q, %v", data, err)
	}
}

func TestLargeFilePointers(t *testing.T) {
	dir, _ := newRepo(t, "Cargo.toml", manifestA, "big.bin", pointer)
	refuse(t, dir, Options{}, "big.bin: a pointer to git's large file storage", "commit the file anew")
	write(t, dir, "big.bin", "the real file")
	if s := open(t, dir, Options{Dirty: true}); !s.Dirty {
		t.Errorf("%+v", s)
	}
	plain := tempDir(t)
	write(t, plain, "Cargo.toml", manifestA, "big.bin", pointer)
	refuse(t, plain, Options{}, "big.bin", "")
}

// A pointer says which file the commit means, so the file counts as
// committed, whether git-lfs left it in its storage or in the work tree alone.
func TestLargeFiles(t *testing.T) {
	const content = "the real file"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	good := fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sum, len(content))
	dir, commit := newRepo(t, "Cargo.toml", manifestA, "data/big.bin", good)
	refuse(t, dir, Options{}, "data/big.bin: a pointer", "git lfs pull")

	check := func(where string) {
		t.Helper()
		s := open(t, dir, Options{})
		if has := strings.Join(listing(t, s.Tree), "\n"); s.Dirty || s.Commit != commit || !strings.Contains(has, "644 data/big.bin = "+content) {
			t.Errorf("%s: dirty %v\n%s", where, s.Dirty, has)
		}
		if err := s.NoLarge(); err == nil || !strings.Contains(fault.HintOf(err), "git = true") {
			t.Errorf("%s: %v", where, err)
		}
	}
	object := ".git/lfs/objects/" + sum[:2] + "/" + sum[2:4] + "/" + sum
	write(t, dir, object, content)
	check("in the storage")
	// follows: source: a pointer to git's large file storage, not the file
	write(t, dir, object, "the rael file") // of the same size
	refuse(t, dir, Options{}, "data/big.bin: a pointer", "git lfs pull")

	// What `git lfs pull` does: the filter makes git see no change.
	if err := os.Remove(filepath.Join(dir, object)); err != nil {
		t.Fatal(err)
	}
	write(t, dir, ".git/info/attributes", "*.bin filter=lfs\n", ".git/pointer", good, "data/big.bin", content)
	gitRun(t, dir, "config", "filter.lfs.clean", "cat .git/pointer; cat > /dev/null")
	gitRun(t, dir, "add", "data/big.bin")
	check("in the work tree")

	// follows: source: %s is in git's large file storage
	own, _ := newRepo(t, "Cargo.toml", manifestA, "data/big.bin", content) // the file itself
	if s := open(t, own, Options{}); s.NoLarge() != nil {
		t.Error(s.NoLarge())
	}

	cache := tempDir(t)
	refuse(t, "git+file://"+dir+"#"+commit, Options{GitCache: cache}, "data/big.bin: a pointer", "clone the repository, run `git lfs pull` there")
}

func TestWorktreesAndShallowClones(t *testing.T) {
	dir, first := newRepo(t, "Cargo.toml", manifestA, "x", "1")
	write(t, dir, "x", "2")
	second := commitAll(t, dir)
	tree := filepath.Join(tempDir(t), "wt")
	gitRun(t, dir, "worktree", "add", "-q", tree, first)
	shallow := filepath.Join(tempDir(t), "sh")
	gitRun(t, dir, "clone", "-q", "--depth=1", "file://"+dir, shallow)
	if s := open(t, tree, Options{}); s.Commit != first || s.Dirty {
		t.Errorf("worktree: %+v", s)
	}
	if s := open(t, shallow, Options{}); s.Commit != second || s.Dirty || s.Epoch != epoch {
		t.Errorf("shallow clone: %+v", s)
	}
	if got, want := digestOf(t, open(t, shallow, Options{}).Tree), digestOf(t, open(t, dir, Options{}).Tree); got != want {
		t.Errorf("shallow clone has tree %s, the repository %s", got, want)
	}
}

func TestWorktreeOf(t *testing.T) {
	dir, _ := newRepo(t, "Cargo.toml", manifestA, "a/b", "")
	// follows: source: %s is in no git repository
	if _, err := Worktree(t.Context(), tempDir(t)); fault.HintOf(err) != "name a clone that has the commit" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if top, err := Worktree(t.Context(), filepath.Join(dir, "a")); err != nil || top != dir {
		t.Errorf("%s, %v", top, err)
	}
}

func TestSubmodules(t *testing.T) {
	inner, innerCommit := newRepo(t, "deep", "deep")
	sub, _ := newRepo(t, "lib.c", "int x;")
	gitRun(t, sub, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "file://"+inner, "in/ner")
	subCommit := commitAll(t, sub)
	dir, _ := newRepo(t, "Cargo.toml", manifestA)
	gitRun(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "file://"+sub, "vendor/sub")
	commitAll(t, dir)
	refuse(t, dir, Options{}, "submodule vendor/sub/in/ner is not checked out", "git submodule update --init --recursive")
	gitRun(t, dir, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", "--recursive")
	s := open(t, dir, Options{})
	has := strings.Join(listing(t, s.Tree), "\n")
	for _, want := range []string{"644 vendor/sub/lib.c = int x;", "644 vendor/sub/in/ner/deep = deep"} {
		if !strings.Contains(has, want) {
			t.Errorf("%q is not in\n%s", want, has)
		}
	}
	clone := filepath.Join(tempDir(t), "clone")
	gitRun(t, dir, "clone", "-q", "file://"+dir, clone)
	refuse(t, clone, Options{}, "submodule vendor/sub is not checked out", "git submodule update")
	write(t, dir, "vendor/sub/lib.c", "int y;")
	refuse(t, dir, Options{}, "vendor/sub", "--dirty")
	s = open(t, dir, Options{Dirty: true})
	if has := strings.Join(listing(t, s.Tree), "\n"); !strings.Contains(has, "644 vendor/sub/lib.c = int y;") || !strings.Contains(has, "ner/deep") {
		t.Errorf("dirty:\n%s", has)
	}
	_, _ = innerCommit, subCommit
}

// A repository that belongs to somebody else is read: it is what was asked for.
func TestRepositoryOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir, commit := newRepo(t, "Cargo.toml", manifestA)
	if out, err := exec.Command("chown", "-R", "1234:1234", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if s := open(t, dir, Options{}); s.Commit != commit {
		t.Errorf("%+v", s)
	}
}
