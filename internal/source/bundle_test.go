package source

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/layer"
)

func runShell(t testing.TB, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func bundle(t testing.TB, dir string, refs ...GitRef) *layer.Tree {
	t.Helper()
	tree, closer, err := GitBundleTree(context.Background(), dir, refs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
	return tree
}

// unpack writes a tree to a directory.
func unpack(t testing.TB, tree *layer.Tree, dir string) string {
	t.Helper()
	for _, e := range tree.Entries() {
		name := filepath.Join(dir, e.Path)
		if e.Type == tar.TypeDir {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(f, r); err != nil || n != e.Size {
			t.Fatal(e.Path, n, e.Size, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// upstream is a workspace of two crates with inherited fields, a branch, and a
// tag; files of all sizes that a pack treats differently.
func upstream(t testing.TB) (dir string, main, dev, tagged string) {
	t.Helper()
	crate := func(name, more string) string {
		return "[package]\nname = \"gd-" + name + "\"\nversion.workspace = true\nedition.workspace = true\n" + more
	}
	dir, tagged = newRepo(t,
		"Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n[workspace.package]\nversion = \"0.3.0\"\nedition = \"2021\"\n",
		"a/Cargo.toml", crate("a", ""), "a/src/lib.rs", "pub fn a() -> u8 { 1 }\n",
		"b/Cargo.toml", crate("b", "[dependencies]\ngd-a = { path = \"../a\" }\n"), "b/src/lib.rs", "pub fn b() -> u8 { gd_a::a() }\n",
		"empty", "", "block", strings.Repeat("x", storedBlock), "block+1", strings.Repeat("y", storedBlock+1), "large", strings.Repeat("0123456789", 30000))
	gitRun(t, dir, "tag", "v0.3.0")
	gitRun(t, dir, "checkout", "-q", "-b", "dev")
	write(t, dir, "Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n[workspace.package]\nversion = \"0.4.0\"\nedition = \"2021\"\n", "a/src/lib.rs", "pub fn a() -> u8 { 2 }\n")
	dev = commitAll(t, dir)
	gitRun(t, dir, "checkout", "-q", "main")
	write(t, dir, "a/src/lib.rs", "pub fn a() -> u8 { 3 }\n")
	return dir, commitAll(t, dir), dev, tagged
}

// The bundle's bytes depend on the commits only: not on what else the cache
// has, how it came there and how git packed it.
func TestBundleIsDeterministic(t *testing.T) {
	up, main, dev, tagged := upstream(t)
	lean := filepath.Join(t.TempDir(), "git")
	for _, commit := range []string{main, dev, tagged} {
		fetchOne(t, lean, "file://"+up, commit)
	}
	refs := []GitRef{{main, []string{"HEAD"}}, {dev, []string{"refs/heads/dev"}}, {tagged, []string{"refs/tags/v0.3.0"}}}
	want := digestOf(t, bundle(t, lean, refs...))
	if got := digestOf(t, bundle(t, up, refs[2], refs[0], refs[1], refs[0])); got != want {
		t.Errorf("from the full repository: %s, from the cache %s", got, want)
	}
	gitRun(t, up, "-c", "pack.compression=9", "gc", "-q", "--aggressive")
	if got := digestOf(t, bundle(t, up, refs...)); got != want {
		t.Errorf("after gc: %s, before %s", got, want)
	}
	const golden = "sha256:eef4b1278f5c000c6f51abc4e3c07a312f496037f896b9400ba9e835901e3ad5"
	if want != golden {
		t.Errorf("the bundle's digest is %s, it was %s: bundles of old locks are not what they were", want, golden)
	}
}

// git finds nothing wrong with a bundle.
func TestGitTakesTheBundle(t *testing.T) {
	up, main, dev, tagged := upstream(t)
	dir := unpack(t, bundle(t, up, GitRef{main, []string{"HEAD", "refs/heads/main"}}, GitRef{dev, nil}, GitRef{tagged, []string{"refs/tags/v0.3.0"}}), t.TempDir())
	if out := gitRun(t, dir, "fsck", "--full", "--strict"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
		t.Error(out)
	}
	gitRun(t, dir, "verify-pack", runShell(t, "printf %s "+dir+"/objects/pack/*.idx"))
	// main's and dev's parent is the tagged commit, which is there: nothing is cut off.
	if _, err := os.Stat(filepath.Join(dir, "shallow")); err == nil {
		t.Error("shallow, without need")
	}
	alone := unpack(t, bundle(t, up, GitRef{dev, nil}), t.TempDir())
	if data, _ := os.ReadFile(filepath.Join(alone, "shallow")); string(data) != dev+"\n" {
		t.Errorf("shallow: %q", data)
	}
	gitRun(t, alone, "fsck", "--full", "--strict")
	clone := filepath.Join(t.TempDir(), "clone")
	gitRun(t, dir, "clone", "-q", "file://"+dir, clone)
	if got := gitRun(t, clone, "rev-parse", "HEAD"); got != main {
		t.Errorf("HEAD is %s, want %s", got, main)
	}
	gitRun(t, clone, "checkout", "-q", "v0.3.0")
	if got := digestOf(t, open(t, clone, Options{}).Tree); got != digestOf(t, gitTreeOf(t, up, tagged)) {
		t.Errorf("checked out: %s", got)
	}
}

func TestBundleRefuses(t *testing.T) {
	up, commit := newRepo(t, "a", "a")
	write(t, up, "a", "b")
	second := commitAll(t, up)
	for name, c := range map[string]struct {
		refs []GitRef
		want string
	}{
		"nothing":       {nil, "no commits"},
		"a branch":      {[]GitRef{{"main", nil}}, "not a full commit id"},
		"no such":       {[]GitRef{{strings.Repeat("1", 40), nil}}, "1111"},
		"two of a name": {[]GitRef{{commit, []string{"refs/heads/x"}}, {second, []string{"refs/heads/x"}}}, "refs/heads/x: both"},
		"climbing name": {[]GitRef{{commit, []string{"refs/../x"}}}, "can't be the name"},
		"new line":      {[]GitRef{{commit, []string{"refs/heads/x\n" + second + " refs/heads/y"}}}, "can't be the name"},
		"outside":       {[]GitRef{{commit, []string{"config"}}}, "can't be the name"},
	} {
		if _, _, err := GitBundleTree(context.Background(), up, c.refs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The real Cargo vendors from bundles, in a network namespace without
// interfaces: what a manifest may ask for, two revisions of one repository, and
// a submodule.
func TestCargoVendorsFromBundles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can unshare the network")
	}
	up, main, dev, tagged := upstream(t)
	sub, _ := newRepo(t, "text", "of the submodule")
	withSub, _ := newRepo(t, "Cargo.toml", "[package]\nname = \"with-sub\"\nversion = \"1.0.0\"\nedition = \"2021\"\n", "src/lib.rs", "pub const T: &str = include_str!(\"../sub/text\");\n")
	gitRun(t, withSub, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "file://"+sub, "sub")
	gitRun(t, withSub, "config", "-f", ".gitmodules", "submodule.sub.url", "../sub.git")
	commitAll(t, withSub)
	places := map[string]string{"https://git.test/org/up.git": up, "https://git.test/org/with-sub.git": withSub, "https://git.test/org/sub.git": sub}
	for name, c := range map[string]struct {
		dependencies string
		want         []string // directories in vendor
	}{
		"commit":           {`gd-b = { git = "https://git.test/org/up.git", rev = "` + tagged + `" }`, []string{"gd-a-0.3.0", "gd-b-0.3.0"}},
		"default branch":   {`gd-b = { git = "https://git.test/org/up.git" }`, []string{"gd-a-0.3.0", "gd-b-0.3.0"}},
		"branch":           {`gd-b = { git = "https://git.test/org/up.git", branch = "dev" }`, []string{"gd-a-0.4.0", "gd-b-0.4.0"}},
		"tag":              {`gd-a = { git = "https://git.test/org/up.git", tag = "v0.3.0" }`, []string{"gd-a-0.3.0"}},
		"short commit":     {`gd-a = { git = "https://git.test/org/up.git", rev = "` + dev[:9] + `" }`, []string{"gd-a-0.4.0"}},
		"reference":        {`gd-a = { git = "https://git.test/org/up.git", rev = "refs/heads/dev" }`, []string{"gd-a-0.4.0"}},
		"two revisions":    {`gd-a = { git = "https://git.test/org/up.git", rev = "` + main + `" }` + "\n" + `other = { package = "gd-b", git = "https://git.test/org/up.git", branch = "dev" }`, []string{"gd-a-0.3.0", "gd-a-0.4.0", "gd-b-0.4.0"}},
		"with a submodule": {`with-sub = { git = "https://git.test/org/with-sub.git" }`, []string{"with-sub-1.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := t.TempDir()
			write(t, app, "Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n"+c.dependencies+"\n", "src/main.rs", "fn main() {}\n")
			runCargo(t, app, places, "cargo", "generate-lockfile")
			data, err := os.ReadFile(filepath.Join(app, "Cargo.lock"))
			if err != nil {
				t.Fatal(err)
			}
			lock, err := cargo.ParseLock(data)
			if err != nil {
				t.Fatal(err)
			}
			cache := filepath.Join(t.TempDir(), "git")
			byURL := map[string][]GitRef{}
			for _, d := range cargo.GitDependencies(lock) {
				place := func(u string) []string { return []string{"file://" + places[u]} }
				repos, err := FetchGit(t.Context(), GitOptions{URL: d.URL, URLs: place(d.URL), Mirrors: place, Commit: d.Commit, Dir: cache})
				if err != nil {
					t.Fatal(err)
				}
				byURL[d.URL] = append(byURL[d.URL], GitRef{d.Commit, d.Refs})
				for _, r := range repos[1:] {
					byURL[r.URL] = append(byURL[r.URL], GitRef{r.Commit, nil})
				}
			}
			bundles := map[string]string{}
			for u, refs := range byURL {
				bundles[u] = unpack(t, bundle(t, cache, refs...), t.TempDir())
			}
			vendor := filepath.Join(t.TempDir(), "vendor")
			out := runCargo(t, app, bundles, "unshare", "-n", "cargo", "vendor", "--locked", "--versioned-dirs", "--respect-source-config", vendor)
			entries, err := os.ReadDir(vendor)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, out)
			}
			if name == "with a submodule" {
				if text, _ := os.ReadFile(filepath.Join(vendor, "with-sub-1.0.0", "sub", "text")); string(text) != "of the submodule" {
					t.Errorf("the submodule's file: %q", text)
				}
			}
		})
	}
}

// runCargo runs a command with repositories in the place of URLs.
func runCargo(t *testing.T, dir string, places map[string]string, args ...string) string {
	t.Helper()
	config := "[user]\nname = a\nemail = a@a.test\n[protocol \"file\"]\nallow = always\n"
	for u, place := range places {
		config += fmt.Sprintf("[url \"file://%s\"]\ninsteadOf = %s\n", place, u)
	}
	file := filepath.Join(t.TempDir(), "gitconfig")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+file, "GIT_CONFIG_SYSTEM=/dev/null", "CARGO_HOME="+t.TempDir(), "CARGO_NET_GIT_FETCH_WITH_CLI=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
