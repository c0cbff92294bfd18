package main

import (
	"fmt"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/normalize"
	"github.com/spf13/cobra"
)

func newNormalize(g *global) *cobra.Command {
	var (
		opt         normalize.Options
		compression string
		output      string
	)
	cmd := &cobra.Command{
		Use:   "normalize IMAGE",
		Short: "bring an OCI image to its canonical form",
		Long: `Normalize reads an OCI layout, an OCI archive or a docker-archive and writes the
same image in canonical form: times, history, owners' names, order, compression
and JSON no longer depend on the tool that wrote it. Two images with the same
content become the same bytes. Layers of the base image stay as they are, byte
for byte.`,
		Example: "  twice normalize image.tar -o canonical.tar",
		Args:    cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "where the image goes: a .tar file, or a directory for an OCI layout")
	f.StringVar(&opt.Base, "base", "", "the base image: a layout, an archive or a digest; default: what the image's own annotation says")
	f.StringVar(&compression, "compression", "gzip", "of the image's own layers: none, gzip, zstd")
	f.Int64Var(&opt.Epoch, "epoch", 0, "latest time in the image, in seconds since 1970")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output == "" {
			return fault.Hint(fmt.Errorf("normalize has nowhere to write to"), "pass --output FILE.tar or --output DIRECTORY")
		}
		opt.Compression = layer.Compression(compression)
		var err error
		if opt.Store, err = openStore(); err != nil {
			return err
		}
		res, err := normalize.Normalize(cmd.Context(), args[0], output, opt)
		if err != nil {
			return err
		}
		if !g.quiet {
			for _, n := range res.Dropped {
				fmt.Fprintf(cmd.ErrOrStderr(), "twice: left out: %s\n", n)
			}
		}
		for _, root := range res.Roots {
			fmt.Fprintln(cmd.OutOrStdout(), root.Digest)
		}
		return nil
	}
	return cmd
}
