// Command bench measures twice side by side with what it is compared to, and
// prints a table. scripts/bench builds and runs it.
//
// Every number is wall clock around a whole command or solve. What is compared
// runs alternately in one run on one machine, and only ratios mean something on
// another. Before each timed thing the disks are synced, so that none pays for
// what another one wrote; the page cache is warm for all.
//
// Of twice it uses the command line. It shares with it the packages that write
// its inputs, and the engine, on which BuildKit's own exporter is measured.
//
// Any failure ends the program: check panics, main recovers.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/layer"
)

// bench is what the rows share.
type bench struct {
	context.Context
	scratch     string // everything is made in it
	n           int
	small, full bool
	input       layer.Compression // of the image to be normalized
	done        map[string]bool   // see once
}

// row is one thing to measure, and gives one line of the table or more.
type row struct {
	name  string
	about string
	run   func(b *bench) []line
}

type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func main() {
	if embedded.IsChild() {
		os.Exit(embedded.ServeMain())
	}
	logrus.SetOutput(io.Discard) // containerd's local store speaks of fsverity
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			fmt.Fprintf(os.Stderr, "bench: error: %v\n", f.error)
			os.Exit(2)
		}
	}()
	run(&bench{Context: ctx, done: map[string]bool{}})
}

func run(b *bench) {
	list := flag.Bool("list", false, "list the rows and exit")
	output := flag.String("o", "", "write the table to this file; default: docs/benchmarks.md if all rows run, and not -small")
	flag.StringVar((*string)(&b.input), "input", "none", "compression of the image that is normalized: none, gzip, zstd")
	flag.StringVar(&b.scratch, "scratch", "", "folder that has the twice program, where everything is made (scripts/bench gives it)")
	flag.IntVar(&b.n, "n", 1, "how often to measure each pair")
	flag.BoolVar(&b.small, "small", false, "small inputs (examples/hello, 100 MB): does the harness work?")
	flag.BoolVar(&b.full, "full", false, "more inputs: hyperfine, a layer of 10 GB")
	flag.Parse()
	b.n = max(b.n, 1)
	if *list {
		for _, r := range rows {
			fmt.Printf("%-15s %s\n", r.name, strings.ReplaceAll(r.about, "\n", "\n"+strings.Repeat(" ", 16)))
		}
		return
	}
	chosen := rows
	if names := flag.Args(); len(names) > 0 {
		chosen = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !slices.Contains(names, r.name) })
		if len(chosen) != len(names) {
			check(fmt.Errorf("rows %s: --list has those that there are; flags come before rows", strings.Join(names, " ")))
		}
	}
	if *output == "" && len(chosen) == len(rows) && !b.small {
		*output = "docs/benchmarks.md"
	}
	t := table{Date: time.Now().UTC(), Machine: describeMachine()}
	t.Settings = fmt.Sprintf("each pair measured %d ×; the image to normalize has layers in %q", b.n, b.input)
	if b.small {
		t.Settings += "; SMALL INPUTS: these numbers say nothing"
	}
	fmt.Printf("%s\n%s\n", t.Machine, t.Settings)
	for i, r := range chosen {
		b.settle()
		t.noteLoad(i == 0)
		fmt.Println(r.name)
		for _, l := range r.run(b) {
			l.Row = r.name
			t.Lines = append(t.Lines, l)
		}
	}
	fmt.Printf("\n%s", t.markdown())
	if *output != "" {
		check(os.WriteFile(*output, []byte(t.document()), 0o644))
	}
}

// path returns a place in the scratch folder.
func (b *bench) path(elem ...string) string { return filepath.Join(b.scratch, filepath.Join(elem...)) }

// note says how far a row is.
func (b *bench) note(format string, a ...any) { fmt.Printf("  "+format+"\n", a...) }

// once does a preparation if no row has done it before.
func (b *bench) once(what string, f func()) {
	if !b.done[what] {
		b.note("%s", what)
		f()
		b.done[what] = true
	}
}

// command is a command that Ctrl-C ends, and that is waited for then.
func (b *bench) command(env []string, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(b, name, args...)
	c.Env = append(os.Environ(), env...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	return c
}

// twice is a command of the program under test, with a cache of its own.
func (b *bench) twice(args ...string) *exec.Cmd {
	return b.command([]string{"TWICE_CACHE=" + b.path("cache"), "BUILDKIT_HOST="}, b.path("twice"), args...)
}

// output runs c and returns what it printed, and the seconds that it took.
func (b *bench) output(c *exec.Cmd) (string, float64) {
	b.settle()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	err := c.Run()
	took := time.Since(began).Seconds()
	check(context.Cause(b))
	if err != nil {
		check(fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), took
}

// timed runs commands one after the other and returns the seconds of all.
func (b *bench) timed(commands ...*exec.Cmd) (all float64) {
	for _, c := range commands {
		_, took := b.output(c)
		all += took
	}
	return all
}

// settle waits until what was written before is on the disk.
func (b *bench) settle() {
	_ = exec.CommandContext(b, "sync").Run() // where there is none, nothing is lost but precision
}
