package main

import (
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/transfer"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
)

func newBundle(g *global) *cobra.Command {
	var (
		src    sourceFlags
		output string
		attach string
	)
	cmd := &cobra.Command{
		Use:   "bundle [SOURCE]",
		Short: "write every input of a build into one file",
		Long: `Bundle writes all that a build takes from outside (crates, Debian packages, the
toolchain, git repositories, the commit that is built, base images by digest) as
one OCI artefact: an archive (a name ending in .tar), a directory, or
oci://registry/name:tag. With --bundle any command takes its inputs from there,
and needs no network: years later, on another machine, in a module's runtime that
keeps no disk.

In a registry each input is a blob of its own: of the next release only what is
new is sent. --attach makes the bundle a referrer of the released image, where
twice rebuild --bundle attached finds it.

A bundle need not be trusted. Each file in it is used only if it has the hash
that the lock, or the built-in pins, have for it.`,
		Example: `  twice bundle crate:ripgrep@15.1.0 -o ripgrep-inputs.tar
  twice bundle -o oci://registry.example.org/team/tool-inputs:v1.2.3
  twice verify --offline --bundle ripgrep-inputs.tar crate:ripgrep@15.1.0`,
		Args: cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "twice-inputs.tar", "a .tar file, a directory for a layout, or oci://registry/name:tag")
	cmd.Flags().StringVar(&attach, "attach", "", "push it as a referrer of this image, registry/name@sha256:…, in the place of --output")
	cmd.MarkFlagsMutuallyExclusive("output", "attach")
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
		defer keepInputs(cmd.Context(), tools, p)
		proj, err := openFetched(ctx, tools, spec(args), src.options(g))
		if err != nil {
			return err
		}
		defer proj.Close()
		var (
			d     digest.Digest
			moved transfer.Moved
			to    = output
		)
		switch {
		case attach != "":
			to = attach
			d, moved, err = inputs.AttachBundle(ctx, tools, proj, attach)
		case strings.HasPrefix(output, inputs.RegistryScheme):
			d, moved, err = inputs.PushBundle(ctx, tools, proj, output)
		default:
			d, err = inputs.WriteBundle(ctx, tools, proj, output)
		}
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s\nwritten  %s\n", d, to)
		if moved != (transfer.Moved{}) {
			text += fmt.Sprintf("sent     %d blobs, %s; the registry had %d, %s\n", moved.Sent, verdict.Size(moved.SentBytes), moved.Shared, verdict.Size(moved.SharedBytes))
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}
