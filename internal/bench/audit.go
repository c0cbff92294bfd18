package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/craton-co/twice/internal/audit"
)

// auditBuild measures what watching costs.
func auditBuild(b *bench) []line {
	spec := b.specs()[0]
	b.fetch(spec)
	out := b.path("audit")
	check(os.MkdirAll(out, 0o755))
	build := func() float64 {
		check(os.RemoveAll(filepath.Join(out, "made")))
		return b.timed(b.twice("build", "--quiet", "--progress", "none", "-o", filepath.Join(out, "made"), spec))
	}
	watched := func() float64 { return b.timed(b.twice("audit", "--quiet", "--progress", "none", "--json", spec)) }
	build() // imports the builder, and asks cargo for the packages
	var ours, plain []float64
	for range b.n {
		ours = append(ours, watched())
		plain = append(plain, build())
		b.note("%s: audit %.1f s, build %.1f s", nameOf(spec), ours[len(ours)-1], plain[len(plain)-1])
	}
	return []line{{What: nameOf(spec) + ": audit ÷ build", Twice: ours, Other: plain, Goal: 1.05}}
}

// auditCargo measures it of cargo alone, in processor time, which other work on
// the machine moves less.
func auditCargo(b *bench) []line {
	spec := b.specs()[0]
	b.fetch(spec)
	out := b.path("audit")
	check(os.MkdirAll(out, 0o755))
	watch, tell := filepath.Join(out, "watch"), filepath.Join(out, "tell.so")
	for _, c := range []struct {
		source, program string
		flags           []string
	}{{audit.Program, watch, nil}, {audit.Library, tell, []string{"-shared", "-fPIC"}}} {
		file := c.program + ".c"
		check(os.WriteFile(file, []byte(c.source), 0o644))
		b.output(b.command(nil, "cc", append(c.flags, "-O2", "-o", c.program, file)...))
	}
	cargo := b.cargoBuild(spec)
	spent := func(wrap bool) float64 {
		c := cargo(b.path("target1"))
		if wrap {
			log := filepath.Join(out, "log")
			check(os.RemoveAll(log))
			c.Args = append([]string{watch, log, c.Path}, c.Args[1:]...)
			c.Path = watch
			c.Env = append(c.Env, "LD_PRELOAD="+tell)
		}
		b.output(c)
		return processor(c)
	}
	spent(false) // reads the sources
	var ours, plain []float64
	for range b.n {
		ours = append(ours, spent(true))
		plain = append(plain, spent(false))
		b.note("%s: cargo watched %.1f s of a processor, as it is %.1f s", nameOf(spec), ours[len(ours)-1], plain[len(plain)-1])
	}
	return []line{{What: nameOf(spec) + ": cargo watched ÷ cargo, processor time", Twice: ours, Other: plain, Goal: 1.05}}
}

// processor is what a command and all that it waited for took of processors, in seconds.
func processor(c *exec.Cmd) float64 {
	return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
}
