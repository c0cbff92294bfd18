//go:build !ahead

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/normalize"
	"github.com/craton-co/twice/internal/pe"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
)

func newNormalize(g *global) *cobra.Command {
	var (
		opt         normalize.Options
		compression string
		output      string
	)
	cmd := &cobra.Command{
		Use:   "normalize IMAGE|PROGRAM.exe",
		Short: "bring an OCI image, or a Windows program, to its canonical form",
		Long: `Normalize reads an OCI layout, an OCI archive or a docker-archive and writes the
same image in canonical form: times, history, owners' names, order, compression
and JSON no longer depend on the tool that wrote it. Two images with the same
content become the same bytes. Layers of the base image stay as they are, byte
for byte.

Of a Windows program or DLL it clears the time stamps and the debugger's
identifiers, and computes the checksum anew; without --output the file is
replaced. This is best effort: what else differs between two links is the
linker's doing. A signed file is refused: sign what comes out.`,
		Example: `  twice normalize image.tar -o canonical.tar
  twice normalize tool.exe`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "where the image goes: a .tar file, or a directory for an OCI layout")
	f.StringVar(&opt.Base, "base", "", "the base image: a layout, an archive or a digest; default: what the image's own annotation says")
	f.StringVar(&compression, "compression", "gzip", "of the image's own layers: none, gzip, zstd")
	f.Int64Var(&opt.Epoch, "epoch", 0, "latest time in the image, in seconds since 1970")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if program, err := isProgram(args[0]); err != nil {
			return err
		} else if program {
			return normalizeProgram(cmd, g, args[0], output)
		}
		if output == "" {
			return fault.Hint(fmt.Errorf("normalize has nowhere to write to"), "pass --output FILE.tar or --output DIRECTORY")
		}
		opt.Compression = layer.Compression(compression)
		var err error
		if opt.Store, err = openStore(cmd.Context()); err != nil {
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

// isProgram tells a Windows program from an image.
func isProgram(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, nil // images are opened by other names too
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return pe.Is(head), nil
}

// maxProgram bounds a program, which is read as a whole: 1 GiB.
const maxProgram = 1 << 30

func normalizeProgram(cmd *cobra.Command, g *global, name, output string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.Size() > maxProgram {
		return fmt.Errorf("%s: a program of more than 1 GiB", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fields, err := pe.Normalize(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if output == "" {
		output = name
	}
	if err := replaceFile(output, data); err != nil {
		return err
	}
	if err := os.Chmod(output, info.Mode().Perm()); err != nil {
		return err
	}
	if !g.quiet {
		for _, f := range fields {
			fmt.Fprintf(cmd.ErrOrStderr(), "twice: %s at %#x\n", f.Name, f.Offset)
		}
	}
	fmt.Fprintln(cmd.OutOrStdout(), digest.FromBytes(data))
	return nil
}
