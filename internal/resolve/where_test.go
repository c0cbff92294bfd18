package resolve

import (
	"context"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
)

// What a twice.toml asks for and the workspace or the pins haven't is refused with
// its line, and with a hint: where the file then says what the hint says, it isn't.
func TestWhatIsAskedForHasALine(t *testing.T) {
	const two = "[[build]]\nname = \"x\"\n[[build]]\nname = \"y\"\ntarget = \"aarch64-unknown-linux-gnu\"\n"
	library := &cargo.Workspace{Root: ".", Name: "app", Members: []cargo.Member{{Name: "app"}}}
	// follows: resolve: %s: two images are called %q
	// follows: resolve: %s: image %s: two of its builds are for %s
	// follows: resolve: %s: build %s: no binary is called %q
	// follows: resolve: %s: build %s: the workspace has no package %q
	// follows: resolve: %s: build %s: no package that is built has the feature %q
	// follows: resolve: %s: an image doesn't say which build it is of
	// follows: resolve: %s: the image of %s has no binary to start
	// follows: resolve: %s: builder: %w
	// follows: resolve: %s: base %s: %w
	// follows: resolve: %s: base %s is for %s, and a build of %s is put on it
	// follows: resolve: %s: [toolchain] channel is %q, and image %s has no Rust among its packages
	// follows: resolve: %s: image %s has no Rust standard library for %s
	// follows: resolve: %s: image %s has no package for the Rust component %s
	// follows: cargo: %s: not defined
	for _, c := range []struct{ text, want, hint, mended string }{
		{"[[image]]\n[[image]]\n", `twice.toml:2: two images are called "app"`, "another name", "[[image]]\n[[image]]\nname = \"b\"\n"},
		{two + "[[image]]\nbuilds = [\"x\", \"y\"]\n[[image]]\nbuilds = [\"x\", \"y\"]\n", `twice.toml:8: two images are called "app"`, "another name",
			two + "[[image]]\nbuilds = [\"x\", \"y\"]\n[[image]]\nname = \"b\"\nbuilds = [\"x\", \"y\"]\n"},
		{two + "[[build]]\nname = \"z\"\n[[image]]\nbuilds = [\n  \"x\",\n  \"z\",\n]\n", "twice.toml:11: image app: two of its builds are for amd64", "an [[image]] of its own",
			two + "[[build]]\nname = \"z\"\n[[image]]\nbuilds = [\"x\", \"y\"]\n[[image]]\nbuild = \"z\"\n"},
		{"# ap\n[[build]]\nbins = [\n  \"ap\",\n]\n", `twice.toml:4: build app: no binary is called "ap"`, "there are: app", "[[build]]\nbins = [\"app\"]\n"},
		{"[[build]]\npackages = [\"ap\"]\n", `twice.toml:2: build app: the workspace has no package "ap"`, "there are: app", "[[build]]\npackages = [\"app\"]\n"},
		{"[[build]]\nfeatures = [\n  \"serde\",\n  \"fastt\",\n]\n", `twice.toml:4: build app: no package that is built has the feature "fastt"`, "there are: fast, serde", "[[build]]\nfeatures = [\"serde\", \"fast\", \"default\", \"libc/extra_traits\"]\n"},
		{"[[build]]\nfeatures = [\"app/fastt\"]\n", `twice.toml:2: build app: no package that is built has the feature "app/fastt"`, "there are: fast, serde", "[[build]]\nfeatures = [\"app/fast\"]\n"},
		{two + "[[image]]\n[[image]]\nbuild = \"y\"\n", "twice.toml:6: an image doesn't say which build it is of", `add build = "NAME"`, two + "[[image]]\nbuild = \"x\"\n[[image]]\nbuild = \"y\"\n"},
		{"[builder]\nimage = \"builder-rusty\"\n", "twice.toml:2: builder: ", "builder-rust", "[builder]\nimage = \"builder-rust\"\n"},
		{"[[image]]\n\nbase = \"runtime\"\n", "twice.toml:3: base runtime: ", "runtime-cc", "[[image]]\n\nbase = \"runtime-cc\"\n"},
		{"[[build]]\ntarget = \"i686-unknown-linux-gnu\"\n[[image]]\nbase = \"runtime-cc\"\n", "twice.toml:4: base runtime-cc is for amd64", "scratch for a static program", "[[build]]\ntarget = \"i686-unknown-linux-gnu\"\n[[image]]\nbase = \"scratch\"\n"},
		{"[toolchain]\nchannel = \"debian\"\n[builder]\nimage = \"builder-rust\"\n", `twice.toml:4: [toolchain] channel is "debian"`, "leave image out of [builder]", "[toolchain]\nchannel = \"debian\"\n"},
		{"[toolchain]\nchannel = \"debian\"\n[[build]]\ntarget = \"riscv64gc-unknown-linux-gnu\"\n[[image]]\nbase = \"scratch\"\n", "twice.toml:4: image builder-debian-rust has no Rust standard library", "name a release of Rust", ""},
		{"[toolchain]\nchannel = \"debian\"\ncomponents = [\"rustfmt\",\n \"miri\"]\n", "twice.toml:4: image builder-debian-rust has no package for the Rust component miri", "name a release of Rust", ""},
		{"[[build]]\nprofile = \"dist\"\n", "twice.toml:2: build app: Cargo.toml: profile.dist: not defined", "or use release", "[[build]]\nprofile = \"release\"\n"},
	} {
		said := func(ws *cargo.Workspace, text string) error {
			p, err := filled(t, ws, text)
			if err != nil {
				return err
			}
			if !p.IsDebian() {
				return nil
			}
			l, err := p.Relock(context.Background(), (*dist)(nil).tools(t), nil, nil)
			if err == nil {
				p.Lock = l
				_, err = p.BuilderPackages()
			}
			return err
		}
		err := said(workspace(), c.text)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%q: %v, want %q; hint %q, want %q", c.text, err, c.want, fault.HintOf(err), c.hint)
		}
		if c.mended == "" {
			continue
		}
		if err := said(workspace(), c.mended); err != nil {
			t.Errorf("%q, mended: %v", c.mended, err)
		}
	}
	if _, err := filled(t, library, "\n[[image]]\n"); err == nil || !strings.HasPrefix(err.Error(), "twice.toml:2: the image of app has no binary to start") || !strings.HasPrefix(fault.HintOf(err), "remove the [[image]] table") {
		t.Error(err)
	}
	if _, err := filled(t, library, "\n"); err != nil {
		t.Error(err)
	}
	if _, err := filled(t, library, "[[image]]\nentrypoint = [\"/bin/sh\"]\n"); err != nil {
		t.Error(err)
	}
}

// A stamp that the source lacks.
func TestStampsHaveALine(t *testing.T) {
	// follows: resolve: %s: %s has %s: %w
	// follows: resolve: no tag names what is built
	// follows: resolve: several tags name the commit: %s
	// follows: resolve: no commit is built
	// follows: resolve: the workspace has no version
	for _, c := range []struct {
		word, hint string
		had, has   func(*Project)
	}{
		{"{tag}", "`git tag v1.2.3` names the commit", func(*Project) {}, func(p *Project) { p.Source.Tags = []string{"v1.2.3"} }},
		{"{tag}", "leave one tag", func(p *Project) { p.Source.Tags = []string{"v1", "v2"} }, func(p *Project) { p.Source.Tags = []string{"v2"} }},
		{"{commit}", "build a clone", func(*Project) {}, func(p *Project) { p.Source.Commit = strings.Repeat("a", 40) }},
		{"{version}", "set workspace.package.version", func(*Project) {}, func(p *Project) { p.Workspace.Version = "1.0.0" }},
	} {
		p, err := filled(t, workspace(), "[[build]]\n\nenv = { V = \"v"+c.word+"\" }\n")
		if err != nil {
			t.Fatal(err)
		}
		c.had(p)
		_, err = p.Stamp(p.Config.Builds[0])
		if err == nil || !strings.HasPrefix(err.Error(), "twice.toml:3: V has "+c.word+": ") || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q", c.word, err, fault.HintOf(err))
		}
		c.has(p)
		if env, err := p.Stamp(p.Config.Builds[0]); err != nil || strings.Contains(env["V"], "{") {
			t.Errorf("%s: %v, %v", c.word, env, err)
		}
	}
}

// A profile's inputs are in its own table.
func TestWhereOfAProfile(t *testing.T) {
	text := "[builder]\nimage = \"builder-rust\"\n[[image]]\nbase = \"runtime-cc\"\n[profile.p]\nbase = \"nothing\"\n[profile.p.builder]\nimage = \"none\"\n"
	for _, c := range []struct{ text, want string }{
		{text, "twice.toml:8: builder: "},
		{strings.Replace(text, "\"none\"", "\"builder-rust\"", 1), "twice.toml:6: base nothing: "},
	} {
		f, err := config.Parse([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if err := Fill(f, workspace(), "p"); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
