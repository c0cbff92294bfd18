package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

var rfcRE = regexp.MustCompile(`^# RFC [0-9]{4}: goes away when .+\.$`)

// The example with the real pins follows its own policy: whole commits, a
// comment above each that names the RFC and says when it goes away, the RFC in the
// repository, and the same repositories in deny.toml.
func TestGitPinsFollowTheirPolicy(t *testing.T) {
	dir := filepath.Join("..", "examples", "cuda-oxide")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	manifest, lock := read("Cargo.toml"), read("Cargo.lock")
	var repositories, rfcs []string
	lines := strings.Split(manifest, "\n")
	for i, l := range lines {
		if !strings.Contains(l, "git = ") {
			continue
		}
		m := regexp.MustCompile(`^([a-z-]+) = \{ git = "(https://[^"]+)", rev = "([0-9a-f]{40})" \}$`).FindStringSubmatch(l)
		if m == nil {
			t.Errorf("Cargo.toml:%d: is not pinned to a whole commit: %s", i+1, l)
			continue
		}
		if !rfcRE.MatchString(lines[i-1]) || !strings.Contains(lines[i-1], m[1]) {
			t.Errorf("Cargo.toml:%d: the comment above %s doesn't say by which RFC it is there and when it goes away", i+1, m[1])
		}
		if !strings.Contains(lock, "name = \""+m[1]+"\"\n") || !strings.Contains(lock, "source = \"git+"+m[2]+"?rev="+m[3]+"#"+m[3]+"\"\n") {
			t.Errorf("Cargo.lock has another commit of %s", m[1])
		}
		repositories = append(repositories, m[2])
		rfcs = append(rfcs, lines[i-1][len("# RFC "):len("# RFC 0000")])
	}
	if len(repositories) != 5 {
		t.Errorf("%d pins, not the five of the reference project", len(repositories))
	}
	var deny struct {
		Sources struct {
			AllowGit        []string `toml:"allow-git"`
			RequiredGitSpec string   `toml:"required-git-spec"`
			UnknownGit      string   `toml:"unknown-git"`
		}
	}
	text := read("deny.toml")
	if err := toml.Unmarshal([]byte(text), &deny); err != nil {
		t.Fatal(err)
	}
	slices.Sort(repositories)
	if repositories = slices.Compact(repositories); !slices.Equal(deny.Sources.AllowGit, repositories) {
		t.Errorf("deny.toml allows %q, Cargo.toml takes %q", deny.Sources.AllowGit, repositories)
	}
	if deny.Sources.UnknownGit != "deny" || deny.Sources.RequiredGitSpec != "rev" {
		t.Errorf("deny.toml lets other sources pass: %+v", deny.Sources)
	}
	for _, rfc := range slices.Compact(rfcs) {
		found, err := filepath.Glob(filepath.Join(dir, "docs", "rfcs", rfc+"-*.md"))
		if err != nil || len(found) != 1 {
			t.Errorf("RFC %s is not in docs/rfcs", rfc)
			continue
		}
		name := "docs/rfcs/" + filepath.Base(found[0])
		if !strings.Contains(manifest, name) || !strings.Contains(text, name) {
			t.Errorf("Cargo.toml and deny.toml don't both name %s", name)
		}
	}
}
