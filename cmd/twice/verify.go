package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
	"golang.org/x/term"
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

func newVerify(g *global) *cobra.Command {
	var (
		src    sourceFlags
		eng    engineFlags
		vary   string
		fresh  bool
		jobs   int
		output string
	)
	cmd := &cobra.Command{
		Use:   "verify [SOURCE]",
		Short: "build twice, compare, give the verdict",
		Long: `Verify builds a Cargo workspace twice, hermetically, and compares every
artefact: binaries, rlibs, release archives, the image. The second build differs
from the first in everything that must not matter: path, user, time zone,
locale, umask, jobs, times and order of the files, and more.

SOURCE is a directory (default: this one), crate:NAME@VERSION, or
git+URL#COMMIT. The exit status is 0 when the builds agree, 1 when they differ,
2 when no verdict was reached.

A verdict that was reached before, for the same inputs and settings, is printed
again without building; --fresh builds.`,
		Example: "  twice verify crate:ripgrep@15.1.0",
		Args:    cobra.MaximumNArgs(1),
	}
	src.add(cmd)
	eng.add(cmd)
	f := cmd.Flags()
	f.StringVar(&vary, "vary", "all", "what the second build changes: all, none, or names with commas")
	f.BoolVar(&fresh, "fresh", false, "build even if the verdict is known")
	f.IntVarP(&jobs, "jobs", "j", 0, "cargo's jobs in the first build; default: one for each processor")
	f.StringVarP(&output, "output", "o", "", "directory that receives the first build's artefacts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		axes, err := plan.ParseAxes(vary)
		if err != nil {
			return err
		}
		opt := verify.Options{Spec: spec(args), Resolve: src.options(g), Vary: axes, Fresh: fresh, Jobs: jobs, Engine: eng.addr, Keep: output, Version: fullVersion()}
		v, err := withRunner(cmd.Context(), g, &eng, []string{"A", "B"}, func(r *verify.Runner) (*verdict.Verdict, error) {
			return r.Verify(cmd.Context(), opt)
		})
		if err != nil {
			return err
		}
		if err := printVerdict(os.Stdout, g, v); err != nil {
			return err
		}
		if code := v.ExitCode(); code != 0 {
			return exitError(code)
		}
		return nil
	}
	return cmd
}

func spec(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// withRunner runs f with everything set up, and takes it down again.
func withRunner[T any](ctx context.Context, g *global, eng *engineFlags, sides []string, f func(*verify.Runner) (T, error)) (T, error) {
	var none T
	p, err := g.newProgress()
	if err != nil {
		return none, err
	}
	tools, err := g.tools(ctx, p)
	if err != nil {
		return none, err
	}
	scratch, err := cacheDir("scratch")
	if err != nil {
		return none, err
	}
	var b *builder
	r := &verify.Runner{Tools: tools, Progress: p, Scratch: scratch, Engine: func(ctx context.Context) (verify.Builder, error) {
		var err error
		if b, err = eng.start(ctx, tools, p); err != nil {
			return nil, err
		}
		b.sides(ctx, sides...)
		return b, nil
	}}
	result, err := f(r)
	if b != nil {
		if cerr := b.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("stopping the engine: %w", cerr)
		}
	}
	p.pause(false)
	return result, err
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
	o := verdict.TextOptions{Quiet: g.quiet, Color: os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(os.Stdout.Fd()))}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		o.Width = width
	}
	return v.Text(w, o)
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
