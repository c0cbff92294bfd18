package main

import (
	"fmt"

	"github.com/craton-co/twice/internal/inputs"
	"github.com/spf13/cobra"
)

func newBundle(g *global) *cobra.Command {
	var (
		src    sourceFlags
		output string
	)
	cmd := &cobra.Command{
		Use:   "bundle [SOURCE]",
		Short: "write every input of a build into one file",
		Long: `Bundle writes all that a build takes from outside (crates, Debian packages, the
toolchain, git repositories, base images by digest) as one OCI layout: an archive
(a name ending in .tar) or a directory. With --bundle any command takes its inputs
from there, and needs no network: years later, on another machine, in a module's
runtime that keeps no disk.

A bundle need not be trusted. Each file in it is used only if it has the hash
that the lock, or the built-in pins, have for it.`,
		Example: `  twice bundle crate:ripgrep@15.1.0 -o ripgrep-inputs.tar
  twice verify --offline --bundle ripgrep-inputs.tar crate:ripgrep@15.1.0`,
		Args: cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "twice-inputs.tar", "a .tar file, or a directory for a layout")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		p, err := g.newProgress()
		if err != nil {
			return err
		}
		tools, err := g.tools(ctx, p)
		if err != nil {
			return err
		}
		p.Start("bundle")
		defer p.pause(false)
		proj, err := openFetched(ctx, tools, spec(args), src.options(g))
		if err != nil {
			return err
		}
		defer proj.Close()
		d, err := inputs.WriteBundle(ctx, tools, proj, output)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\nwritten  %s\n", d, output)
		return err
	}
	return cmd
}
