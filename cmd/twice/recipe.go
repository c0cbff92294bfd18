//go:build !ahead

package main

import (
	"fmt"

	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/recipe"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newRecipe(g *global) *cobra.Command {
	var (
		src    sourceFlags
		target string
	)
	cmd := &cobra.Command{
		Use:   "recipe [SOURCE]",
		Short: "print the build as a shell script that needs no container",
		Long: `Recipe prints the build as a short script for whoever wants to check a release
with the tools of their machine: on Linux with the same rustc, gcc and binutils
it gives the binaries and rlibs of twice build, bit for bit. What has to be the
same is on top of the script.

For a Windows target with MSVC it is a PowerShell script, and best effort.`,
		Example: "  twice recipe crate:ripgrep@15.1.0 > recipe.sh && sh recipe.sh",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().StringVar(&target, "target", "", "another target than the build's")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withLocked(cmd.Context(), g, "recipe", spec(args), src.options(g), func(proj *resolve.Project) error {
			b, err := onlyBuild(proj, "a recipe")
			if err != nil {
				return err
			}
			if target != "" {
				b.Target = target
			}
			pl, err := verify.NewPlan(proj, &inputs.Set{}, b)
			if err != nil {
				return err
			}
			r, err := recipe.New(proj, pl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), r.Text())
			return err
		})
	}
	return cmd
}
