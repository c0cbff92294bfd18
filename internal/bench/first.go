package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// firstRun measures what a newcomer waits for: nothing is in a cache, on either
// side, but the toolchain, which rustup has for both.
func firstRun(b *bench) (lines []line) {
	for _, spec := range b.specs() {
		if b.small {
			b.helloSource()
		}
		var ours, plain, over []float64
		for range b.n {
			cache := b.path("first-cache")
			check(os.RemoveAll(cache))
			ours = append(ours, b.timed(b.withCache(cache, "verify", "--quiet", "--progress", "none", spec)))
			check(os.RemoveAll(cache))
			plain = append(plain, b.timed(b.installCold(spec)))
			over = append(over, ours[len(ours)-1]-plain[len(plain)-1])
			b.note("%s: first verdict %.1f s, cargo from cold %.1f s", nameOf(spec), ours[len(ours)-1], plain[len(plain)-1])
		}
		lines = append(lines,
			line{What: nameOf(spec) + ": verify from empty caches (two builds) ÷ cargo from empty caches (one)", Twice: ours, Other: plain},
			line{What: nameOf(spec) + ": verify less cargo", Twice: over, Goal: 60})
	}
	return lines
}

// firstCheckout measures what a newcomer with a checkout waits for: its modules are
// downloaded, nothing of it is compiled. The command fetches while it compiles; what
// that saves is told by doing one after the other.
func firstCheckout(b *bench) []line {
	spec := b.specs()[0]
	if b.small {
		b.helloSource()
	}
	script := func(args ...string) *exec.Cmd {
		cache, compiled := b.path("first-cache"), b.path("go-build")
		check(os.RemoveAll(cache))
		check(os.RemoveAll(compiled))
		return b.command([]string{"TWICE_CACHE=" + cache, "TWICE_BIN=" + filepath.Join(cache, "bin"), "GOCACHE=" + compiled, "BUILDKIT_HOST="}, filepath.Join("scripts", "twice"), args...)
	}
	var whole, compile, apart []float64
	for range b.n {
		whole = append(whole, b.timed(script("verify", "--quiet", "--progress", "none", spec)))
		compile = append(compile, b.timed(script("--version")))
		cache := b.path("first-cache")
		check(os.RemoveAll(cache))
		apart = append(apart, compile[len(compile)-1]+b.timed(b.withCache(cache, "verify", "--quiet", "--progress", "none", spec)))
		check(os.RemoveAll(cache))
		b.note("%s: first verdict of a checkout %.1f s, compiled before %.1f s", nameOf(spec), whole[len(whole)-1], apart[len(apart)-1])
	}
	check(os.RemoveAll(b.path("go-build")))
	return []line{
		{What: nameOf(spec) + ": scripts/twice verify, nothing compiled and empty caches ÷ compiling it, then verify from empty caches", Twice: whole, Other: apart},
		{What: "compiling it alone", Twice: compile},
	}
}

// withCache is a command of the program under test, with another cache.
func (b *bench) withCache(cache string, args ...string) *exec.Cmd {
	c := b.twice(args...)
	c.Env = append(c.Env, "TWICE_CACHE="+cache)
	return c
}

// installCold is what a user would type to have spec built: cargo install where
// it is published. It has nothing of the registry and compiles anew.
func (b *bench) installCold(spec string) *exec.Cmd {
	home, out := b.path("cold-home"), b.path("cold-out")
	check(os.RemoveAll(home))
	check(os.RemoveAll(out))
	env := []string{"CARGO_HOME=" + home, "CARGO_TARGET_DIR=" + filepath.Join(out, "target"), "RUSTFLAGS="}
	if crate, ok := strings.CutPrefix(spec, "crate:"); ok {
		return b.cargoOf(env, "install", "--quiet", "--locked", "--root", out, crate)
	}
	return b.cargoOf(env, "build", "--release", "--locked", "--quiet", "--manifest-path", filepath.Join(spec, "Cargo.toml"))
}
