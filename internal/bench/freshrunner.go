package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/craton-co/twice/internal/remotestore"
)

// nowhere is where a fresh runner finds what its store elsewhere lacks.
const nowhere = "http://127.0.0.1:9"

// freshRunner measures what it costs a machine that has nothing to take its inputs
// from a store elsewhere.
func freshRunner(b *bench) (lines []line) {
	spec := b.specs()[0]
	b.fetch(spec)
	host, end := b.registry()
	defer end()
	verify := func(cache string, env []string, flags ...string) *exec.Cmd {
		c := b.twice(append(append([]string{"verify", "--fresh", "--quiet", "--progress", "none"}, flags...), spec)...)
		c.Env = append(append(c.Env, "TWICE_CACHE="+cache), env...)
		return c
	}
	cache := b.path("cache")
	local := func() float64 {
		check(os.RemoveAll(filepath.Join(cache, "engine")))
		return b.timed(verify(cache, nil))
	}
	stores := []struct{ name, at string }{
		{"a directory", b.path("kept")},
		{"a registry on loopback", remotestore.Scheme + host + "/bench/store"},
	}
	for _, s := range stores {
		b.output(b.twice("fetch", "--store-to", s.at, spec))
		fresh := func() float64 {
			dir := b.path("fresh")
			// The index is asked what a crate is; all that has a hash is in the store.
			took := b.timed(verify(dir, []string{"RUSTUP_HOME=/nonexistent", "TWICE_MIRROR_DEBIAN=" + nowhere, "TWICE_MIRROR_RUST=" + nowhere}, "--store-from", s.at))
			check(os.RemoveAll(dir))
			return took
		}
		var ours, kept []float64
		for range b.n {
			ours = append(ours, fresh())
			kept = append(kept, local())
			b.note("%s: from %s %.1f s, with the store kept %.1f s", nameOf(spec), s.name, ours[len(ours)-1], kept[len(kept)-1])
		}
		lines = append(lines, line{What: fmt.Sprintf("%s: verify on a new machine, inputs from %s ÷ the same with its store kept", nameOf(spec), s.name), Twice: ours, Other: kept, Goal: 1.3})
	}
	return lines
}
