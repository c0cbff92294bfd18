//go:build !ahead

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func newAudit(g *global) *cobra.Command {
	var (
		src    sourceFlags
		eng    engineFlags
		jobs   int
		accept []string
		from   string
	)
	cmd := &cobra.Command{
		Use:   "audit [SOURCE]",
		Short: "build once, and say what the code that runs at build time did",
		Long: `Audit runs the first of verify's two builds and watches every process in it. It
prints what each build script did: files outside of OUT_DIR, variables, programs,
and whether it tried the network, which no build has. Of procedural macros the
variables are told; their files and programs stand at the crate that was
compiled. What makes the artefacts is as unwatched, and so are they.

Compilers' and the system's own files, cargo's variables and temporary files are
left out, and counted in --json, which has every file.

--accept records in twice.lock what crates did: NAME, NAME@VERSION, or all. From
then on another act is a difference to look at. --from FILE builds nothing: it
takes an audit that --json wrote, in CI for instance, and SOURCE's twice.lock.

The exit status is 0 when nothing is against it, 1 when the network was tried or
something did other than recorded, 2 when it couldn't be found out.

What a build script could do without being seen:

` + unseen(),
		Example: "  twice audit crate:ripgrep@15.1.0",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	eng.add(cmd)
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 0, "cargo's jobs; default: one for each processor")
	cmd.Flags().StringSliceVar(&accept, "accept", nil, "record in twice.lock what these crates did: NAME, NAME@VERSION, or all")
	cmd.Flags().StringVar(&from, "from", "", "show, or record, an audit that --json wrote; nothing is built")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g), Jobs: jobs, Version: fullVersion()}
		if len(accept) > 0 {
			// Before minutes of building: is there a lock to write?
			if _, err := readReviews(opt.Spec); err != nil {
				return err
			}
		}
		if from != "" {
			r, err := readAudit(from)
			if err != nil {
				return err
			}
			if len(accept) > 0 {
				return acceptActs(cmd, opt.Spec, r, accept)
			}
			if l, err := readReviews(opt.Spec); err == nil {
				r.Judge(func(name, version string) []string { return lock.DidOf(l, name, version) })
			}
			return showAudit(cmd, g, &verify.Audited{Report: r})
		}
		made, err := withRunner(cmd.Context(), g, &eng, []string{"A"}, func(r *verify.Runner) (*verify.Audited, error) {
			return r.Audit(cmd.Context(), opt)
		})
		if err != nil {
			return cannotWatch(err)
		}
		r := made.Report
		r.Judge(func(name, version string) []string { return lock.DidOf(made.Lock, name, version) })
		if len(accept) > 0 {
			return acceptActs(cmd, opt.Spec, r, accept)
		}
		return showAudit(cmd, g, made)
	}
	return cmd
}

// watchRE is what the program that watches prints when it can't.
var watchRE = regexp.MustCompile(`watch: (ptrace|seccomp): `)

// cannotWatch says of a failed build whether it was the watching.
func cannotWatch(err error) error {
	var step *engine.StepError
	if errors.As(err, &step) && slices.ContainsFunc(step.Tail(20), watchRE.MatchString) {
		return fmt.Errorf("the engine's sandbox doesn't let a program watch its children, as the embedded one does: %w", err)
	}
	return err
}

// showAudit prints the report; the exit status is its own.
func showAudit(cmd *cobra.Command, g *global, made *verify.Audited) error {
	var err error
	if g.json {
		err = printAudit(cmd, made)
	} else {
		err = made.Report.Text(cmd.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if code := made.Report.ExitCode(); code != 0 {
		return exitError(code)
	}
	return nil
}

// readAudit reads what audit --json wrote.
func readAudit(name string) (*audit.Report, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := audit.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return r, nil
}

// unseen is what no audit sees, as a list.
func unseen() string {
	var b strings.Builder
	for _, u := range audit.Unseen {
		line := "  -"
		for _, w := range strings.Fields(u) {
			if len(line)+1+len(w) > 80 {
				b.WriteString(line + "\n")
				line = "   "
			}
			line += " " + w
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// printAudit writes the report with the artefacts' digests.
func printAudit(cmd *cobra.Command, made *verify.Audited) error {
	type artefact struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	out := struct {
		*audit.Report
		Artefacts []artefact `json:"artefacts,omitempty"`
	}{Report: made.Report}
	for _, a := range made.Artefacts {
		out.Artefacts = append(out.Artefacts, artefact{a.Name, a.Digest.String()})
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// readReviews reads the lock of a directory, in which reviews are recorded.
func readReviews(dir string) (*lock.Lock, error) {
	name := filepath.Join(dir, lock.Name)
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Hint(fmt.Errorf("%s isn't there, and reviews are recorded in it", name),
			"of a workspace's directory `twice lock` writes it; what was seen elsewhere is recorded there by --from FILE --accept NAME DIRECTORY")
	} else if err != nil {
		return nil, fmt.Errorf("reading the lock: %w", err)
	}
	return lock.Parse(data)
}

// acceptActs writes what crates did into their rows of a directory's twice.lock.
func acceptActs(cmd *cobra.Command, dir string, r *audit.Report, names []string) error {
	l, err := readReviews(dir)
	if err != nil {
		return err
	}
	var rows []string
	for _, name := range names {
		found := false
		for i := range l.Reviewed {
			row := &l.Reviewed[i]
			if name != "all" && name != row.Name && name != row.Name+"@"+row.Version {
				continue
			}
			found = true
			did := r.Did(row.Name, row.Version)
			if did == nil {
				did = []string{audit.NotRun}
			}
			if row.Did == nil || !slices.Equal(row.Did, did) {
				row.Did = did
				rows = append(rows, fmt.Sprintf("recorded  %s %s  %s", row.Name, row.Version, acts(did)))
			}
		}
		if !found {
			return fault.Hintf(fmt.Errorf("twice.lock has no row of a crate called %q", name), "read its code with `twice check --review %s`, then `twice check --accept %s`", name, name)
		}
	}
	file := filepath.Join(dir, lock.Name)
	if len(rows) == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has them all\n", file)
		return err
	}
	if err := replaceFile(file, l.Format()); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	for _, line := range rows {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return nil
}

func acts(did []string) string {
	switch {
	case len(did) == 0:
		return "nothing but its own files"
	case len(did) == 1:
		return did[0]
	}
	return fmt.Sprintf("%d acts", len(did))
}
