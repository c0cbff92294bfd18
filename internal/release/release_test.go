package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// module makes a repository with a program that needs no other module.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.org/tool\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "go.sum"), "")
	write(t, filepath.Join(dir, "cmd", "tool", "main.go"), "package main\n\nfunc main() { println(\"one\") }\n")
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "x"}, {"tag", "v1.2.3"}} {
		gitTest(t, dir, args...)
	}
	return dir
}

func gitTest(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Go's runtime four times")
	}
	host := runtime.GOOS + "/" + runtime.GOARCH
	repo, scratch := module(t), t.TempDir()
	out := filepath.Join(t.TempDir(), "out")
	differ, err := run(t.Context(), []string{"-repo", repo, "-scratch", scratch, "-package", "./cmd/tool", "-platforms", host + ",windows/amd64", "-o", out})
	if err != nil || differ {
		t.Fatalf("differ %t, %v", differ, err)
	}
	name := "tool-v1.2.3-" + runtime.GOOS + "-" + runtime.GOARCH
	got, err := exec.Command(filepath.Join(out, name)).CombinedOutput()
	if err != nil || string(got) != "one\n" {
		t.Errorf("the program says %q, %v", got, err)
	}
	text, err := os.ReadFile(filepath.Join(out, "tool-provenance-v1.2.3.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Subject); n != 2 || s.Subject[0].Name != name || s.Predicate.BuildDefinition.InternalParameters.Go != runtime.Version() {
		t.Errorf("the statement:\n%s", text)
	}
	sums := exec.Command("sha256sum", "-c", "SHA256SUMS")
	sums.Dir = out
	if got, err := sums.CombinedOutput(); err != nil || strings.Count(string(got), ": OK") != 2 {
		t.Errorf("sha256sum: %v\n%s", err, got)
	}
	bom := new(cdx.BOM)
	f, err := os.Open(filepath.Join(out, "tool-windows-amd64-cdx-v1.2.3.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	if h := *bom.Metadata.Component.Hashes; h[0].Value != s.Subject[1].SHA256().Encoded() {
		t.Errorf("the SBOM is of %s", h[0].Value)
	}

	// The clones are there: the second side's now is of other sources.
	a, b, err := sides(t.Context(), release{Repo: repo, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []*side{&a, &b} {
		for j, e := range s.Env {
			if strings.HasPrefix(e, "GOCACHE=") {
				s.Env[j] = "GOCACHE=" + filepath.Join(scratch, "side-"+string("ab"[i]), "cache")
			}
		}
	}
	write(t, filepath.Join(b.Dir, "cmd", "tool", "main.go"), "package main\n\nfunc main() { println(\"two\") }\n")
	_, diff, err := release{Package: "./cmd/tool"}.both(t.Context(), a, b, platform{runtime.GOOS, runtime.GOARCH})
	if err != nil || diff == nil {
		t.Fatalf("other sources give %v, %v", diff, err)
	}
}

func TestRefusals(t *testing.T) {
	repo := module(t)
	there := t.TempDir()
	if _, err := run(t.Context(), []string{"-repo", repo, "-o", there}); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("into a folder that is there: %v", err)
	}
	write(t, filepath.Join(repo, "new"), "x")
	if _, err := run(t.Context(), []string{"-repo", repo, "-o", filepath.Join(there, "out"), "-scratch", t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no commit holds") {
		t.Errorf("from changed sources: %v", err)
	}
	if _, err := run(t.Context(), []string{"-repo", repo, "-o", filepath.Join(there, "out"), "-platforms", "linux"}); err == nil {
		t.Error("a platform without an architecture was taken")
	}
}
