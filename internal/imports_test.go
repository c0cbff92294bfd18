// Package internal_test guards the direction of imports: data flows one way,
// and nothing that decides a bit knows an engine.
package internal_test

import (
	"bufio"
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/craton-co/twice/"

// order is the way of the data. A package may import only what stands before
// it. A new package has to be given its place here.
var order = []string{
	"internal/mutate",
	"internal/fault",
	"internal/lastline",
	"internal/credential",
	"internal/registry",
	"internal/referrer",
	"internal/rustsyntax",
	"internal/tomldoc",
	"internal/sarif",
	"images",
	"internal/store",
	"internal/cache",
	"internal/doctor",
	"internal/address",
	"internal/fetch",
	"internal/layer",
	"internal/hostile",
	"internal/spool",
	"internal/image",
	"internal/transfer",
	"internal/remotestore",
	"internal/archive",
	"internal/pe",
	"internal/rustkey",
	"internal/rust",
	"internal/cargo",
	"internal/pypi",
	"internal/cuda",
	"internal/config",
	"internal/debian",
	"internal/source",
	"internal/base",
	"internal/compose",
	"internal/lock",
	"internal/vouch",
	"internal/trust",
	"internal/sign",
	"internal/sign/signtest",
	"internal/sbom",
	"internal/provenance",
	"internal/audit",
	"internal/deny",
	"internal/plan",
	"internal/resolve",
	"internal/inputs",
	"internal/recipe",
	"internal/buildcontext",
	"internal/normalize",
	"internal/linkage",
	"internal/scan",
	"internal/inflate",
	"internal/compare",
	"internal/cause",
	"internal/bisect",
	"internal/verdict",
	"internal/reference",
	"internal/report",
	"internal/artefact",
	"internal/verify",
	"internal/evidence",
	"internal/publish",
	"internal/rebuild",
	"internal/consensus",
	"internal/check",
	"internal/engine",
	"internal/engine/embedded",
	"internal/bench",
	"internal/release",
	"cmd/twice",
}

// engines are modules that run commands.
var engines = []string{"github.com/moby/buildkit", "dagger.io/", "github.com/docker/docker", "github.com/containerd/containerd"}

// knowsEngines are the packages that may import them.
var knowsEngines = []string{"internal/engine", "internal/engine/embedded", "internal/bench", "cmd/twice"}

func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		name, rest, _ := strings.Cut(s.Text(), " ")
		all[strings.TrimPrefix(name, module)] = strings.Fields(rest)
	}
	return all
}

func TestDirection(t *testing.T) {
	for pkg, list := range imports(t) {
		if pkg == "internal" || strings.Contains(pkg, "/testdata/") {
			continue
		}
		place := slices.Index(order, pkg)
		if place < 0 {
			t.Errorf("%s has no place in the order of packages", pkg)
			continue
		}
		for _, i := range list {
			short, ours := strings.CutPrefix(i, module)
			if ours && slices.Index(order, short) >= place {
				t.Errorf("%s imports %s, which comes after it", pkg, short)
			}
		}
	}
}

// An engine runs commands; everything else is data.
func TestOnlyEnginesKnowEngines(t *testing.T) {
	for pkg, list := range imports(t) {
		if slices.Contains(knowsEngines, pkg) || strings.Contains(pkg, "/testdata/") {
			continue
		}
		for _, i := range list {
			for _, e := range engines {
				if strings.HasPrefix(i, e) {
					t.Errorf("%s imports %s", pkg, i)
				}
			}
			if strings.HasPrefix(i, module+"internal/engine") {
				t.Errorf("%s imports %s", pkg, i)
			}
		}
	}
}

// Hosts are named in one place.
func TestHostsStandInOneFile(t *testing.T) {
	hosts := []string{"crates.io/", "static.crates", "index.crates.io/", "deb.debian", "snapshot.debian", "static.rust", "developer.download", "proxy.golang", "pypi.org", "pythonhosted"}
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "..").Output()
	if err != nil {
		t.Skip("not a git checkout: which files belong to it is not known")
	}
	for _, f := range strings.Fields(string(out)) {
		if strings.HasSuffix(f, "address/defaults.go") || strings.HasSuffix(f, "imports_test.go") || strings.HasSuffix(f, ".sum") || strings.HasSuffix(f, "Cargo.lock") {
			continue
		}
		grep, _ := exec.Command("grep", append([]string{"-nF", f}, patterns(hosts)...)...).Output()
		for line := range bytes.Lines(grep) {
			t.Errorf("%s: %s", f, bytes.TrimSpace(line))
		}
	}
}

func patterns(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		out = append(out, "-e", h)
	}
	return out
}
