package internal_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Calls of the module, by what they may have.
var (
	builds  = regexp.MustCompile(`call( --\S+ "?\S+"?)* (report|verify|rebuild)\b`) // runs the project's code
	signs   = regexp.MustCompile(`call publish --from \S+ .*--identity-token env://SIGSTORE_ID_TOKEN`)
	rebuild = regexp.MustCompile(`call( --\S+ "?\S+"?)* rebuild --clone --(files|image)`)
)

// In a release, who builds holds no right to sign or to publish, and who signs
// runs nothing of the project; then another machine starts from what is
// published.
func TestReleaseWorkflow(t *testing.T) {
	text, err := os.ReadFile("../docs/ci/release/github.yml")
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Needs       any
			RunsOn      string `yaml:"runs-on"`
			Permissions map[string]string
			Steps       []struct {
				Uses, Run string
				With      map[string]any
				Env       map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	if w.Permissions == nil || len(w.Permissions) != 0 {
		t.Errorf("a job that says nothing may do %v", w.Permissions)
	}
	may := map[string]map[string]string{
		"build":   {"contents": "read"},
		"sign":    {"id-token": "write", "packages": "write"},
		"page":    {"contents": "write"},
		"rebuild": {"contents": "read", "packages": "read"},
	}
	if len(w.Jobs) != len(may) {
		t.Errorf("%d jobs", len(w.Jobs))
	}
	for name, job := range w.Jobs {
		if !maps.Equal(job.Permissions, may[name]) {
			t.Errorf("%s may do %v", name, job.Permissions)
		}
		var run strings.Builder
		checksOut := false
		for _, s := range job.Steps {
			run.WriteString(s.Run + "\n")
			if strings.HasPrefix(s.Uses, "actions/checkout@") {
				checksOut = true
				if s.With["persist-credentials"] != false {
					t.Errorf("%s leaves a token in the checkout", name)
				}
			}
			if strings.HasPrefix(s.Uses, "actions/download-artifact@") && name == "rebuild" {
				t.Errorf("%s takes what a job made, not what was published", name)
			}
			if s.Run != "" {
				shell(t, name, s.Run)
			}
		}
		trusted := name == "sign" || name == "page"
		if checksOut == trusted || builds.MatchString(run.String()) == trusted {
			t.Errorf("%s: checks out %v, runs the project's code %v", name, checksOut, builds.MatchString(run.String()))
		}
		if signs.MatchString(strings.ReplaceAll(run.String(), "\\\n", "")) != (name == "sign") {
			t.Errorf("%s signs, or doesn't", name)
		}
	}
	if n := len(rebuild.FindAllString(string(text), -1)); n != 2 {
		t.Errorf("%d things are built again, of the files and the image", n)
	}
	if w.Jobs["rebuild"].RunsOn == w.Jobs["sign"].RunsOn {
		t.Error("it is built again where it was signed")
	}
}

func TestReleasePipeline(t *testing.T) {
	const name = "../docs/ci/release/gitlab-ci.yml"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var stages struct{ Stages []string }
	if err := yaml.Unmarshal(text, &stages); err != nil {
		t.Fatal(err)
	}
	type job struct {
		Extends, Stage, Image string
		Needs, Tags, Services []string
		Rules                 []map[string]string
		Variables             map[string]string
		Timeout               string
		BeforeScript          []string                     `yaml:"before_script"`
		IDTokens              map[string]map[string]string `yaml:"id_tokens"`
		Script                []string
		Parallel, Artifacts   any
	}
	var all map[string]yaml.Node
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "stages")
	pinned := regexp.MustCompile(`^[a-z]+:[0-9][0-9a-z.-]*@sha256:[0-9a-f]{64}$`)
	var seen []string
	for n, node := range all {
		var j job
		if err := node.Decode(&j); err != nil {
			t.Fatal(err)
		}
		shell(t, name, strings.Join(append(j.BeforeScript, j.Script...), "\n"))
		if n == ".dagger" {
			for _, image := range append(j.Services, j.Image) {
				if !pinned.MatchString(image) {
					t.Errorf("image %s is not pinned by digest", image)
				}
			}
			if len(j.Rules) != 1 || j.Rules[0]["if"] != "$CI_COMMIT_TAG =~ /^v/" {
				t.Errorf("it runs at %v", j.Rules)
			}
			continue
		}
		seen = append(seen, n)
		script := strings.Join(j.Script, "\n")
		trusted := n == "sign" || n == "page"
		if j.Extends != ".dagger" || j.Stage != n || j.Image != "" || len(j.Rules) != 0 {
			t.Errorf("%s is %+v", n, j)
		}
		if (j.IDTokens != nil) != (n == "sign") || signs.MatchString(script) != (n == "sign") {
			t.Errorf("%s has the identity tokens %v", n, j.IDTokens)
		}
		if (j.Variables["GIT_STRATEGY"] == "none") != trusted || builds.MatchString(script) == trusted {
			t.Errorf("%s has the sources, or runs them", n)
		}
	}
	slices.Sort(seen)
	want := slices.Clone(stages.Stages)
	slices.Sort(want)
	if !slices.Equal(seen, want) || !slices.Equal(stages.Stages, []string{"build", "sign", "page", "rebuild"}) {
		t.Errorf("jobs %v, stages %v", seen, stages.Stages)
	}
	if n := len(rebuild.FindAllString(string(text), -1)); n != 2 {
		t.Errorf("%d things are built again, of the files and the image", n)
	}
}
