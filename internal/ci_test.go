package internal_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/resolve"
	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"
)

var workflows = []string{"../.github/workflows/verify.yml", "../docs/ci/github.yml", "../docs/ci/command/github.yml", "../docs/ci/pins/github.yml"}

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
	files, err := filepath.Glob("../docs/ci/*.*")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range append(files, workflows[0], "../docs/ci/release/github.yml", "../docs/ci/release/gitlab-ci.yml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		call := "call verify"
		if strings.Contains(name, "release") {
			call = "call report"
		}
		for _, want := range []string{sdkVersion, sha256, "sha256sum", call} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if strings.Index(string(text), "sha256sum") > strings.Index(string(text), "tar -xzf") {
			t.Errorf("%s unpacks before it checks", name)
		}
		// A file that no commit holds is a change, and a source with changes is refused.
		if !regexp.MustCompile(`cd "\$RUNNER_TEMP"[^\n]*\n *curl [^\n]*-o "\$file"|curl [^\n]*-o "(/tmp|\$dir)/\$file"`).Match(text) {
			t.Errorf("%s downloads into the checkout", name)
		}
	}
}

// Those without Dagger take Twice at a commit and run the same command.
func TestCIFilesOfTheCommand(t *testing.T) {
	files, err := filepath.Glob("../docs/ci/command/*")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	checkout := regexp.MustCompile(`checkout --quiet --detach "\$(TWICE_COMMIT|\{TWICE_COMMIT:\?.*\})"`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := checkout.FindStringIndex(string(text))
		run := strings.Index(string(text), "scripts/twice")
		if at == nil || run < at[1] || !regexp.MustCompile(`scripts/twice"? verify (--report \S+ )?\.\n`).Match(text) {
			t.Errorf("%s does not check a commit out and then run scripts/twice verify", name)
		}
		if strings.Contains(string(text), "dagger") {
			t.Errorf("%s has to do with dagger", name)
		}
	}
}

func TestGitLabJobs(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z]+:[0-9][0-9a-z.-]*@sha256:[0-9a-f]{64}$`)
	for _, name := range []string{"../docs/ci/gitlab-ci.yml", "../docs/ci/command/gitlab-ci.yml"} {
		text, err := os.ReadFile(name)
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
			Cache        any
		}
		d := yaml.NewDecoder(strings.NewReader(string(text)))
		d.KnownFields(true)
		if err := d.Decode(&jobs); err != nil {
			t.Fatal(err)
		}
		job := jobs["verify"]
		if len(jobs) != 1 || len(job.Script) != 1 {
			t.Errorf("%s: jobs %v", name, jobs)
		}
		for _, image := range append(job.Services, job.Image) {
			if !pinned.MatchString(image) {
				t.Errorf("%s: image %s is not pinned by digest", name, image)
			}
		}
		shell(t, name, strings.Join(append(job.BeforeScript, job.Script...), "\n"))
	}
}

func TestShellScripts(t *testing.T) {
	for _, name := range []string{"../docs/ci/verify.sh", "../docs/ci/command/verify.sh", "../docs/ci/pins/pins.sh", "../scripts/twice", "../scripts/test", "../scripts/bench", "../scripts/real", "../.ci/run"} {
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

// Renovate's file is JSON, its patterns are regular expressions that find what
// they are for, and the command that it runs is one of ours.
func TestRenovate(t *testing.T) {
	text, err := os.ReadFile("../docs/ci/pins/renovate.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		PackageRules []struct {
			PostUpgradeTasks struct {
				Commands    []string
				FileFilters []string
			}
		}
		CustomManagers []struct {
			ManagerFilePatterns, MatchStrings []string
		}
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, m := range c.CustomManagers {
		for _, p := range m.ManagerFilePatterns {
			if !regexp.MustCompile(strings.Trim(p, "/")).MatchString("sub/rust-toolchain.toml") {
				t.Errorf("%s finds no rust-toolchain.toml", p)
			}
		}
		for _, p := range m.MatchStrings {
			m := regexp.MustCompile(p).FindStringSubmatch("[toolchain]\nchannel = \"1.95.0\"\n")
			if m == nil || m[1] != "1.95.0" {
				t.Errorf("%s finds %v", p, m)
			}
		}
	}
	for _, r := range c.PackageRules {
		for _, cmd := range r.PostUpgradeTasks.Commands {
			words := strings.Fields(cmd)
			if len(words) != 4 || strings.Join(words[:3], " ") != "twice lock --update" || !slices.Contains(resolve.Pins, words[3]) || !slices.Equal(r.PostUpgradeTasks.FileFilters, []string{"twice.lock"}) {
				t.Errorf("%q, %v", cmd, r.PostUpgradeTasks.FileFilters)
			}
			found = true
		}
	}
	if !found {
		t.Error("no command is run at all")
	}
	workflow, err := os.ReadFile("../docs/ci/pins/github.yml")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`what: \[(.*)\]`).FindStringSubmatch(string(workflow))
	if list == nil {
		t.Fatal("no pins in the matrix")
	}
	for _, w := range strings.Split(list[1], ", ") {
		if !slices.Contains(resolve.Pins, w) {
			t.Errorf("%s is not a pin", w)
		}
	}
}
