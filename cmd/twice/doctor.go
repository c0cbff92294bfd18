//go:build !ahead

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/doctor"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
	"github.com/spf13/cobra"
)

func newDoctor(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [SOURCE]",
		Short: "what this machine lacks, with the command that mends it",
		Long: `Doctor looks at what builds need of this machine: an engine, the kernel, git, the
cache and its disk, the toolchain, the places that inputs are fetched from (not with
--offline). With a SOURCE, or in a workspace, it looks at that too. It changes nothing.

The exit status is 1 when something is missing; warnings and notes are no failure.`,
		Example: "  twice doctor",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := g.newProgress()
			if err != nil {
				return err
			}
			p.pause(true)
			m, places, err := g.machine()
			if err != nil {
				return err
			}
			lines := doctor.Run(cmd.Context(), m, places)
			if _, err := os.Stat(filepath.Join(spec(args), "Cargo.toml")); len(args) > 0 || err == nil {
				lines = append(lines, g.project(cmd.Context(), p, spec(args)))
			}
			if g.json {
				if err := printJSON(cmd.OutOrStdout(), lines); err != nil {
					return err
				}
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			bad := false
			for _, l := range lines {
				bad = bad || l.State == doctor.Missing
				if g.json {
					continue
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", l.Name, l.State, oneLine(l.Found))
				if l.Mend != "" {
					fmt.Fprintf(w, "\t\t  mend: %s\n", oneLine(l.Mend))
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if bad {
				return exitError(1)
			}
			return nil
		},
	}
}

// machine is this one, with what it takes to ask the network.
func (g *global) machine() (doctor.Machine, []doctor.Place, error) {
	m := doctor.This()
	m.Mounts = embedded.Privileged()
	m.Rust = func(ctx context.Context) error {
		pin, err := resolve.BuiltinToolchain()
		if err == nil {
			_, err = rust.Installed(ctx, pin.Pin)
		}
		return err
	}
	if g.offline {
		return m, nil, nil
	}
	r, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		return m, nil, err
	}
	pin, err := resolve.BuiltinToolchain()
	if err != nil {
		return m, nil, err
	}
	var component []string
	for _, c := range pin.Components {
		component = append(component, c.Path)
	}
	mend := func(kind string) string {
		return "set HTTPS_PROXY for a proxy, TWICE_CA_FILE for its certificate, or TWICE_MIRROR_" + kind + " for a mirror"
	}
	places := []doctor.Place{
		{Name: "crates", URLs: r.CrateIndex("serde"), Mend: mend("CRATES")},
		{Name: "debian", URLs: r.DebianSuite("bookworm", "dists/bookworm/InRelease"), Mend: mend("DEBIAN")},
	}
	if len(component) > 0 {
		places = append(places, doctor.Place{Name: "rust-dist", URLs: r.Rust(component[0] + ".sha256"), Mend: mend("RUST") + "; or `rustup toolchain install " + pin.Channel + "`"})
	}
	f := &fetch.Fetcher{Client: r.HTTPClient(), Retry: fetch.Retry{Attempts: 1, Stall: 10 * time.Second}}
	m.Get = func(ctx context.Context, p doctor.Place) error {
		if len(p.URLs) == 0 {
			return fmt.Errorf("no address is known")
		}
		_, err := f.Get(ctx, p.URLs, 32<<20)
		return err
	}
	return m, places, nil
}

// project is the line of a workspace: what would keep it from being built.
func (g *global) project(ctx context.Context, p *progress, spec string) doctor.Line {
	l := doctor.Line{Name: "project", State: doctor.OK}
	offline := *g
	offline.offline = true
	tools, err := offline.tools(ctx, p)
	if err == nil {
		var proj *resolve.Project
		if proj, err = resolve.Open(ctx, tools, spec, resolve.Options{Offline: true, Locked: true}); err == nil {
			defer proj.Close()
			if err = proj.UseLock(ctx, tools); err == nil {
				l.Found = proj.Summary()
				return l
			}
		}
	}
	l.State, l.Found = doctor.Missing, strings.TrimSpace(err.Error())
	l.Mend = fault.HintOf(err)
	return l
}
