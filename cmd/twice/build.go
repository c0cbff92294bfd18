package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newBuild(g *global) *cobra.Command {
	var (
		src    sourceFlags
		eng    engineFlags
		jobs   int
		output string
	)
	cmd := &cobra.Command{
		Use:   "build [SOURCE]",
		Short: "build once and write the artefacts",
		Long: `Build runs the first of verify's two builds and writes its artefacts:
bin/, rlib/, release archives, image.tar (an OCI layout that docker load reads
too), SHA256SUMS, an SBOM for each build, and the provenance statement, which
names them all. It proves nothing: verify does.`,
		Example: "  twice build crate:ripgrep@15.1.0 -o out",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	eng.add(cmd)
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 0, "cargo's jobs; default: one for each processor")
	cmd.Flags().StringVarP(&output, "output", "o", "twice-out", "directory that receives the artefacts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g), Jobs: jobs, Keep: output, Version: fullVersion()}
		made, err := withRunner(cmd.Context(), g, &eng, []string{"A", "tree"}, func(r *verify.Runner) ([]artefact.Artefact, error) {
			return r.Build(cmd.Context(), opt)
		})
		if err != nil {
			return err
		}
		return printArtefacts(g, made, output)
	}
	return cmd
}

func printArtefacts(g *global, made []artefact.Artefact, dir string) error {
	if g.json {
		type row struct {
			Name   string       `json:"name"`
			Kind   verdict.Kind `json:"kind"`
			Digest string       `json:"digest"`
			Size   int64        `json:"size"`
		}
		rows := []row{}
		for _, a := range made {
			rows = append(rows, row{a.Name, a.Kind, a.Digest.String(), a.Size})
		}
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(rows)
	}
	rlibs := 0
	for _, a := range made {
		if a.Kind == verdict.Rlib {
			rlibs++
			continue
		}
		fmt.Printf("%s  %s\n", a.Digest, a.Name)
	}
	if rlibs > 0 {
		fmt.Printf("and %d rlibs\n", rlibs)
	}
	fmt.Printf("written  %s\n", dir)
	return nil
}
