package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/verdict"
)

// release measures a whole release of the reference project's shape: three
// backends, every library, archives in three formats, three images, all built twice.
func release(b *bench) []line {
	dir := b.releaseSource()
	args := []string{"--profile", "local", dir}
	if b.small {
		args = []string{dir}
	}
	b.once("fetching the inputs of "+filepath.Base(dir), func() { b.output(b.twice(append([]string{"fetch"}, args...)...)) })
	run := func() (whole, rest float64) {
		out, whole := b.output(b.twice(append([]string{"verify", "--fresh", "--json", "--progress", "none"}, args...)...))
		v := must(verdict.Parse([]byte(out + "\n")))
		if v.Word != verdict.Reproducible {
			check(fmt.Errorf("%s is %s", dir, v.Word))
		}
		// The builds run at once: from the first one's start to the last one's end.
		var start, end time.Time
		for i, x := range v.Builds {
			to := x.Start.Add(time.Duration(x.Seconds * float64(time.Second)))
			if i == 0 || x.Start.Before(start) {
				start = x.Start
			}
			if to.After(end) {
				end = to
			}
		}
		rest = whole - end.Sub(start).Seconds()
		b.note("verify %.1f s, of which the two builds %.1f s", whole, whole-rest)
		return whole, rest
	}
	check(os.RemoveAll(b.path("cache", "engine")))
	first, firstRest := run()
	var all, rests []float64
	for range b.n {
		whole, rest := run()
		all, rests = append(all, whole), append(rests, 100*rest/whole)
	}
	name := filepath.Base(dir)
	return []line{
		{What: name + ": the first verify, with import", Twice: []float64{first}},
		{What: name + ": the same, share outside the two builds", Twice: []float64{100 * firstRest / first}, Unit: "%"},
		{What: name + ": verify, everything built again", Twice: all},
		{What: name + ": the same, share outside the two builds", Twice: rests, Unit: "%"},
	}
}

// releaseSource is a copy of the project, with the nightly that rustup has here
// in the place of the one that its profile names, and a lock of that.
func (b *bench) releaseSource() string {
	if b.small {
		dir := b.path("hello-release")
		b.once("copying", func() { check(os.CopyFS(dir, os.DirFS(filepath.Join("examples", "hello")))) })
		return dir
	}
	dir := b.path("tensor-wasm")
	b.once("copying tensor-wasm", func() {
		check(os.CopyFS(dir, os.DirFS(filepath.Join("examples", "tensor-wasm"))))
		file := filepath.Join(dir, "twice.toml")
		text := must(os.ReadFile(file))
		i := bytes.Index(text, []byte("nightly-2"))
		if i < 0 {
			check(fmt.Errorf("%s names no nightly", file))
		}
		wanted := string(text[i : i+len("nightly-2006-01-02")])
		if here := b.nightly(); here != wanted {
			b.note("with %s in the place of %s", here, wanted)
			check(os.WriteFile(file, bytes.ReplaceAll(text, []byte(wanted), []byte(here)), 0o644))
			b.output(b.twice("lock", "--profile", "local", dir))
		}
		b.commit(dir)
	})
	return dir
}

// commit makes a repository of a folder, with one commit.
func (b *bench) commit(dir string) {
	for _, args := range []string{"init -q", "add -A", "-c user.name=a -c user.email=a@example.org commit -q -m all"} {
		b.output(b.command(nil, "git", append([]string{"-C", dir}, strings.Fields(args)...)...))
	}
}

// nightly is the newest that rustup has.
func (b *bench) nightly() (channel string) {
	for _, t := range must(rust.Toolchains(b)) {
		if m, err := t.Manifest(); err == nil && strings.HasPrefix(m.Channel(), "nightly-") && m.Channel() > channel {
			channel = m.Channel()
		}
	}
	if channel == "" {
		check(fmt.Errorf("rustup has no nightly here"))
	}
	return channel
}
