package main

import (
	"fmt"

	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newPlan(g *global) *cobra.Command {
	var (
		src    sourceFlags
		second bool
		jobs   int
	)
	cmd := &cobra.Command{
		Use:   "plan [SOURCE]",
		Short: "print the Dockerfile that a build runs",
		Long: `Plan prints the exact and complete record of what runs: one Dockerfile for
each build of the project. Its inputs are named contexts, whose digests are in
the comment on top.`,
		Example: "  twice plan crate:ripgrep@15.1.0",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().BoolVar(&second, "second", false, "print the second build's, with every axis varied")
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 1, "cargo's jobs")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		side := plan.Side{Name: "A", Jobs: jobs}
		if second {
			side = plan.Side{Name: "B", Jobs: jobs, Vary: plan.AllAxes()}
		}
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g)}
		prep, err := withRunner(cmd.Context(), g, &engineFlags{}, nil, func(r *verify.Runner) (*verify.Prepared, error) {
			return r.Prepare(cmd.Context(), opt)
		})
		if err != nil {
			return err
		}
		defer prep.Project.Close()
		for _, p := range prep.Plans {
			fmt.Fprint(cmd.OutOrStdout(), p.Dockerfile(side))
		}
		return nil
	}
	return cmd
}
