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
// A failure ends its row and no other: check panics, measure recovers. What is
// measured below an interrupted context is no row's failure.
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
	if err := run(&bench{Context: ctx, done: map[string]bool{}}); err != nil {
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(2)
	}
}

func run(b *bench) error {
	list := flag.Bool("list", false, "list the rows and exit")
	output := flag.String("o", "", "write the table into this page; default: docs/benchmarks.md if no rows are named, and not -small")
	skip := flag.String("skip", "", "leave out these `rows`, separated by commas")
	flag.StringVar((*string)(&b.input), "input", "none", "compression of the image that is normalized: none, gzip, zstd")
	flag.StringVar(&b.scratch, "scratch", "", "folder that has the twice program, where everything is made (scripts/bench gives it)")
	flag.IntVar(&b.n, "n", 1, "how often to measure each pair")
	flag.BoolVar(&b.small, "small", false, "small inputs (examples/hello, 100 MB): does the harness work?")
	flag.BoolVar(&b.full, "full", false, "more inputs: a program of 380 crates, a layer of 10 GB")
	flag.Parse()
	b.n = max(b.n, 1)
	if *list {
		for _, r := range rows {
			fmt.Printf("%-15s %s\n", r.name, strings.ReplaceAll(r.about, "\n", "\n"+strings.Repeat(" ", 16)))
		}
		return nil
	}
	chosen, err := choose(flag.Args(), *skip)
	if err != nil {
		return err
	}
	if *output == "" && flag.NArg() == 0 && !b.small {
		*output = "docs/benchmarks.md"
	}
	if *output != "" { // that it can't be done is said now, and not after an hour
		if err := (&table{}).writeInto(*output, false); err != nil {
			return err
		}
	}
	t := table{Date: time.Now().UTC(), Machine: describeMachine(), Commit: commitHere(b)}
	t.Settings = fmt.Sprintf("each pair measured %d ×; the image to normalize has layers in %q", b.n, b.input)
	if b.full {
		t.Settings += "; -full"
	}
	if b.small {
		t.Settings += "; SMALL INPUTS: these numbers say nothing"
	}
	fmt.Printf("%s\n%s\n", t.Machine, t.Settings)
	for i, r := range chosen {
		b.settle()
		t.noteLoad(i == 0)
		fmt.Println(r.name)
		began := time.Now()
		lines, err := b.measure(r)
		if b.Err() != nil {
			return b.Err()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: error: %s: %v\n", r.name, err)
			t.Failed = append(t.Failed, r.name)
			said := strings.Split(strings.TrimSpace(err.Error()), "\n")
			lines = append(lines, line{What: "failed: " + said[len(said)-1], Goal: -1})
		}
		fmt.Printf("  all of it: %.0f s\n", time.Since(began).Seconds())
		for _, l := range lines {
			l.Row = r.name
			t.Lines = append(t.Lines, l)
		}
	}
	for _, r := range rows {
		if !slices.ContainsFunc(chosen, func(c row) bool { return c.name == r.name }) {
			t.Skipped = append(t.Skipped, r.name)
		}
	}
	t.noteEnd()
	fmt.Printf("\n%s", t.markdown())
	if *output != "" {
		if err := t.writeInto(*output, true); err != nil {
			return err
		}
	}
	if len(t.Failed) > 0 {
		return fmt.Errorf("%d of %d rows failed: %s", len(t.Failed), len(chosen), strings.Join(t.Failed, ", "))
	}
	return nil
}

// choose returns the rows that are named, or all, less those to skip.
func choose(names []string, skip string) ([]row, error) {
	skipped := strings.FieldsFunc(skip, func(r rune) bool { return r == ',' })
	for _, n := range slices.Concat(names, skipped) {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == n }) {
			return nil, fmt.Errorf("no row is called %s: --list has those that there are; flags come before rows", n)
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return len(names) > 0 && !slices.Contains(names, r.name) || slices.Contains(skipped, r.name)
	}), nil
}

// measure runs a row. What it failed in is its error.
func (b *bench) measure(r row) (lines []line, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.error
		}
	}()
	return r.run(b), nil
}

// writeInto puts the table into a file, or only finds out whether it could.
func (t *table) writeInto(name string, write bool) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := t.into(string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !write {
		return nil
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// commitHere names what is measured.
func commitHere(b *bench) string {
	out, err := b.command(nil, "git", "describe", "--always", "--abbrev=12", "--dirty").Output()
	if err != nil {
		return "no commit"
	}
	return strings.TrimSpace(string(out))
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
	check(b.Err())
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
