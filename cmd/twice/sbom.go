package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newSBOM(g *global) *cobra.Command {
	var (
		src    sourceFlags
		eng    engineFlags
		output string
	)
	cmd := &cobra.Command{
		Use:   "sbom [SOURCE]",
		Short: "write what a build is made of, as CycloneDX",
		Long: `Sbom writes a CycloneDX 1.6 document for each build of the project: the crates
that the build takes (not all of Cargo.lock), the toolchain, and the Debian
packages of the builder and the runtime image, each by hash. What can be in the
binaries has scope "required", what only runs while they are built "excluded".

Nothing is built: Cargo is asked, in the builder and offline. The same inputs
give the same bytes; the time in the document is the epoch's.

Without --output the documents go to standard output, one after the other.`,
		Example: "  twice sbom crate:ripgrep@15.1.0 -o .",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	eng.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "directory that receives the documents")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		docs, err := withRunner(ctx, g, &eng, []string{"tree"}, func(r *verify.Runner) ([]evidence.Document, error) {
			prep, err := r.Prepare(ctx, verify.Options{Spec: spec(args), Resolve: src.options(g), Version: fullVersion()})
			if err != nil {
				return nil, err
			}
			defer prep.Project.Close()
			engine, err := r.Engine(ctx)
			if err != nil {
				return nil, err
			}
			trees, err := r.Trees(ctx, engine, prep)
			if err != nil {
				return nil, err
			}
			return evidence.SBOMs(prep, trees)
		})
		if err != nil {
			return err
		}
		for _, d := range docs {
			if output == "" {
				if _, err := cmd.OutOrStdout().Write(d.Data); err != nil {
					return err
				}
				continue
			}
			if err := os.MkdirAll(output, 0o777); err != nil {
				return err
			}
			name := filepath.Join(output, d.Name)
			if err := replaceFile(name, d.Data); err != nil {
				return fmt.Errorf("writing the SBOM: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "written  %s\n", name)
		}
		return nil
	}
	return cmd
}
