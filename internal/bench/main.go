// Command bench measures twice side by side with what it is compared to, and
// prints a table. scripts/bench builds and runs it.
//
// Every number is wall clock around a whole command or solve, in one run on
// one machine; what is compared runs alternately. Only ratios mean something
// on another machine. Before each timed thing the disks are synced, so that
// none pays for what another one wrote; the page cache stays warm for all.
//
// The command knows nothing of twice but its flags. It shares with it the
// packages that write its inputs, and the engine, on which BuildKit's own
// exporter is measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/layer"
)

// bench is what the rows share.
type bench struct {
	scratch string // everything is made in it
	repo    string // the checkout
	n       int
	small   bool
	full    bool
	input   layer.Compression // of the images to be normalized
	out     io.Writer
	done    map[string]bool // preparations, see once
}

func main() {
	if embedded.IsChild() {
		os.Exit(embedded.ServeMain())
	}
	logrus.SetOutput(io.Discard) // containerd's local store speaks of fsverity
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(2)
	}
}

func run(ctx context.Context) error {
	b := &bench{out: os.Stdout, done: map[string]bool{}}
	list := flag.Bool("list", false, "list the rows and exit")
	output := flag.String("o", "", "write the table to this file; default: docs/benchmarks.md if all rows run, and not -small")
	input := flag.String("input", "none", "compression of the images that are normalized: none, gzip, zstd")
	flag.StringVar(&b.scratch, "scratch", "", "folder with the twice program, where everything is made")
	flag.IntVar(&b.n, "n", 1, "how often to measure each pair")
	flag.BoolVar(&b.small, "small", false, "small inputs: examples/hello, 100 MB")
	flag.BoolVar(&b.full, "full", false, "more inputs: hyperfine, and a layer of 10 GB")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: scripts/bench [flags] [row…]\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *list {
		printRows(b.out)
		return nil
	}
	chosen, err := choose(flag.Args())
	if err != nil {
		return err
	}
	b.input = layer.Compression(*input)
	if !slices.Contains([]layer.Compression{layer.None, layer.Gzip, layer.Zstd}, b.input) {
		return fmt.Errorf("input compression %q: none, gzip and zstd are known", *input)
	}
	if b.scratch == "" {
		return fmt.Errorf("no scratch folder: run scripts/bench")
	}
	if b.repo, err = os.Getwd(); err != nil {
		return err
	}
	if *output == "" && len(chosen) == len(rows) && !b.small {
		*output = filepath.Join(b.repo, "docs", "benchmarks.md")
	}
	t := table{Date: time.Now().UTC(), Machine: describeMachine(), Settings: b.settings()}
	fmt.Fprintf(b.out, "%s\n%s\n", t.Machine, t.Settings)
	for i, r := range chosen {
		t.warn(b.out, readLoad(ctx), i == 0)
		fmt.Fprintf(b.out, "\n%s\n", r.name)
		lines, err := r.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		for _, l := range lines {
			l.Row = r.name
			t.Lines = append(t.Lines, l)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	fmt.Fprintf(b.out, "\n%s", t.text())
	if *output == "" {
		return nil
	}
	return os.WriteFile(*output, []byte(t.document()), 0o644)
}

// row is one thing to measure, and gives one line of the table or more.
type row struct {
	name  string
	about string
	run   func(ctx context.Context, b *bench) ([]line, error)
}

func choose(names []string) ([]row, error) {
	if len(names) == 0 {
		return rows, nil
	}
	var chosen []row
	for _, n := range names {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == n })
		if i < 0 {
			return nil, fmt.Errorf("no row %q: scripts/bench --list has them; flags come first", n)
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

func printRows(w io.Writer) {
	for _, r := range rows {
		fmt.Fprintf(w, "%-15s %s\n", r.name, strings.ReplaceAll(r.about, "\n", "\n"+strings.Repeat(" ", 16)))
	}
}

func (b *bench) settings() string {
	s := fmt.Sprintf("%d runs of each pair, images to normalize with layers in %s", b.n, b.input)
	if b.n == 1 {
		s = strings.Replace(s, "runs", "run", 1)
	}
	if b.small {
		s += ", SMALL INPUTS: these numbers show that the harness works and nothing else"
	}
	return s
}

// path returns a place in the scratch folder.
func (b *bench) path(elem ...string) string {
	return filepath.Join(append([]string{b.scratch}, elem...)...)
}

// once does a preparation if no row has done it before.
func (b *bench) once(what string, f func() error) error {
	if b.done[what] {
		return nil
	}
	b.note("preparing: %s", what)
	if err := f(); err != nil {
		return fmt.Errorf("preparing: %s: %w", what, err)
	}
	b.done[what] = true
	return nil
}

// note says how far a row is.
func (b *bench) note(format string, a ...any) { fmt.Fprintf(b.out, "  "+format+"\n", a...) }
