package resolve

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/source"
)

// workspace is one package with one binary.
func workspace() *cargo.Workspace {
	return &cargo.Workspace{Root: ".", Name: "app", Bins: []cargo.Bin{{Name: "app", Package: "app"}}, Members: []cargo.Member{{Name: "app", Features: map[string][]string{"fast": {"serde"}}, Optional: []string{"serde"}}}}
}

// filled is the project of a twice.toml, as Open leaves it.
func filled(t *testing.T, ws *cargo.Workspace, text string) (*Project, error) {
	t.Helper()
	f, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := &Project{Workspace: ws, Config: f, CargoLock: &cargo.LockFile{}, Source: &source.Source{Tree: layer.NewTree()}}
	err = Fill(f, ws, "")
	p.asked = f.InputsDigest()
	return p, err
}

func TestDebianToolchain(t *testing.T) {
	ctx := context.Background()
	p, err := filled(t, workspace(), "[toolchain]\nchannel = \"debian\"\ncomponents = [\"rustfmt\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	if p.Config.Builder.Image != DebianBuilder {
		t.Errorf("builder %s", p.Config.Builder.Image)
	}
	// No server is asked: the packages are the pin.
	l, err := p.Relock(ctx, (*dist)(nil).tools(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Toolchain.Channel != rust.Debian || !strings.HasPrefix(l.Toolchain.Rustc, "1.85.0+") || l.Toolchain.Tree != "" || !strings.HasPrefix(l.Toolchain.Vouched, "Debian ") {
		t.Errorf("%+v", l.Toolchain)
	}
	if _, err := lock.Parse(l.Format()); err != nil {
		t.Error(err)
	}
	builtin, _, err := p.builtin(ctx, (*dist)(nil).tools(t))
	if err != nil || string(builtin.Format()) != string(l.Format()) {
		t.Errorf("without a lock it is another: %v", err)
	}
	p.Lock = l
	def, err := p.Definition(DebianBuilder)
	if err != nil || !slices.ContainsFunc(def.Locked(), func(x images.Package) bool { return x.Name == "rustfmt-web" }) {
		t.Errorf("rustfmt is not among the packages: %v", err)
	}
	if p.RustVersion() != "1.85.0" || p.RustFrom() != "debian's" {
		t.Errorf("rust %s (%s)", p.RustVersion(), p.RustFrom())
	}

	for text, want := range map[string]string{
		"[toolchain]\nchannel = \"debian\"\n[builder]\nimage = \"builder-rust\"\n":               "has no Rust among its packages",
		"[toolchain]\nchannel = \"debian\"\n[[build]]\ntarget = \"x86_64-unknown-linux-musl\"\n": "has no Rust standard library for x86_64-unknown-linux-musl",
		"[toolchain]\nchannel = \"debian\"\ntargets = [\"wasm32-unknown-unknown\"]\n":            "has no Rust standard library for wasm32-unknown-unknown",
		"[toolchain]\nchannel = \"debian\"\ncomponents = [\"miri\"]\n":                           "no package for the Rust component miri",
	} {
		p, err := filled(t, workspace(), text)
		if err == nil {
			p.Lock, _, err = p.builtin(ctx, (*dist)(nil).tools(t))
		}
		if err == nil {
			_, err = p.Definition(p.Config.Builder.Image)
		}
		if err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A target brings the layers and the tools that it needs, and its image the
// base of its architecture; the machine's own target brings none.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		text   string
		layers []string
		tools  plan.Tools
		base   string
		input  string
	}{
		{"", nil, plan.Tools{}, "runtime-cc", "runtime-cc"},
		{"[[build]]\ntarget = \"aarch64-unknown-linux-gnu\"\n", []string{"cross-aarch64"},
			plan.Tools{Linker: "aarch64-linux-gnu-gcc", CC: "aarch64-linux-gnu-gcc", CXX: "aarch64-linux-gnu-g++", AR: "aarch64-linux-gnu-ar"},
			"runtime-cc-arm64", "runtime-cc-arm64"},
		{"[toolchain]\nchannel = \"debian\"\n[[build]]\ntarget = \"aarch64-unknown-linux-gnu\"\n", []string{"cross-aarch64", "rust-std-debian-arm64"},
			plan.Tools{Linker: "aarch64-linux-gnu-gcc", CC: "aarch64-linux-gnu-gcc", CXX: "aarch64-linux-gnu-g++", AR: "aarch64-linux-gnu-ar"},
			"runtime-cc-arm64", "runtime-cc-arm64"},
		{"[[build]]\nname = \"x\"\ntarget = \"x86_64-unknown-linux-musl\"\n[[image]]\nbuild = \"x\"\nbase = \"scratch\"\n", []string{"cross-musl"},
			plan.Tools{CC: "musl-gcc"}, "scratch", "scratch"},
		{"[[build]]\nname = \"x\"\ntarget = \"aarch64-unknown-linux-musl\"\n[[image]]\nbuild = \"x\"\nbase = \"b@" + aDigest + "\"\n", []string{"cross-aarch64"},
			plan.Tools{Linker: "aarch64-linux-gnu-gcc"}, "b@" + aDigest, "b@" + aDigest + " linux/arm64"},
	} {
		p, err := filled(t, workspace(), c.text)
		if err != nil {
			t.Fatalf("%q: %v", c.text, err)
		}
		layers, err := p.BuilderLayers()
		if err != nil || !slices.Equal(layers, c.layers) {
			t.Errorf("%q: layers %v, %v", c.text, layers, err)
		}
		if got := p.Tools(p.Config.Builds[0].Target); got != c.tools {
			t.Errorf("%q: tools %+v", c.text, got)
		}
		im := p.Config.Images[0]
		if im.Base != c.base || im.Input() != c.input || config.ParseInput(im.Input()).Input() != c.input {
			t.Errorf("%q: base %s, input %s", c.text, im.Base, im.Input())
		}
	}
	_, err := filled(t, workspace(), "[[build]]\nname = \"x\"\n[[image]]\nbuild = \"x\"\nbase = \"runtime-cc-arm64\"\n")
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("an arm64 base of an amd64 build: %v", err)
	}
	// The project's own linker stays.
	ws := workspace()
	ws.Config.Targets = []cargo.TargetConfig{{Key: "aarch64-unknown-linux-gnu", Linker: "ld.lld"}}
	p, err := filled(t, ws, "[[build]]\ntarget = \"aarch64-unknown-linux-gnu\"\n")
	if err != nil || p.Tools("aarch64-unknown-linux-gnu").Linker != "" || p.Tools("aarch64-unknown-linux-gnu").CC == "" {
		t.Errorf("%v", err)
	}
}

const aDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// rust-toolchain.toml counts in whole: its profile, components and targets.
func TestToolchainFile(t *testing.T) {
	ws := workspace()
	ws.Toolchain = rust.ToolchainFile{File: "rust-toolchain.toml", Channel: "1.95.0", Profile: "default",
		Components: []string{"rust-src", "clippy"}, Targets: []string{"wasm32-unknown-unknown"}}
	p, err := filled(t, ws, "[toolchain]\ncomponents = [\"llvm-tools\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	tc := p.Config.Toolchain
	if !slices.Equal(tc.Components, []string{"llvm-tools", "rust-src", "clippy", "rustfmt"}) || !slices.Equal(p.stdTargets(), []string{"wasm32-unknown-unknown", DefaultTarget}) {
		t.Errorf("%+v, %v", tc, p.stdTargets())
	}
	// A lock without the target's standard library is stale.
	def, err := BuiltinToolchain()
	if err != nil {
		t.Fatal(err)
	}
	if hasTargets(def, p.stdTargets()) {
		t.Error("the built-in toolchain has wasm32")
	}
	ws.Toolchain.Profile = "complete"
	// follows: resolve: %s: the profile %q is whatever components a day's toolchain has
	if _, err := filled(t, ws, ""); fault.HintOf(err) != "take the profile minimal, and name the components that the build needs" {
		t.Errorf("profile complete: %v; hint %q", err, fault.HintOf(err))
	}
	ws.Toolchain.Profile = "minimal"
	if p, err := filled(t, ws, ""); err != nil || !slices.Contains(p.Config.Toolchain.Components, "clippy") {
		t.Error(err)
	}
}

// An image of several builds becomes one a platform and an index, in whatever
// order they are named; an index that would lack a part is none.
func TestIndex(t *testing.T) {
	const builds = "name = \"tool\"\n[[build]]\nname = \"x\"\n[[build]]\nname = \"arm\"\ntarget = \"aarch64-unknown-linux-gnu\"\n"
	p, err := filled(t, workspace(), builds+"[[image]]\nbuilds = [\"arm\", \"x\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, im := range p.Config.Images {
		got = append(got, im.Title()+" of "+im.Build+" in "+im.Index+" on "+im.Base)
	}
	if want := []string{"tool-arm64 of arm in tool on runtime-cc-arm64", "tool-amd64 of x in tool on runtime-cc"}; !slices.Equal(got, want) || p.Config.Releases() != 1 {
		t.Errorf("%q, %d", got, p.Config.Releases())
	}
	if err := only(p.Config, []string{"arm"}); err != nil || len(p.Config.Images) != 1 || p.Config.Images[0].Index != "" {
		t.Errorf("one build of two: %+v, %v", p.Config.Images, err)
	}
	for text, want := range map[string]string{
		"[[build]]\nname = \"y\"\n[[image]]\nbuilds = [\"x\", \"y\"]\n":                       "two of its builds are for amd64",
		"[[image]]\nbuild = \"x\"\nname = \"a\"\n[[image]]\nbuilds = [\"x\"]\nname = \"a\"\n": "two images are called",
	} {
		if _, err := filled(t, workspace(), builds+text); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}
