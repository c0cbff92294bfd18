package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fetchMany measures how long the crates of a large lock take to come. The
// toolchain and the packages of the builder are there before: cargo has no
// such thing to fetch.
func fetchMany(b *bench) []line {
	spec, times := large, max(b.n, 3)
	if b.small {
		spec, times = "crate:hexyl@0.16.0", 1
	}
	dir := b.path("large-lock")
	b.once("unpacking "+nameOf(spec), func() { check(os.CopyFS(dir, os.DirFS(b.unpacked(spec)))) })
	base := b.path("base-cache")
	b.once("fetching what isn't a crate", func() {
		hello := b.path("hello-base")
		check(os.CopyFS(hello, os.DirFS(filepath.Join("examples", "hello"))))
		b.output(b.withCache(base, "fetch", hello))
	})
	var ours, others []float64
	for i := range times {
		cache, home := b.path(fmt.Sprintf("fetched-%d", i)), b.path("fetch-home")
		linkTree(base, cache)
		ours = append(ours, b.timed(b.withCache(cache, "fetch", dir)))
		check(os.RemoveAll(cache))
		check(os.RemoveAll(home))
		others = append(others, b.timed(b.cargoOf([]string{"CARGO_HOME=" + home}, "fetch", "--locked", "--quiet", "--manifest-path", filepath.Join(dir, "Cargo.toml"))))
		check(os.RemoveAll(home))
		b.note("twice fetch %.2f s, cargo fetch %.2f s", ours[i], others[i])
	}
	return []line{{What: nameOf(spec) + ": twice fetch ÷ cargo fetch", Twice: ours, Other: others, Goal: 1}}
}

// linkTree makes a copy of a folder whose files are hard links: what twice
// writes in a store it writes anew.
func linkTree(from, to string) {
	check(filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return os.Link(name, filepath.Join(to, rel))
	}))
}
