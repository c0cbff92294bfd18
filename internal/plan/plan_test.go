package plan

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/image"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

var update = flag.Bool("update", false, "write the golden files")

func example() *Plan {
	return &Plan{
		Name: "demo", Epoch: 1700000000, Platform: "linux/amd64", Triple: "x86_64-unknown-linux-gnu", Profile: "release",
		Bins: []string{"demo"}, Rlibs: true, Env: map[string]string{"DEMO": "it's"}, CFlags: map[string]string{"CFLAGS": "-O3"},
		Inputs: Inputs{Builder: digest.FromString("b"), Source: digest.FromString("s"), Vendor: digest.FromString("v")},
	}
}

func withGit() *Plan {
	p := example()
	p.Dir = "rust"
	p.GitRepos = []GitRepo{{URL: "https://git.example.org/a/b.git", Folder: "b-0123"}}
	p.Inputs.Git, p.Inputs.GitBuilder = digest.FromString("g"), digest.FromString("gb")
	return p
}

func withSplitGit() *Plan {
	p := withGit()
	for _, commit := range []string{strings.Repeat("ab", 20), strings.Repeat("cd", 20)} {
		p.GitSources = append(p.GitSources, GitSource{URL: p.GitRepos[0].URL, Commit: commit, Folder: "b-0123-" + commit[:12], Packages: []string{"x 0.1.0"}})
	}
	return p
}

func splitDebug() *Plan {
	p := example()
	p.SplitDebug = true
	return p
}

func asksGit() *Plan {
	p := example()
	p.AsksGit = true
	p.Inputs.Repository = digest.FromString("r")
	return p
}

func kept() *Plan { return withGit().KeepDependencies(digest.FromString("k")) }

// Compiling dependencies apart changes nothing that counts, and its steps are those
// of any run of the same side, and of no other side's.
func TestKeepDependencies(t *testing.T) {
	p := kept()
	if p.Digest() != withGit().Digest() {
		t.Error("the plan has another digest")
	}
	steps := func(s Side) []string { return strings.Split(p.Dockerfile(s), "\nFROM ")[1:] }
	first, again, b := steps(Side{Name: "A", Run: "r1-A", Jobs: 1}), steps(Side{Name: "A", Run: "r2-A", Jobs: 1}), steps(Side{Name: "B", Run: "r1-B", Jobs: 1})
	var stages []string
	for i, s := range first {
		name, _, _ := strings.Cut(s, "\n")
		stages = append(stages, name)
		if same := s == again[i]; same != (i != 2) {
			t.Errorf("stage %s: is it that of the next run? %v", name, same)
		}
		if i < 3 && s == b[i] {
			t.Errorf("stage %s is that of the other side", name)
		}
	}
	if d := cmp.Diff([]string{"gitbuilder AS gitvendor", "builder AS kept", "kept AS build", "scratch AS out"}, stages); d != "" {
		t.Error(d)
	}
	later := *p
	later.Epoch++
	if strings.Split(later.Dockerfile(Side{Name: "A", Run: "r1-A", Jobs: 1}), "\nFROM ")[2] == first[1] {
		t.Error("another SOURCE_DATE_EPOCH has the same step")
	}
	for _, p := range []*Plan{asksGit(), example().AskTree(), example().Watched(), example().AskDeny(Deny{})} {
		if p.CanKeep() {
			t.Errorf("%+v can keep dependencies", p)
		}
	}
}

// No command of one side is a command of the other: engines run equal ones once.
func TestSidesShareNoCommand(t *testing.T) {
	p := withGit()
	commands := func(s Side) (out []string) {
		for _, c := range strings.Split(p.Dockerfile(s), "\nRUN ")[1:] {
			body, _, _ := strings.Cut(c, "\nEND\n")
			out = append(out, body)
		}
		return out
	}
	a, b := commands(Side{Name: "A", Run: "r-A", Jobs: 1}), commands(Side{Name: "B", Run: "r-B", Jobs: 1})
	if len(a) != 2 || len(b) != 2 {
		t.Fatalf("%d and %d commands, want 2", len(a), len(b))
	}
	for _, x := range a {
		for _, y := range b {
			if x == y {
				t.Errorf("both sides run\n%s", x)
			}
		}
	}
}

func TestRustSrcIsRemapped(t *testing.T) {
	p := example()
	p.RustSrc = true
	text := p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 1})
	for _, want := range []string{
		"rustc_commit=$(rustc -vV | sed -n 's/^commit-hash: //p')\n",
		" --remap-path-prefix=/usr/local/lib/rustlib/src/rust=/rustc/$rustc_commit",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// A distribution's rustc lies elsewhere, and has more to say of its commit.
func TestSysroot(t *testing.T) {
	p := example()
	p.Sysroot, p.RustSrc = "/usr", true
	text := p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 1})
	for _, want := range []string{
		"sed -n 's/^commit-hash: \\([0-9a-f]*\\).*/\\1/p')\n",
		" --remap-path-prefix=/usr/lib/rustlib/src/rust=/rustc/$rustc_commit",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	p.RustSrc = false
	if strings.Contains(p.Dockerfile(Side{}), "rustc_commit") {
		t.Error("sources are remapped that aren't there")
	}
}

// Tools are named for the target alone, and the project's own variables win.
func TestTools(t *testing.T) {
	p := example()
	p.Triple = "aarch64-unknown-linux-gnu"
	p.Tools = Tools{Linker: "aarch64-linux-gnu-gcc", CC: "aarch64-linux-gnu-gcc", CXX: "aarch64-linux-gnu-g++", AR: "aarch64-linux-gnu-ar"}
	p.Env = map[string]string{"CC_aarch64_unknown_linux_gnu": "clang"}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	text := p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 1})
	want := "    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \\\n" +
		"    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \\\n" +
		"    CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \\\n" +
		"    AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \\\n" +
		"    CC_aarch64_unknown_linux_gnu='clang' \\\n"
	if !strings.Contains(text, want) {
		t.Errorf("no\n%s in\n%s", want, text)
	}
	p.Tools.Linker = "ld; rm"
	if err := p.Check(); err == nil {
		t.Error("a linker with a semicolon passed")
	}
}

// What runs is the same text, however the inputs get to the engine.
func TestOneBody(t *testing.T) {
	p, s := withGit(), Side{Name: "B", Run: "r1-B", Jobs: 2, Vary: AllAxes()}
	_, named, _ := strings.Cut(p.Dockerfile(s), "\n\n")
	if !strings.HasSuffix(p.ContextDockerfile(s, nil), "\n\n"+named) {
		t.Error("the two renderings run different things")
	}
}

func TestGolden(t *testing.T) {
	layers := map[string][]string{"builder": {"blobs/1", "blobs/2"}, "source": {"blobs/3"}, "vendor": {"blobs/4"}}
	for _, c := range []struct {
		name   string
		plan   *Plan
		side   Side
		layers map[string][]string
	}{
		{"a", example(), Side{Name: "A", Run: "r1-A", Jobs: 2}, nil},
		{"b", example(), Side{Name: "B", Run: "r1-B", Jobs: 2, Vary: AllAxes()}, nil},
		{"git", withGit(), Side{Name: "A", Run: "r1-A", Jobs: 2}, nil},
		{"split", withSplitGit(), Side{Name: "A", Run: "r1-A", Jobs: 2}, nil},
		{"asks-git", asksGit(), Side{Name: "A", Run: "r1-A", Jobs: 2}, nil},
		{"split-debug", splitDebug(), Side{Name: "A", Run: "r1-A", Jobs: 2}, nil},
		{"context", example(), Side{Name: "A", Run: "r1-A", Jobs: 2}, layers},
		{"kept", kept(), Side{Name: "B", Run: "r1-B", Jobs: 2, Vary: AllAxes()}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.plan.Check(); err != nil {
				t.Fatal(err)
			}
			got := c.plan.Dockerfile(c.side)
			if c.layers != nil {
				got = c.plan.ContextDockerfile(c.side, c.layers)
			}
			got = strings.NewReplacer(audit.Program, "… audit.Program\n", audit.Library, "… audit.Library\n").Replace(got)
			golden(t, c.name, got)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".Dockerfile")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Images come after what runs, and change nothing in it.
func TestImages(t *testing.T) {
	p, side := withGit(), Side{Name: "A", Jobs: 2}
	im := Image{
		Stage: "image", Base: "runtime", BaseOf: "runtime-cc", BinDir: "/usr/bin", Files: []ImageFile{{"it's", "/usr/share/demo"}},
		Config: image.Config{
			User: "65532:65532", WorkingDir: "/a b", Env: []string{`A="$x" \y`}, Labels: map[string]string{"l": "it's $PATH"},
			ExposedPorts: []string{"80/tcp"}, Entrypoint: []string{"/usr/bin/demo", `"`}, Cmd: []string{},
		},
	}
	if err := im.Check(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(p.Dockerfile(side, im), p.Dockerfile(side)) {
		t.Error("an image changes what stands before it")
	}
	golden(t, "image", p.Dockerfile(side, im))
	text := p.CommitDockerfile("twice plan --to-commit", []Image{im})
	golden(t, "commit", text)
	for _, word := range []string{"1700000000", "sha256:0", "sha256:4"} {
		if strings.Contains(text, word) {
			t.Errorf("%s is in a file to commit", word)
		}
	}
	layers := map[string][]string{"builder": {"b"}, "source": {"s"}, "vendor": {"v"}, "git": {"g"}, "gitbuilder": {"gb"}, "runtime": {"r1", "r2"}}
	if c := p.ContextDockerfile(side, layers, im); !strings.Contains(c, "\nFROM scratch AS runtime\nADD r1 /\nADD r2 /\n") {
		t.Errorf("no runtime in\n%s", c)
	}
	im.Config.Labels["l"] = "a\nRUN id"
	if im.Check() == nil {
		t.Error("a label with a line break is not refused")
	}
}

// Nothing that may not matter is in a plan's digest, and everything else is.
func TestDigest(t *testing.T) {
	p := example()
	d := p.Digest()
	for _, s := range []Side{{Name: "B", Run: "x", Jobs: 9, Vary: AllAxes()}, {Name: "A"}} {
		p.Dockerfile(s)
		if p.Digest() != d {
			t.Errorf("rendering side %s changed the digest", s.Name)
		}
	}
	for name, change := range map[string]func(*Plan){
		"name":     func(p *Plan) { p.Name = "other" },
		"dir":      func(p *Plan) { p.Dir = "sub" },
		"epoch":    func(p *Plan) { p.Epoch++ },
		"triple":   func(p *Plan) { p.Triple = "x86_64-unknown-linux-musl" },
		"profile":  func(p *Plan) { p.Profile = "dist" },
		"package":  func(p *Plan) { p.Packages = []string{"x"} },
		"bin":      func(p *Plan) { p.Bins = append(p.Bins, "x") },
		"feature":  func(p *Plan) { p.Features = []string{"x"} },
		"default":  func(p *Plan) { p.NoDefaultFeatures = true },
		"rlibs":    func(p *Plan) { p.Rlibs = false },
		"env":      func(p *Plan) { p.Env = nil },
		"cflags":   func(p *Plan) { p.CFlags = nil },
		"rust-src": func(p *Plan) { p.RustSrc = true },
		"out-dir":  func(p *Plan) { p.OutDir = []string{"x"} },
		"linker":   func(p *Plan) { p.Tools.Linker = "ld" },
		"cc":       func(p *Plan) { p.Tools.CC = "clang" },
		"git":      func(p *Plan) { p.AsksGit = true },
		"debug":    func(p *Plan) { p.SplitDebug = true },
		"builder":  func(p *Plan) { p.Inputs.Builder = digest.FromString("x") },
		"source":   func(p *Plan) { p.Inputs.Source = digest.FromString("x") },
		"vendor":   func(p *Plan) { p.Inputs.Vendor = digest.FromString("x") },
	} {
		q := example()
		change(q)
		if q.Digest() == d {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

// Each axis changes the text of its side, and only within the lines that say
// what may not matter.
func TestAxesStandApart(t *testing.T) {
	p := example()
	_, plain, _ := strings.Cut(p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 2}), "# The plan\n")
	seen := map[string]Axis{}
	for _, a := range AllAxes() {
		text := p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 2, Vary: []Axis{a}})
		if other, twice := seen[text]; twice {
			t.Errorf("%s and %s change the same thing", a, other)
		}
		seen[text] = a
		if a == HostName {
			continue // the engine sets it
		}
		if text == p.Dockerfile(Side{Name: "A", Run: "r", Jobs: 2}) {
			t.Errorf("%s changes nothing", a)
		}
		if _, rest, _ := strings.Cut(text, "# The plan\n"); rest != plain {
			t.Errorf("%s changes the plan", a)
		}
	}
}

// No setting can break out of its place in the shell script.
func TestCheckRefusesShell(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"name":    func(p *Plan) { p.Name = "a b" },
		"bin":     func(p *Plan) { p.Bins = []string{"$(id)"} },
		"feature": func(p *Plan) { p.Features = []string{"a;b"} },
		"dir":     func(p *Plan) { p.Dir = "a`b`" },
		"env":     func(p *Plan) { p.Env = map[string]string{"A": "x\nEND\nRUN id"} },
		"cflags":  func(p *Plan) { p.CFlags = map[string]string{"CFLAGS": "x\nEND"} },
		"git":     func(p *Plan) { p.GitRepos = []GitRepo{{URL: "https://x/'y", Folder: "f"}} },
		"empty":   func(p *Plan) { p.Triple = "" },
	} {
		p := example()
		change(p)
		if p.Check() == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

func TestParseAxes(t *testing.T) {
	if got, err := ParseAxes("none"); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
	if got, err := ParseAxes("all"); err != nil || len(got) != len(AllAxes()) {
		t.Errorf("all: %v, %v", got, err)
	}
	got, err := ParseAxes("jobs,umask,jobs")
	if d := cmp.Diff([]Axis{Jobs, Umask}, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	if _, err := ParseAxes("weather"); err == nil {
		t.Error("weather is an axis")
	}
}
