package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/report"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newReport(g *global) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "report [REPORT]",
		Short: "show a verdict that was reported, and render its report again",
		Long: `Report reads the verdict of a report that "twice verify --report" wrote, prints
all of it, and makes the report's files again. Nothing is built.

REPORT is the report's directory (default: twice-report) or its verdict.json.`,
		Example: "  twice report twice-report",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "directory that receives the report; default: the one that the verdict lies in")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from := "twice-report"
		if len(args) > 0 {
			from = args[0]
		}
		v, more, err := report.Read(from)
		if err != nil {
			return err
		}
		to := output
		if to == "" {
			if to = from; filepath.Base(from) == report.Verdict {
				to = filepath.Dir(from)
			}
		}
		if err := writeReport(to, v, more); err != nil {
			return err
		}
		if g.json {
			return printVerdict(os.Stdout, g, v)
		}
		return v.Text(os.Stdout, textOptions(g, !g.quiet))
	}
	return cmd
}

// reportFlags say whether a verdict is reported.
type reportFlags struct {
	dir        string
	diffoscope time.Duration
	more       []report.File
}

func (r *reportFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.dir, "report", "", "directory that receives a report: a page, and the verdict for other programs")
	f.DurationVar(&r.diffoscope, "diffoscope", 0, "add diffoscope's page to the report, if it is installed and done in this time")
	f.Lookup("diffoscope").NoOptDefVal = "5m"
}

// check is before anything is built.
func (r *reportFlags) check() error {
	if r.dir == "" && r.diffoscope != 0 {
		return fault.Hint(errors.New("diffoscope's page is a part of a report"), "name the report's directory, as in --report twice-report --diffoscope")
	}
	if r.dir == "" {
		return nil
	}
	return report.Check(r.dir)
}

// differing runs diffoscope, if it was asked for.
func (r *reportFlags) differing() func(ctx context.Context, dir string, pairs []report.Pair) ([]verdict.Attachment, error) {
	if r.diffoscope <= 0 {
		return nil
	}
	return func(ctx context.Context, dir string, pairs []report.Pair) ([]verdict.Attachment, error) {
		a, files, err := report.RunDiffoscope(ctx, dir, pairs, r.diffoscope)
		r.more = files
		return []verdict.Attachment{a}, err
	}
}

// write reports a verdict, if that was asked for.
func (r *reportFlags) write(v *verdict.Verdict) error {
	if r.dir == "" {
		return nil
	}
	return writeReport(r.dir, v, r.more)
}

// writeReport writes the report of v to dir, with the files of other tools, and
// tells v where it is.
func writeReport(dir string, v *verdict.Verdict, more []report.File) error {
	files, err := report.Files(v)
	if err != nil {
		return err
	}
	if err := report.Write(dir, append(files, more...)); err != nil {
		return err
	}
	v.Report = filepath.Join(dir, report.Page)
	return nil
}

// textOptions suit the standard output.
func textOptions(g *global, verbose bool) verdict.TextOptions {
	o := verdict.TextOptions{Quiet: g.quiet, Verbose: verbose, Color: os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(os.Stdout.Fd()))}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		o.Width = width
	}
	return o
}
