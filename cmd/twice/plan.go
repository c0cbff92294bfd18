package main

import (
	"fmt"
	"path/filepath"

	"github.com/craton-co/twice/internal/buildcontext"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newPlan(g *global) *cobra.Command {
	var (
		src    sourceFlags
		second bool
		jobs   int
		dir    string
	)
	cmd := &cobra.Command{
		Use:   "plan [SOURCE]",
		Short: "print the Dockerfile that a build runs",
		Long: `Plan prints the exact and complete record of what runs: one Dockerfile for
each build of the project. Its inputs are named contexts, whose digests are in
the comment on top.

With --context it writes a build context for engines that know no named
contexts: the Dockerfile, and the inputs as the layers that it unpacks. Any
docker build of that directory with --target out leaves the same binaries. A
project with several builds gets one directory for each, below this one.`,
		Example: `  twice plan crate:ripgrep@15.1.0
  twice plan crate:ripgrep@15.1.0 --context ctx && docker build --target out -o out ctx`,
		Args: cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().BoolVar(&second, "second", false, "print the second build's, with every axis varied")
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 1, "cargo's jobs")
	cmd.Flags().StringVar(&dir, "context", "", "write a build context to this directory")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		side := plan.Side{Name: "A", Jobs: jobs}
		if second {
			side = plan.Side{Name: "B", Jobs: jobs, Vary: plan.AllAxes()}
		}
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g)}
		prep, err := withRunner(cmd.Context(), g, &engineFlags{}, nil, func(r *verify.Runner) (*verify.Prepared, error) {
			prep, err := r.Prepare(cmd.Context(), opt)
			if err != nil || dir == "" {
				return prep, err
			}
			for i, p := range prep.Plans {
				to := dir
				if len(prep.Plans) > 1 {
					to = filepath.Join(dir, prep.Project.Config.Builds[i].Name)
				}
				if err := buildcontext.Write(cmd.Context(), r.Tools.Store, to, p, side, prep.Inputs); err != nil {
					_ = prep.Project.Close()
					return nil, err
				}
			}
			return prep, nil
		})
		if err != nil {
			return err
		}
		defer prep.Project.Close()
		if dir != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "written  %s\n", dir)
			return nil
		}
		for _, p := range prep.Plans {
			fmt.Fprint(cmd.OutOrStdout(), p.Dockerfile(side))
		}
		return nil
	}
	return cmd
}
