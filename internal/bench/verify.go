package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
)

// specs are what cold-verify builds.
func (b *bench) specs() []string {
	if b.small {
		return []string{b.path("hello")}
	}
	specs := []string{"crate:ripgrep@15.1.0", "crate:hyperfine@1.20.0"}
	if b.full {
		specs = append(specs, large)
	}
	return specs
}

// large is a program with 380 dependencies.
const large = "crate:cargo-deny@0.18.3"

func nameOf(spec string) string { return filepath.Base(strings.TrimPrefix(spec, "crate:")) }

// fetch brings the inputs of spec into the cache, builder composed.
func (b *bench) fetch(spec string) {
	b.once("fetching the inputs of "+nameOf(spec), func() {
		if b.small {
			b.helloSource()
		}
		b.output(b.twice("fetch", spec))
	})
}

// helloSource makes what -small builds: a copy, since the checkout may have changes.
func (b *bench) helloSource() {
	b.once("copying hello", func() { check(os.CopyFS(b.path("hello"), os.DirFS(filepath.Join("examples", "hello")))) })
}

func coldVerify(b *bench) (lines []line) {
	for i, spec := range b.specs() {
		b.fetch(spec)
		cargo := b.cargo(spec)
		verify := func() float64 { return b.timed(b.twice("verify", "--fresh", "--quiet", "--progress", "none", spec)) }
		var first []float64
		if i == 0 {
			check(os.RemoveAll(b.path("cache", "engine")))
			first = append(first, verify())
			b.note("%s: first verify %.1f s", nameOf(spec), first[0])
		}
		var ours, plain []float64
		for range b.n {
			ours = append(ours, verify())
			plain = append(plain, cargo())
			b.note("%s: verify %.1f s, cargo twice %.1f s", nameOf(spec), ours[len(ours)-1], plain[len(plain)-1])
		}
		lines = append(lines, line{What: nameOf(spec) + ": verify ÷ two cargo builds", Twice: ours, Other: plain, Goal: 1})
		if i == 0 {
			lines = append(lines, line{What: nameOf(spec) + ": the first verify, with import ÷ two cargo builds", Twice: first, Other: plain[:1]})
		}
	}
	return lines
}

// cargo prepares plain builds of spec and returns what times two of them. A
// crate is where cargo unpacks it when something depends on it.
func (b *bench) cargo(spec string) func() float64 {
	build := b.cargoBuild(spec)
	return func() float64 { return b.timed(build(b.path("target1")), build(b.path("target2"))) }
}

// cargoBuild returns what makes the command of a plain build of spec in an empty
// target directory.
func (b *bench) cargoBuild(spec string) func(target string) *exec.Cmd {
	dir := spec
	if strings.HasPrefix(spec, "crate:") {
		dir = b.unpacked(spec)
	}
	manifest := filepath.Join(dir, "Cargo.toml")
	b.output(b.cargoOf(nil, "fetch", "--locked", "--manifest-path", manifest))
	return func(target string) *exec.Cmd {
		check(os.RemoveAll(target))
		return b.cargoOf([]string{"RUSTFLAGS="}, "build", "--release", "--frozen", "--quiet", "--manifest-path", manifest, "--target-dir", target)
	}
}

// unpacked is where cargo unpacks a crate that something depends on.
func (b *bench) unpacked(spec string) string {
	name, version, _ := strings.Cut(strings.TrimPrefix(spec, "crate:"), "@")
	user := b.path("user-of-" + name)
	check(os.MkdirAll(filepath.Join(user, "src"), 0o755))
	check(os.WriteFile(filepath.Join(user, "src", "lib.rs"), nil, 0o644))
	manifest := fmt.Appendf(nil, "[package]\nname = \"user\"\n[dependencies]\n%s = \"=%s\"\n", name, version)
	check(os.WriteFile(filepath.Join(user, "Cargo.toml"), manifest, 0o644))
	b.output(b.cargoOf(nil, "fetch", "--manifest-path", filepath.Join(user, "Cargo.toml")))
	found := must(filepath.Glob(filepath.Join(cargoHome(), "registry", "src", "*", name+"-"+version)))
	if len(found) == 0 {
		check(fmt.Errorf("cargo did not unpack %s", spec))
	}
	return found[0]
}

// cargoOf is a command of the built-in toolchain's cargo, without rustup in front.
func (b *bench) cargoOf(env []string, args ...string) *exec.Cmd {
	toolchain := must(resolve.BuiltinToolchain())
	dir, err := rust.Installed(b, toolchain.Pin)
	if err != nil {
		check(fmt.Errorf("%w: run `rustup toolchain install %s --profile minimal`", err, toolchain.Channel))
	}
	bin := filepath.Join(dir, "bin")
	return b.command(append([]string{"PATH=" + bin + ":" + os.Getenv("PATH")}, env...), filepath.Join(bin, "cargo"), args...)
}

func cargoHome() string {
	if dir := os.Getenv("CARGO_HOME"); dir != "" {
		return dir
	}
	return filepath.Join(must(os.UserHomeDir()), ".cargo")
}

func unchanged(b *bench) []line {
	spec := b.specs()[0]
	b.fetch(spec)
	verdict, _ := b.output(b.twice("verify", "--quiet", spec))
	var all []float64
	for range max(b.n, 5) {
		again, took := b.output(b.twice("verify", "--quiet", spec))
		if again != verdict {
			check(fmt.Errorf("another verdict: %q, then %q", verdict, again))
		}
		all = append(all, took)
	}
	return []line{{What: nameOf(spec) + ": verify, verdict stored", Twice: all, Goal: 0.5}}
}
