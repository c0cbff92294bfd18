package main

import (
	"context"
	"fmt"

	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/spf13/cobra"
)

func newFetch(g *global) *cobra.Command {
	var src sourceFlags
	cmd := &cobra.Command{
		Use:   "fetch [SOURCE]",
		Short: "bring every input into the store",
		Long: `Fetch brings what a build needs into the store, each file checked against its
hash while it arrives. Afterwards verify --offline needs no network.`,
		Example: "  twice fetch crate:ripgrep@15.1.0",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := g.newProgress()
		if err != nil {
			return err
		}
		tools, err := g.tools(cmd.Context(), p)
		if err != nil {
			return err
		}
		p.Start("fetch")
		defer p.pause(false)
		defer keepInputs(cmd.Context(), tools, p)
		return fetchAll(cmd.Context(), cmd, tools, spec(args), src.options(g))
	}
	return cmd
}

func fetchAll(ctx context.Context, cmd *cobra.Command, tools resolve.Tools, spec string, opt resolve.Options) error {
	proj, err := openFetched(ctx, tools, spec, opt)
	if err != nil {
		return err
	}
	defer proj.Close()
	// Composing proves that nothing is missing, and fetches a toolchain that
	// is not installed here.
	if _, err := inputs.Compose(ctx, tools, proj); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "fetched  %s\n", proj.Summary())
	return err
}
