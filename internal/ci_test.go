package internal_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"
)

var workflows = []string{"../.github/workflows/verify.yml", "../docs/ci/github.yml"}

func TestWorkflowsAreLinted(t *testing.T) {
	for _, name := range workflows {
		l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found, err := l.Lint(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("%s:%d:%d: %s", name, f.Line, f.Column, f.Message)
		}
	}
}

// An action by tag is whatever somebody makes of it tomorrow.
func TestActionsArePinnedByCommit(t *testing.T) {
	uses, pinned := regexp.MustCompile(`(?m)^\s*-?\s*uses: *(\S+)`), regexp.MustCompile(`@[0-9a-f]{40}$`)
	n := 0
	for _, name := range workflows {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			n++
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s: %s", name, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no action is used at all")
	}
}

// All of them install the same Dagger, the one that the module is for, and
// check its hash before it runs.
func TestCIFilesAgree(t *testing.T) {
	const sha256 = "53e226c7da8fb75171e58c35759d736d961ce8b3a12db0baa7b7107954fccc5a"
	module, err := os.ReadFile("../dagger.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(module), `"engineVersion": "`+sdkVersion+`"`) {
		t.Errorf("dagger.json is not for %s", sdkVersion)
	}
	files, err := filepath.Glob("../docs/ci/*")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range append(files, workflows[0]) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{sdkVersion, sha256, "sha256sum", "call verify"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if strings.Index(string(text), "sha256sum") > strings.Index(string(text), "tar -xzf") {
			t.Errorf("%s unpacks before it checks", name)
		}
	}
}

func TestGitLabJob(t *testing.T) {
	text, err := os.ReadFile("../docs/ci/gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs map[string]struct {
		Image        string
		Services     []string
		Variables    map[string]string
		Timeout      string
		BeforeScript []string `yaml:"before_script"`
		Script       []string
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&jobs); err != nil {
		t.Fatal(err)
	}
	job := jobs["verify"]
	if len(jobs) != 1 || len(job.Script) != 1 || job.Image == "" {
		t.Errorf("jobs %v", jobs)
	}
	shell(t, "gitlab-ci.yml", strings.Join(append(job.BeforeScript, job.Script...), "\n"))
}

func TestShellScripts(t *testing.T) {
	for _, name := range []string{"../docs/ci/verify.sh", "../scripts/twice", "../scripts/test", "../scripts/bench", "../.ci/run"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		shell(t, name, string(text))
	}
}

func shell(t *testing.T, name, text string) {
	t.Helper()
	if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name); err != nil {
		t.Error(err)
	}
}
