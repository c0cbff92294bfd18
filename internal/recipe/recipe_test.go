package recipe

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/plan"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func example(triple string) *Recipe {
	return &Recipe{
		Plan: &plan.Plan{
			Name: "demo", Epoch: 1700000000, Triple: triple, Profile: "release", Bins: []string{"demo", "tool"}, Rlibs: true,
			Features: []string{"x", "y"}, Env: map[string]string{"DEMO": "it's"}, CFlags: map[string]string{"CFLAGS": "-O3"},
		},
		Version: "1.2.3", Rustc: "1.95.0 (59807616e 2026-04-14)",
		Packages:  []Package{{"binutils", "2.40-2"}, {"gcc-12", "12.2.0-14+deb12u1"}},
		RustFlags: []string{"--cfg", "it's=\"quoted\""},
		Source: Source{
			From: "https://git.example.org/demo.git", Commit: strings.Repeat("0123456789", 4), Prefix: "rust",
			Submodules: true, EpochOfCommit: true,
		},
	}
}

func fromCrate(triple string) *Recipe {
	r := example(triple)
	r.Plan.Env, r.Plan.CFlags, r.Plan.Features, r.Plan.Rlibs = nil, nil, nil, false
	r.Source = Source{From: "https://crates.example.org/demo/1.2.3", Crate: "demo-1.2.3", Checksum: strings.Repeat("ab", 32)}
	return r
}

// split asks git as well.
func split() *Recipe {
	r := example("aarch64-unknown-linux-gnu")
	r.Plan.SplitDebug, r.Plan.AsksGit = true, true
	r.Source.Prefix, r.Source.Submodules, r.Source.Tags = "", false, []string{"v1", "v1.0"}
	return r
}

func TestGolden(t *testing.T) {
	for file, r := range map[string]*Recipe{
		"commit.sh":  example("x86_64-unknown-linux-gnu"),
		"crate.sh":   fromCrate("x86_64-unknown-linux-musl"),
		"split.sh":   split(),
		"commit.ps1": example("x86_64-pc-windows-msvc"),
		"crate.ps1":  fromCrate("aarch64-pc-windows-msvc"),
	} {
		t.Run(file, func(t *testing.T) {
			file := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(file, []byte(r.Text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), r.Text()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// A POSIX shell reads every script, and no name in one is a command.
func TestShellReadsIt(t *testing.T) {
	nasty := example("x86_64-unknown-linux-gnu")
	nasty.Source.From = `https://h/$(touch hit)'"; touch hit;'`
	nasty.Source.Prefix = `a b'$(touch hit)`
	for _, r := range []*Recipe{example("x86_64-unknown-linux-gnu"), fromCrate("x86_64-unknown-linux-gnu"), split(), nasty} {
		cmd := exec.Command("sh", "-n", "-")
		cmd.Stdin = strings.NewReader(r.Text())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, r.Text())
		}
	}
	// The words with names in them are what was put in.
	for line := range strings.Lines(nasty.Text()) {
		if !strings.HasPrefix(line, "work=") {
			continue
		}
		cmd := exec.Command("sh", "-c", "set --\n"+strings.Replace(line, "$(mktemp -d)", "x", 1)+`printf %s "$from"`)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != nasty.Source.From {
			t.Errorf("%v: from is %q", err, out)
		}
	}
}

// The lint that can be had without PowerShell: quotes and brackets close, and
// what is from outside stands in literals that expand nothing.
func TestPowerShellCloses(t *testing.T) {
	nasty := example("x86_64-pc-windows-msvc")
	nasty.Source.From, nasty.Source.Prefix = `https://h/$(hit)'"`, `a'b $(hit)`
	for _, r := range []*Recipe{example("x86_64-pc-windows-msvc"), fromCrate("x86_64-pc-windows-msvc"), nasty} {
		checkPowerShell(t, r.Text())
	}
	if n := strings.Count(nasty.Text(), psQuote(nasty.Source.From)); n != 1 {
		t.Errorf("the address stands %d times as a literal in\n%s", n, nasty.Text())
	}
}

// checkPowerShell follows comments, both kinds of strings and $( ) in the
// expanding one.
func checkPowerShell(t *testing.T, text string) {
	t.Helper()
	closing := map[rune]rune{'(': ')', '{': '}', '[': ']'}
	line := 1
	var open []rune // closing runes, '"' for an expanding string
	top := func() rune {
		if len(open) == 0 {
			return 0
		}
		return open[len(open)-1]
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		c := runes[i]
		if c == '\n' {
			if line++; top() == '"' {
				t.Fatalf("line %d: a string goes on\n%s", line-1, text)
			}
		}
		switch {
		case top() == '"':
			if c == '"' {
				open = open[:len(open)-1]
			} else if c == '$' && runes[i+1] == '(' {
				open = append(open, ')')
				i++
			}
		case c == '#':
			for runes[i+1] != '\n' {
				i++
			}
		case c == '\'':
			for i++; runes[i] != '\''; i++ {
				if runes[i] == '\n' {
					t.Fatalf("line %d: a literal goes on\n%s", line, text)
				}
			}
		case c == '"':
			open = append(open, '"')
		case closing[c] != 0:
			open = append(open, closing[c])
		case c == ')' || c == '}' || c == ']':
			if top() != c {
				t.Fatalf("line %d: %c closes nothing\n%s", line, c, text)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Fatalf("%q are not closed\n%s", open, text)
	}
}

// TestSubmodules runs what a script does for the sources: the folder that is built
// has its submodule's files, be the script's repository bare or for a build that asks git.
func TestSubmodules(t *testing.T) {
	dir := t.TempDir()
	env := append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	sh := func(script string, args ...string) string {
		t.Helper()
		cmd := exec.Command("sh", append([]string{"-euc", script, "sh"}, args...)...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := sh(`
git init -q dep; echo dep > dep/file; git -C dep add -A; git -C dep commit -qm dep
git init -q super; mkdir super/rust; echo x > super/rust/x; echo y > super/y
git -C super submodule --quiet add "$PWD/dep" rust/dep; git -C super add -A; git -C super commit -qm all
git -C super rev-parse HEAD`)
	for name, change := range map[string]func(r *Recipe){
		"a folder":       func(r *Recipe) {},
		"all":            func(r *Recipe) { r.Source.Prefix = "" },
		"one that asks":  func(r *Recipe) { r.Plan.AsksGit = true },
		"all, and asked": func(r *Recipe) { r.Source.Prefix, r.Plan.AsksGit = "", true },
	} {
		r := example("x86_64-unknown-linux-gnu")
		r.Source.Commit, r.Source.From = commit, filepath.Join(dir, "super")
		change(r)
		var b strings.Builder
		r.shellSource(func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) })
		work := t.TempDir()
		sh("work=$1 from=$2\n"+b.String(), work, r.Source.From)
		if got, err := os.ReadFile(filepath.Join(work, "source", "rust", "dep", "file")); err != nil || string(got) != "dep\n" {
			t.Errorf("%s: %q, %v\n%s", name, got, err, b.String())
		}
		if _, err := os.Stat(filepath.Join(work, "source", "rust", "dep", ".git")); err == nil {
			t.Errorf("%s: the submodule has a .git", name)
		}
	}
}
