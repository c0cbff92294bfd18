package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/spf13/cobra"
)

// global are the flags that every command has.
type global struct {
	offline  bool
	noMirror bool
	quiet    bool
	json     bool
	progress string
	bundle   string
	from, to string // stores elsewhere, see package remotestore
}

func newRoot() *cobra.Command {
	var g global
	root := &cobra.Command{
		Use:   "twice",
		Short: "build a Cargo workspace twice and prove that the results are the same bits",
		Long: `Twice builds a Cargo workspace hermetically, twice, and says whether the
results are the same bits: binaries, rlibs, release archives and the image.

The exit status is 0 when it was done or the builds agree, 1 when they differ, 2
when there is no verdict or the command failed; twice verify --help has more.`,
		Example: `  twice verify crate:ripgrep@15.1.0    # a published crate
  twice verify .                       # the workspace in this folder`,
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              knownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return g.hasJSON(cmd) },
	}
	root.SetVersionTemplate("twice {{.Version}}\n")
	f := root.PersistentFlags()
	f.BoolVar(&g.offline, "offline", false, "fetch nothing: an input that the store lacks is an error")
	f.StringVar(&g.bundle, "bundle", "", "take inputs from this bundle first, a file, a directory or oci://…; see twice bundle")
	f.StringVar(&g.from, "store-from", "", "take inputs from this store first, a directory or oci://registry/name (default $TWICE_STORE_FROM)")
	f.StringVar(&g.to, "store-to", "", "put what a run used into this store, a directory or oci://registry/name (default $TWICE_STORE_TO)")
	f.BoolVar(&g.noMirror, "no-mirror", false, "fetch from upstream addresses only")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "print the result and nothing else")
	f.BoolVar(&g.json, "json", false, "print the result as JSON, of commands that have one")
	f.StringVar(&g.progress, "progress", "auto", "how builds are shown: auto, tty, plain, lines, none")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fault.Hintf(err, "`%s --help` lists the flags", cmd.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2 // letters
	root.AddCommand(commands(&g)...)
	hintArguments(root)
	return root
}

// knownCommand is what the program itself takes: nothing but the name of a command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = strings.Join(like, " or ") + "? " + hint
	}
	return fault.Hint(fmt.Errorf("unknown command %q", args[0]), hint)
}

// noJSON are the commands that have no result but a file, or a text for somebody else.
var noJSON = []string{"bundle", "fetch", "image", "init", "lock", "man", "normalize", "plan", "recipe", "sign"}

// hasJSON refuses --json where it would say nothing.
func (g *global) hasJSON(cmd *cobra.Command) error {
	if g.json && slices.Contains(noJSON, cmd.Name()) {
		return fault.Hint(fmt.Errorf("--json: %s has no result to print", cmd.CommandPath()), "leave it out")
	}
	return nil
}

// hintArguments has an error about arguments say where they are told.
func hintArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil && cmd.HasParent() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return fault.Hintf(err, "`%s --help` says what it takes", cmd.CommandPath())
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		hintArguments(c)
	}
}

// version is the module's, as Go recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
