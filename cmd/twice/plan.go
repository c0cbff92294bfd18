package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/buildcontext"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newPlan(g *global) *cobra.Command {
	var (
		src      sourceFlags
		second   bool
		kept     bool
		toCommit bool
		jobs     int
		dir      string
	)
	cmd := &cobra.Command{
		Use:   "plan [SOURCE]",
		Short: "print the Dockerfile that a build runs",
		Long: `Plan prints the exact and complete record of what runs: one Dockerfile for
each build of the project. Its inputs are named contexts, whose digests are in
the comment on top.

With --context it writes a build context for engines that know no named
contexts: the Dockerfile, and the inputs as the layers that it unpacks. Any
docker buildx build of that directory with --target out leaves the same binaries.
A project with several builds gets one directory for each, below this one.

With --kept dependencies are compiled in a step of their own, as verify does it for a
directory. It is the same plan, with the same digest.

After the plan come stages for those who write images with an engine: the target
image, the last one, is the runtime image. Twice's own images are not made so.

With --to-commit it prints a Dockerfile to keep in the repository: no digest and no
commit is in it, so that it changes only with the settings. A comment on top says
how it is used.`,
		Example: `  twice plan crate:ripgrep@15.1.0
  twice plan crate:ripgrep@15.1.0 --context ctx && docker buildx build --target out -o out ctx
  twice plan --to-commit > Dockerfile`,
		Args: cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().BoolVar(&second, "second", false, "print the second build's, with every axis varied")
	cmd.Flags().BoolVar(&kept, "kept", false, "compile dependencies in a step of their own, as verify does for a directory")
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 1, "cargo's jobs")
	cmd.Flags().StringVar(&dir, "context", "", "write a build context to this directory")
	cmd.MarkFlagsMutuallyExclusive("kept", "context")
	cmd.Flags().BoolVar(&toCommit, "to-commit", false, "print a Dockerfile to keep in the repository")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if toCommit {
			opt := src.options(g)
			opt.Dirty = true // the file itself is about to change
			return printToCommit(cmd, g, spec(args), opt)
		}
		side := plan.Side{Name: "A", Jobs: jobs}
		if second {
			side = plan.Side{Name: "B", Jobs: jobs, Vary: plan.AllAxes()}
		}
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g)}
		prep, err := withRunner(cmd.Context(), g, &engineFlags{}, nil, func(r *verify.Runner) (*verify.Prepared, error) {
			prep, err := r.Prepare(cmd.Context(), opt)
			if err == nil && kept {
				if err = prep.KeepDependencies(cmd.Context(), r.Tools); err != nil {
					_ = prep.Project.Close()
				}
			}
			if err != nil || dir == "" {
				return prep, err
			}
			for i, p := range prep.Plans {
				to := dir
				if len(prep.Plans) > 1 {
					to = filepath.Join(dir, prep.Project.Config.Builds[i].Name)
				}
				if err := buildcontext.Write(cmd.Context(), r.Tools.Store, to, p, side, prep.Inputs, artefact.PlanImages(prep.Project, prep.Project.Config.Builds[i])...); err != nil {
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
		for i, p := range prep.Plans {
			fmt.Fprint(cmd.OutOrStdout(), p.Dockerfile(side, artefact.PlanImages(prep.Project, prep.Project.Config.Builds[i])...))
		}
		return nil
	}
	return cmd
}

// printToCommit needs nothing but the sources and the lock.
func printToCommit(cmd *cobra.Command, g *global, spec string, opt resolve.Options) error {
	return withLocked(cmd.Context(), g, "plan", spec, opt, func(proj *resolve.Project) error {
		b, err := onlyBuild(proj, "a Dockerfile")
		if err != nil {
			return err
		}
		pl, err := verify.NewPlan(proj, &inputs.Set{GitRepos: inputs.GitRepos(proj)}, b)
		if err != nil {
			return err
		}
		command := "twice plan --to-commit"
		for _, name := range opt.Builds {
			command += " --build " + name
		}
		images := artefact.PlanImages(proj, b)
		for _, im := range images {
			if err := im.Check(); err != nil {
				return err
			}
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), pl.CommitDockerfile(command, images))
		return err
	})
}

// withLocked opens a source with its lock, and fetches nothing for it.
func withLocked(ctx context.Context, g *global, step, spec string, opt resolve.Options, f func(*resolve.Project) error) error {
	p, err := g.newProgress()
	if err != nil {
		return err
	}
	tools, err := g.tools(ctx, p)
	if err != nil {
		return err
	}
	p.Start(step)
	defer p.pause(false)
	proj, err := resolve.Open(ctx, tools, spec, opt)
	if err != nil {
		return err
	}
	defer proj.Close()
	if err := proj.UseLock(ctx, tools); err != nil {
		return err
	}
	return f(proj)
}

// onlyBuild is the build that what is printed is of.
func onlyBuild(p *resolve.Project, what string) (config.Build, error) {
	if n := len(p.Config.Builds); n > 1 {
		var names []string
		for _, b := range p.Config.Builds {
			names = append(names, b.Name)
		}
		return config.Build{}, fault.Hintf(fmt.Errorf("there are %d builds, and %s is of one", n, what), "pass --build with one of: %s", strings.Join(names, ", "))
	}
	return p.Config.Builds[0], nil
}
