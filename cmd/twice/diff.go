package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newDiff(g *global) *cobra.Command {
	var (
		c   cause.Context
		all bool
	)
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "say where two files or directories differ, why, and what to change",
		Long: `Diff compares two files or two directories, whoever made them, and looks into
what it understands: archives, OCI layouts and docker-archives, compressed
streams, programs, libraries, CUDA and WebAssembly modules, JSON, text. It names
the place, and where the bytes show it the cause and the fix.

What is known of the builds makes causes certain that are guesses otherwise:
--path-a and --path-b are the directories in which they ran.

The exit status is 0 when they are the same, 1 when they differ, 2 on an error.`,
		Example: "  twice diff image-a.tar image-b.tar",
		Args:    cobra.ExactArgs(2),
	}
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "show every place, not the first few")
	f.StringVar(&c.A.Path, "path-a", "", "directory in which A was built")
	f.StringVar(&c.B.Path, "path-b", "", "directory in which B was built")
	f.Int64Var(&c.Epoch, "epoch", 0, "SOURCE_DATE_EPOCH of both builds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, p := range args {
			if _, err := os.Stat(p); err != nil {
				return err
			}
		}
		name, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		d := &verdict.Diff{A: args[0], B: args[1]}
		if d.Finding, err = compare.Paths(cmd.Context(), filepath.Base(name), args[0], args[1], compare.Limits{}); err != nil {
			return err
		}
		d.Causes = cause.Explain(d.Finding, c)
		if err := printDiff(g, d, all); err != nil {
			return err
		}
		if d.Finding != nil {
			return exitError(1)
		}
		return nil
	}
	return cmd
}

func printDiff(g *global, d *verdict.Diff, all bool) error {
	if !g.json {
		return d.Text(os.Stdout, verdict.TextOptions{Quiet: g.quiet, Verbose: all,
			Color: os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(os.Stdout.Fd()))})
	}
	data, err := d.JSON()
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(data); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
