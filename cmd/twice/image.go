package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/spf13/cobra"
)

func newImage(g *global) *cobra.Command {
	var (
		src    sourceFlags
		output string
	)
	cmd := &cobra.Command{
		Use:   "image NAME [SOURCE]",
		Short: "compose an image that builds start from, and print its digest",
		Long: `Image composes one of the images that Twice makes from Debian packages and
prints the digest of its manifest. "builder" is the builder of SOURCE (default:
this directory, if it is a workspace), toolchain included; other names are those
of the definitions: ` + strings.Join(images.Names(), ", ") + `.

With --output the image is written as an OCI archive (a name ending in .tar,
which docker load reads too) or as an OCI layout (any other name).`,
		Example: "  twice image builder crate:ripgrep@15.1.0",
		Args:    cobra.RangeArgs(1, 2),
	}
	src.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the image to this .tar file or directory")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := g.newProgress()
		if err != nil {
			return err
		}
		tools, err := g.tools(cmd.Context(), p)
		if err != nil {
			return err
		}
		p.Start("image")
		defer p.pause(false)
		defer keepInputs(cmd.Context(), tools, p)
		img, err := composeImage(cmd.Context(), tools, args, src.options(g))
		if err != nil {
			return err
		}
		if output != "" {
			if err := writeImage(cmd.Context(), tools, img, output, "twice/"+args[0]+":latest"); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), img.Desc.Digest)
		return err
	}
	return cmd
}

func composeImage(ctx context.Context, tools resolve.Tools, args []string, opt resolve.Options) (image.Image, error) {
	if args[0] == "builder" {
		proj, err := openFetched(ctx, tools, spec(args[1:]), opt)
		if err != nil {
			return image.Image{}, err
		}
		defer proj.Close()
		set, err := inputs.Compose(ctx, tools, proj)
		if err != nil {
			return image.Image{}, err
		}
		return set.Builder, nil
	}
	if len(args) > 1 {
		return image.Image{}, fault.Hint(fmt.Errorf("image %s is the same for every source", args[0]), "leave "+args[1]+" out")
	}
	def, err := images.Load(args[0])
	if err != nil {
		return image.Image{}, err
	}
	if err := tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)); err != nil {
		return image.Image{}, err
	}
	return compose.Runtime(ctx, tools.Store, def)
}

func writeImage(ctx context.Context, tools resolve.Tools, img image.Image, output, name string) error {
	if !strings.HasSuffix(output, ".tar") {
		return image.WriteLayout(ctx, tools.Store, img.Desc, output, name)
	}
	return writeWhole(output, func(w io.Writer) error { return image.WriteArchive(ctx, tools.Store, img.Desc, w, name) })
}

// writeWhole writes a file that is there complete or not at all.
func writeWhole(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".twice-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err = write(f); err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
