//go:build !ahead

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/vouch"
	"github.com/spf13/cobra"
)

func newLock(g *global) *cobra.Command {
	var (
		update  []string
		config  configFile
		profile string
	)
	cmd := &cobra.Command{
		Use:   "lock [DIRECTORY]",
		Short: "write twice.lock: every input by hash",
		Long: `Lock resolves what the workspace asks for (twice.toml, rust-toolchain.toml,
Cargo.lock) to bytes: the toolchain's components, Debian packages, git
dependencies, each by SHA-256. Pins that still answer stay as they are; --update
moves one of them to what upstream has now.

What upstream signs is checked (Debian's release file, with the archive's keys),
and the lock records who vouched for each input. What nobody signed is recorded
as trust on first use.

What moved is listed, and of Debian packages which CVEs their changelogs name.`,
		Example: `  twice lock
  twice lock --update toolchain`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringSliceVar(&update, "update", nil, "move a pin: toolchain, builder, base, cuda, engine, git, all")
	cmd.Flags().Var(&config, "config", "a twice.toml in the place of the workspace's own")
	cmd.Flags().StringVar(&profile, "profile", "", "lock the inputs of this profile of twice.toml, in twice.NAME.lock")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := spec(args)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fault.Hint(fmt.Errorf("%s is not a directory", dir), "only a workspace in a directory has a twice.lock")
		}
		p, err := g.newProgress()
		if err != nil {
			return err
		}
		tools, err := g.tools(cmd.Context(), p)
		if err != nil {
			return err
		}
		p.Start("lock")
		defer p.pause(false)
		proj, err := resolve.Open(cmd.Context(), tools, dir, resolve.Options{Dirty: true, Offline: g.offline, Config: config.data, Profile: profile})
		if err != nil {
			return err
		}
		defer proj.Close()
		l, err := proj.Relock(cmd.Context(), tools, vouch.Locked, update)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, proj.LockName())
		var before *lock.Lock
		if data, err := os.ReadFile(name); err == nil {
			before, _ = lock.Parse(data) // a damaged one counts as none
		}
		if err := writeLock(cmd, name, l); err != nil || before == nil {
			return err
		}
		return printChanges(cmd.Context(), cmd.OutOrStdout(), tools, before, l)
	}
	return cmd
}

func writeLock(cmd *cobra.Command, name string, l *lock.Lock) error {
	data := l.Format()
	before, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the present lock: %w", err)
	}
	if bytes.Equal(before, data) {
		fmt.Fprintf(cmd.OutOrStdout(), "%s is up to date\n", name)
		return nil
	}
	if err := replaceFile(name, data); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "written  %s\n", name)
	fmt.Fprintf(cmd.OutOrStdout(), "  rust %s, vouched for by %s\n", l.Toolchain.Channel, l.Toolchain.Vouched)
	for _, im := range l.Images {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s: %d packages of Debian %s, vouched for by %s\n", im.Name, len(im.Packages), im.Release, im.InRelease.Signer)
	}
	for _, b := range l.Bases {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s, vouched for by %s\n", b.Name, b.Vouched)
	}
	if c := l.CUDA; c != nil {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s: %d files, vouched for by %s\n", c, len(c.Wheels)+len(c.Archives), c.Vouched)
	}
	for _, x := range l.Git {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s at %.12s, vouched for by %s\n", x.URL, x.Commit, lock.Unsigned)
	}
	return nil
}
