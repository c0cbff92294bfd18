//go:build !ahead

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/check"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/spf13/cobra"
)

func newCheck(g *global) *cobra.Command {
	var (
		explain     string
		since       string
		verdictFile string
		auditFile   string
		review      string
		accept      []string
		pins        bool
		runners     bool
		asSARIF     bool
		eng         engineFlags
	)
	cmd := &cobra.Command{
		Use:   "check [SOURCE]",
		Short: "hold a workspace against the checklist of reproducible builds",
		Long: `Check reads a workspace and the crates that it depends on, runs nothing, and
prints a table: each check with what it saw, where, and how to mend it. A
directory is read with what no commit holds yet.

With [check] in twice.toml the pinned cargo-deny is asked, too, about advisories,
licences, bans and sources. It is built from its crate, once, and runs in an
engine without a network, like a build.

The exit status is 0 when nothing failed, 1 when a check failed, 2 when one
could not be made.

The checks; --explain NAME says why there is each:

` + strings.TrimRight(check.List(), "\n") + `

Crates that run code at build time are to be read once: --review NAME shows that
code, or what has changed in it since it was read, and --accept NAME records in
twice.lock that it was.`,
		Example: `  twice check
  twice check --review serde_derive
  twice check --since origin/main`,
		Args: cobra.MaximumNArgs(1),
	}
	eng.add(cmd)
	f := cmd.Flags()
	f.StringVar(&explain, "explain", "", "say why there is a check, and what it can't see")
	f.StringVar(&since, "since", "", "check the commits since this one too, as a reviewer would")
	f.StringVar(&verdictFile, "verdict", "", "a verdict that verify --json wrote, for the check two-builds")
	f.StringVar(&auditFile, "audit", "", "an audit that audit --json wrote, for the check build-scripts-watched")
	f.BoolVar(&pins, "pins", false, "print the table of git pins and nothing else")
	f.BoolVar(&runners, "build-time", false, "print the crates that run code at build time and nothing else")
	f.StringVar(&review, "review", "", "show what a crate runs at build time, or what has changed in it since it was reviewed")
	f.StringSliceVar(&accept, "accept", nil, "record in twice.lock that these crates were reviewed: NAME, NAME@VERSION, or all")
	f.BoolVar(&asSARIF, "sarif", false, "print what failed as SARIF 2.1.0, for a code host")
	cmd.MarkFlagsMutuallyExclusive("explain", "pins", "build-time", "review", "accept")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := cmd.OutOrStdout()
		if explain != "" {
			c, ok := check.Named(explain)
			if !ok {
				return fault.Hint(fmt.Errorf("there is no check called %q", explain), "`twice check --help` lists them")
			}
			_, err := fmt.Fprint(out, c.Explain())
			return err
		}
		opt := check.Options{Spec: spec(args), Offline: g.offline, Since: since}
		if verdictFile != "" {
			data, err := os.ReadFile(verdictFile)
			if err != nil {
				return err
			}
			if opt.Verdict, err = verdict.Parse(data); err != nil {
				return fmt.Errorf("reading %s: %w", verdictFile, err)
			}
		}
		if auditFile != "" {
			var err error
			if opt.Audit, err = readAudit(auditFile); err != nil {
				return err
			}
		}
		p, err := g.newProgress()
		if err != nil {
			return err
		}
		tools, err := g.tools(cmd.Context(), p)
		if err != nil {
			return err
		}
		defer keepInputs(cmd.Context(), tools, p)
		p.Start("check")
		defer p.pause(false)
		switch {
		case review != "":
			text, err := check.Review(cmd.Context(), tools, opt, review)
			if err != nil {
				return err
			}
			p.pause(true)
			_, err = fmt.Fprint(out, text)
			return err
		case len(accept) > 0:
			graph, err := check.Graph(cmd.Context(), tools, opt)
			if err != nil {
				return err
			}
			p.pause(true)
			return acceptCrates(cmd, opt.Spec, graph, accept)
		}
		ask := denier{g: g, eng: &eng, tools: tools, progress: p, spec: opt.Spec}
		opt.Deny = ask.run
		r, err := check.Run(cmd.Context(), tools, opt)
		if cerr := ask.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("stopping the engine: %w", cerr)
		}
		if err != nil {
			return err
		}
		p.pause(true)
		switch {
		case asSARIF:
			if err := r.SARIF(out, version()); err != nil {
				return err
			}
		case g.json:
			data, err := r.JSON()
			if err == nil {
				_, err = out.Write(data)
			}
			if err != nil {
				return err
			}
		case pins:
			_, err := fmt.Fprint(out, r.PinTable())
			return err
		case runners:
			_, err := fmt.Fprint(out, r.RunnerTable())
			return err
		default:
			if _, err := fmt.Fprint(out, r.Text()); err != nil {
				return err
			}
		}
		if code := r.ExitCode(); code != 0 {
			return exitError(code)
		}
		return nil
	}
	return cmd
}

// acceptCrates writes rows of reviewed code into a directory's twice.lock.
func acceptCrates(cmd *cobra.Command, dir string, graph []*check.Crate, names []string) error {
	name := filepath.Join(dir, lock.Name)
	l, err := readReviews(dir)
	if err != nil {
		return err
	}
	added, err := check.Accept(l, graph, names)
	if err != nil {
		return err
	}
	if len(added) == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has them all\n", name)
		return err
	}
	if err := replaceFile(name, l.Format()); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	for _, r := range added {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "reviewed  %s %s  %s\n", r.Name, r.Version, r.Code); err != nil {
			return err
		}
	}
	return nil
}
