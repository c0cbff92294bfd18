package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

// sourceFlags say how the source is taken.
type sourceFlags struct {
	dirty   bool
	epoch   int64
	config  configFile
	profile string
	builds  []string
}

// configFile is a flag: a twice.toml, read at once.
type configFile struct {
	name string
	data []byte
}

func (c *configFile) String() string { return c.name }
func (c *configFile) Type() string   { return "file" }
func (c *configFile) Set(name string) (err error) {
	c.name = name
	c.data, err = os.ReadFile(name)
	return err
}

func (s *sourceFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.dirty, "dirty", false, "build files that no commit holds; the verdict says so")
	cmd.Flags().Int64Var(&s.epoch, "epoch", -1, "SOURCE_DATE_EPOCH in seconds since 1970, in the place of the commit's")
	cmd.Flags().Var(&s.config, "config", "a twice.toml in the place of the source's own")
	cmd.Flags().StringVar(&s.profile, "profile", "", "take the inputs of this profile of twice.toml")
	cmd.Flags().StringSliceVar(&s.builds, "build", nil, "only these builds of twice.toml, and their images")
}

func (s *sourceFlags) options(g *global) resolve.Options {
	o := resolve.Options{Dirty: s.dirty, Offline: g.offline, Config: s.config.data, Profile: s.profile, Builds: s.builds}
	if s.epoch >= 0 {
		o.Epoch = &s.epoch
	}
	return o
}

// verifyFlags are those of the commands that build twice.
type verifyFlags struct {
	src    sourceFlags
	eng    engineFlags
	vary   string
	fresh  bool
	jobs   int
	runs   int
	output string
	ref    string
	report reportFlags
	keep   func(*verdict.Verdict) error // of what was reached, before it is printed; may be nil
}

func (v *verifyFlags) add(cmd *cobra.Command) {
	v.src.add(cmd)
	v.eng.add(cmd)
	v.report.add(cmd)
	f := cmd.Flags()
	f.StringVar(&v.vary, "vary", "all", "what the second build changes: all, none, or names with commas")
	f.BoolVar(&v.fresh, "fresh", false, "build even if the verdict is known, and compile dependencies again")
	f.IntVarP(&v.jobs, "jobs", "j", 0, "cargo's jobs in the first build; default: one for each processor")
	f.StringVarP(&v.output, "output", "o", "", "directory that receives the first build's artefacts")
	f.StringVar(&v.ref, "against", "", "compare the builds with this too: a released file, a directory, an OCI layout, SHA256SUMS or an earlier verdict.json")
	f.IntVar(&v.runs, "runs", 0, "when explaining, repeat so often what decides; default: 3 times a build that differs with nothing varied")
}

func (v *verifyFlags) options(g *global, args []string, explain verify.Explain) (verify.Options, error) {
	if err := v.report.check(); err != nil {
		return verify.Options{}, err
	}
	axes, err := plan.ParseAxes(v.vary)
	if err != nil {
		return verify.Options{}, err
	}
	if v.runs < 0 || v.runs > 1000 {
		return verify.Options{}, fault.Hint(fmt.Errorf("--runs %d: that many runs are not made", v.runs), "give a number from 1 to 1000, or 0 for as many as it takes")
	}
	return verify.Options{
		Spec: spec(args), Resolve: v.src.options(g), Vary: axes, Fresh: v.fresh, Jobs: v.jobs, Engine: v.eng.names(),
		Keep: v.output, Version: fullVersion(), Explain: explain, Runs: v.runs, Against: v.ref,
	}, nil
}

// run gives the verdict. One whose explanation was cut off is a verdict too.
func (v *verifyFlags) run(cmd *cobra.Command, g *global, opt verify.Options) error {
	opt.Differing = v.report.differing()
	reached, err := withRunner(cmd.Context(), g, &v.eng, v.eng.sides(), func(r *verify.Runner) (*verdict.Verdict, error) {
		return r.Verify(cmd.Context(), opt)
	})
	if reached == nil {
		// Before a run starts it takes what a bundle has.
		if bad := opt.IncidentOf(err); bad != nil {
			reached, err = bad, nil
		}
	}
	return v.give(cmd, g, reached, err)
}

// give reports and prints what was reached, and sets the exit status.
func (v *verifyFlags) give(cmd *cobra.Command, g *global, reached *verdict.Verdict, err error) error {
	if reached == nil {
		return err
	}
	if werr := v.report.write(reached); werr != nil {
		return errors.Join(err, werr)
	}
	if v.keep != nil {
		if werr := v.keep(reached); werr != nil {
			return errors.Join(err, werr)
		}
	}
	if reached.Word == verdict.NoVerdict && !g.json {
		// The error says it; where it is told more is all there is to add.
		if reached.Report != "" {
			fmt.Printf("report   %s\n", reached.Report)
		}
		return err
	}
	if err := printVerdict(os.Stdout, g, reached); err != nil {
		return err
	}
	if err != nil {
		if cmd.Context().Err() != nil {
			err = context.Cause(cmd.Context())
		}
		printError(err)
	}
	if code := reached.ExitCode(); code != 0 {
		return exitError(code)
	}
	return nil
}

func newVerify(g *global) *cobra.Command {
	var (
		flags   verifyFlags
		explain explainFlag
	)
	cmd := &cobra.Command{
		Use:   "verify [SOURCE]",
		Short: "build twice, compare, give the verdict",
		Long: `Verify builds a Cargo workspace twice, hermetically, and compares every
artefact: binaries, rlibs, release archives, the image. The second build differs
from the first in everything that must not matter: path, user, time zone,
locale, umask, jobs, times and order of the files, and more.

SOURCE is a directory (default: this one), crate:NAME@VERSION (the newest
without a version), git+URL#COMMIT, a .crate file, or a tar archive.

--against compares the builds with what was released, or with an earlier
verdict. The exit status says which of six things it is:

  0  the builds agree, and with the reference     REPRODUCIBLE
  1  they differ, or the reference from them      MISMATCH
  2  no verdict was reached                       NO VERDICT
  3  the reference is not what is claimed of it   INCIDENT (nothing is compared)
  4  the reference has the same content, packed
     by another compressor                        SAME CONTENT
  5  it was built from other inputs               OTHER INPUTS (nothing is built)

A mismatch is explained as twice bisect does, by building again, if that takes
less than a minute; --explain does it always, --explain=never not at all.

Which engine builds is found by itself. --engine names another one; given several
times A is built on the first, B on the second, and a further side on each further
one. All are compared, and a mismatch says who said what.

A verdict that was reached before, for the same inputs and settings, is printed
again without building. Dependencies of a directory are compiled once for each
side, and kept by the engine. --fresh builds all of it.`,
		Example: "  twice verify crate:ripgrep@15.1.0",
		Args:    cobra.MaximumNArgs(1),
	}
	flags.add(cmd)
	explain.how = verify.Quick
	cmd.Flags().Var(&explain, "explain", "find out which axes a mismatch depends on: always, never, or quick, if that takes less than a minute")
	cmd.Flags().Lookup("explain").NoOptDefVal = "always"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt, err := flags.options(g, args, explain.how)
		if err != nil {
			return err
		}
		return flags.run(cmd, g, opt)
	}
	return cmd
}

func newBisect(g *global) *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "bisect [SOURCE]",
		Short: "verify, and find out by building again what a mismatch depends on",
		Long: `Bisect verifies, and if the builds differ it builds again with halves of what
was varied, until it is known which of it matters: "only build-path matters".
One axis of 15 is found by at most 5 more builds. Several axes, axes that matter
only together, and builds that differ with nothing varied are told apart.

Only those of the project's builds are made again that differ. A verdict that
is known is not reached again, and a search that was interrupted goes on where
it stopped; --fresh starts from the beginning.

The arguments and the exit status are verify's.`,
		Example: "  twice bisect examples/mismatch/path",
		Args:    cobra.MaximumNArgs(1),
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opt, err := flags.options(g, args, verify.Always)
		if err != nil {
			return err
		}
		return flags.run(cmd, g, opt)
	}
	return cmd
}

// explainFlag says when a mismatch is bisected.
type explainFlag struct{ how verify.Explain }

var explanations = map[string]verify.Explain{"never": verify.Never, "quick": verify.Quick, "always": verify.Always}

func (e *explainFlag) String() string {
	for name, how := range explanations {
		if how == e.how {
			return name
		}
	}
	return ""
}

func (e *explainFlag) Type() string { return "when" }

func (e *explainFlag) Set(s string) error {
	how, ok := explanations[s]
	if !ok {
		return fmt.Errorf("%q is not always, never or quick", s)
	}
	e.how = how
	return nil
}

func spec(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// newRunner has everything that a run needs but an engine.
func (g *global) newRunner(ctx context.Context) (*verify.Runner, *progress, error) {
	p, err := g.newProgress()
	if err != nil {
		return nil, nil, err
	}
	tools, err := g.tools(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	scratch, err := cacheDir("scratch")
	if err != nil {
		return nil, nil, err
	}
	return &verify.Runner{Tools: tools, Progress: p, Scratch: scratch, Ready: sayDisk(p), Release: evidence.Release}, p, nil
}

func printVerdict(w io.Writer, g *global, v *verdict.Verdict) error {
	if g.json {
		data, err := v.JSON()
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	return v.Text(w, textOptions(g, false))
}

// fullVersion tells two development builds of the same version apart.
func fullVersion() string {
	v := version()
	if v != "(devel)" {
		return v
	}
	exe, err := os.Executable()
	if err != nil {
		return v
	}
	info, err := os.Stat(exe)
	if err != nil {
		return v
	}
	return fmt.Sprintf("(devel) %x", info.ModTime().UnixNano())
}
