package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/craton-co/twice/internal/cache"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/spf13/cobra"
)

func newStore(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "what the cache holds, and making it smaller",
		Long: `Store lists what Twice keeps in its cache directory ($TWICE_CACHE, else twice in
the user's cache), and removes what was used longest ago. Whatever is removed can
be had again: from the network, from a bundle, or by building.`,
		Example: `  twice store ls
  twice store gc --keep 10GB`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newStoreList(g), newStoreClear(g))
	return cmd
}

func newStoreList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "list what takes room",
		Example: "  twice store ls",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := store.DefaultDir()
			if err != nil {
				return err
			}
			list, err := cache.List(cmd.Context(), dir)
			if err != nil {
				return err
			}
			free, freeErr := cache.Free(dir)
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"directory": dir, "parts": list, "free": free})
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			var total int64
			for _, p := range list {
				used := "never"
				if !p.Used.IsZero() {
					used = p.Used.UTC().Format(time.DateOnly)
				}
				fmt.Fprintf(w, "%s\t%s\t%d files\tused %s\n", p.Name, verdict.Size(p.Size), p.Files, used)
				total += p.Size
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "in all %s in %s", verdict.Size(total), dir)
			if freeErr == nil {
				fmt.Fprintf(cmd.OutOrStdout(), ", %s free", verdict.Size(free))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout())
			return err
		},
	}
}

func newStoreClear(g *global) *cobra.Command {
	var keep string
	var dry bool
	cmd := &cobra.Command{
		Use:   "gc --keep SIZE",
		Short: "remove what was used longest ago",
		Long: `Gc removes what was used longest ago until no more than SIZE is left: blobs of the
store, fetched repositories, the engine's own cache. It waits until no other command
uses the cache. Verdicts are kept.`,
		Example: `  twice store gc --keep 10GB
  twice store gc --keep 0 --dry-run`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&keep, "keep", "", "how much may be left: 10GB, 512MiB, 0")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go, and remove nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if keep == "" {
			return fault.Hint(fmt.Errorf("how much may be left is not said"), "pass --keep 10GB")
		}
		size, err := cache.ParseSize(keep)
		if err != nil {
			return err
		}
		dir, err := store.DefaultDir()
		if err != nil {
			return err
		}
		release, err := store.UseAlone(cmd.Context(), dir, func() {
			fmt.Fprintln(cmd.ErrOrStderr(), "twice: waiting for the commands that use the cache")
		})
		if err != nil {
			return err
		}
		defer release()
		done, err := cache.Clear(cmd.Context(), dir, size, dry)
		if err != nil {
			return err
		}
		if g.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{"before": done.Before, "after": done.After, "removed": done.Removed})
		}
		verb := "removed"
		if dry {
			verb = "would remove"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s (%d things), %s are left\n", verb,
			verdict.Size(done.Before-done.After), len(done.Removed), verdict.Size(done.After))
		return err
	}
	return cmd
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// useCache has this process use the cache, until it ends: gc waits for that.
func useCache(ctx context.Context) error {
	dir, err := store.DefaultDir()
	if err != nil {
		return err
	}
	_, err = store.Use(ctx, dir, func() { fmt.Fprintln(os.Stderr, "twice: waiting for twice store gc") })
	return err
}
