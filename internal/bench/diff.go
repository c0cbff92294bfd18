package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// diffoscope is the peer's version; its release is taken from PyPI into an
// environment of its own.
const diffoscope = "332"

// diff27 measures how long it takes to say why two binaries differ that were
// built from the same sources in two directories.
func diff27(b *bench) []line {
	one, two := b.twoBuilds()
	peer := b.diffoscope()
	var ours, others []float64
	for range b.n {
		out, took := b.differing(b.command(nil, b.path("twice"), "diff", one, two))
		for _, want := range []string{"cause   an absolute path is in the output", "fix     remap it: --remap-path-prefix"} {
			if !strings.Contains(out, want) {
				check(fmt.Errorf("twice diff did not say %q:\n%s", want, out))
			}
		}
		ours = append(ours, took)
		_, took = b.differing(b.command([]string{"PYTHONWARNINGS=ignore"}, peer, "--text", b.path("diffoscope.txt"), one, two))
		others = append(others, took)
		b.note("twice diff %.2f s, diffoscope %.1f s", ours[len(ours)-1], others[len(others)-1])
	}
	size := must(os.Stat(one)).Size()
	what := fmt.Sprintf("two binaries of %.1f MB that differ by a path", float64(size)/1e6)
	return []line{
		{What: what + ": diffoscope ÷ twice diff", Twice: ours, Other: others, Faster: true, Goal: 100},
		{What: what + ": place, cause and fix", Twice: ours, Goal: 1},
	}
}

// differing runs a command that says by its status 1 that two things differ.
func (b *bench) differing(c *exec.Cmd) (string, float64) {
	b.settle()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	err := c.Run()
	took := time.Since(began).Seconds()
	check(b.Err())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		check(fmt.Errorf("%s: %v, want status 1\n%s", strings.Join(c.Args, " "), err, stderr.String()))
	}
	return stdout.String(), took
}

// twoBuilds compiles one crate plainly in two directories.
func (b *bench) twoBuilds() (one, two string) {
	dir, bin := filepath.Join("examples", "hello"), "hello"
	if spec := b.specs()[0]; strings.HasPrefix(spec, "crate:") {
		dir, bin = b.unpacked(spec), "rg"
	}
	var made []string
	for _, place := range []string{b.path("one", "project"), b.path("another", "place", "project")} {
		b.once("building in "+place, func() {
			check(os.RemoveAll(place))
			check(os.CopyFS(place, os.DirFS(dir)))
			c := b.cargoOf([]string{"RUSTFLAGS="}, "build", "--release", "--locked", "--quiet")
			c.Dir = place
			b.output(c)
		})
		made = append(made, filepath.Join(place, "target", "release", bin))
	}
	return made[0], made[1]
}

// diffoscope installs the peer.
func (b *bench) diffoscope() string {
	env := b.path("diffoscope")
	b.once("installing diffoscope "+diffoscope, func() {
		b.output(b.command(nil, "python3", "-m", "venv", env))
		b.output(b.command(nil, filepath.Join(env, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "diffoscope=="+diffoscope))
	})
	return filepath.Join(env, "bin", "diffoscope")
}
