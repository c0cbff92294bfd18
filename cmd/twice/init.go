//go:build !ahead

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/check"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/spf13/cobra"
)

func newInit() *cobra.Command {
	var force, patch bool
	cmd := &cobra.Command{
		Use:   "init [DIRECTORY]",
		Short: "write a twice.toml for the workspace",
		Long: `Init reads Cargo.toml and rust-toolchain.toml and writes a twice.toml that
says what will be built, with which toolchain, into which image. A workspace
without the file is built in just this way, so init changes nothing but makes
it visible and editable.

With --patch nothing is written: a unified diff is printed, for git apply, of all
that can be written for ` + "`twice check`" + `: twice.toml, rust-toolchain.toml, comments of
git dependencies and their rows in deny.toml, and profiles that aren't
incremental.

The keys of twice.toml:

` + config.Reference,
		Example: `  twice init
  twice init --patch | git apply`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing twice.toml")
	cmd.Flags().BoolVar(&patch, "patch", false, "write nothing: print a diff of what twice check asks for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := spec(args)
		if patch {
			text, left, err := check.Patch(cmd.Context(), dir)
			if err != nil {
				return err
			}
			for _, l := range left {
				fmt.Fprintf(cmd.ErrOrStderr(), "left to you  %s\n", l)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		}
		name := filepath.Join(dir, config.Name)
		if _, err := os.Lstat(name); err == nil && !force {
			return fault.Hint(fmt.Errorf("%s exists", name), "pass --force to replace it")
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		ws, err := cargo.Inspect(os.DirFS(dir), ".")
		if err != nil {
			return err
		}
		f := &config.File{}
		if err := resolve.Fill(f, ws, ""); err != nil {
			return err
		}
		if err := resolve.PinChannel(f); err != nil {
			return err
		}
		data, err := f.Format()
		if err != nil {
			return err
		}
		if err := replaceFile(name, data); err != nil {
			return fmt.Errorf("writing %s: %w", config.Name, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "written  %s\n", name)
		return err
	}
	return cmd
}
