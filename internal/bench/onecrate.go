package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// oneCrate measures what a change costs whoever works on a crate: the
// dependencies were compiled before, on both sides and by cargo.
func oneCrate(b *bench) []line {
	ours, plain := b.path("one-crate"), b.path("one-crate-plain")
	for _, dir := range []string{ours, plain} {
		check(os.CopyFS(dir, os.DirFS(filepath.Join("internal", "bench", "testdata", "workspace"))))
	}
	b.commit(ours)
	manifest := filepath.Join(plain, "Cargo.toml")
	cargo := func() float64 {
		return b.timed(b.cargoOf([]string{"RUSTFLAGS="}, "build", "--release", "--locked", "--quiet", "--manifest-path", manifest))
	}
	verify := func() float64 {
		return b.timed(b.twice("verify", "--dirty", "--quiet", "--progress", "none", ours))
	}
	b.output(b.twice("fetch", ours))
	b.note("everything: verify %.1f s, cargo %.1f s", verify(), cargo())
	var took, again, bound []float64
	for i := range b.n {
		for _, dir := range []string{ours, plain} {
			name := filepath.Join(dir, "crates", "app", "src", "main.rs")
			f := must(os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0))
			must(fmt.Fprintf(f, "\n#[allow(dead_code)]\nfn change_%d() {}\n", i))
			check(f.Close())
		}
		took, again = append(took, verify()), append(again, cargo())
		bound = append(bound, 2*again[i]+3)
		b.note("one crate changed: verify %.1f s, cargo %.1f s", took[i], again[i])
	}
	return []line{
		{What: "one of two workspace crates changed (32 dependencies): verify ÷ (2 × cargo's rebuild + 3 s)", Twice: took, Other: bound, Goal: 1},
		{What: "the same ÷ cargo's rebuild", Twice: took, Other: again},
	}
}
