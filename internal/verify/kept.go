package verify

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
)

// keepsDependencies says whether dependencies are compiled in steps of their own:
// of a directory, which is built again when it has changed. What is
// released, handed over or compared with what was, is compiled in one go.
func (opt Options) keepsDependencies(prep *Prepared) bool {
	p := prep.Project
	return !opt.Fresh && !opt.Clean && opt.Rebuild == nil && opt.Keep == "" && opt.Against == "" && p.Source.Kind == source.KindDirectory && len(p.Crates())+len(p.GitDependencies()) > 0
}

// keepDependencies has the sides compile dependencies in steps of their own.
func (r *Runner) keepDependencies(ctx context.Context, prep *Prepared, sides []*side) error {
	if err := prep.Inputs.AddSkeleton(ctx, r.Tools, prep.Project); err != nil {
		return err
	}
	for _, s := range sides {
		s.keeps = true
	}
	return nil
}

// KeepDependencies has all plans compile dependencies in steps of their own.
func (prep *Prepared) KeepDependencies(ctx context.Context, tools resolve.Tools) error {
	if err := prep.Inputs.AddSkeleton(ctx, tools, prep.Project); err != nil {
		return err
	}
	for i, pl := range prep.Plans {
		prep.Plans[i] = prep.kept(pl)
	}
	return nil
}

func (prep *Prepared) kept(pl *plan.Plan) *plan.Plan {
	if !pl.CanKeep() {
		return pl
	}
	return pl.KeepDependencies(prep.Inputs.Skeleton.Desc.Digest)
}

// plan is what a side runs of a plan.
func (s *side) plan(prep *Prepared, pl *plan.Plan) *plan.Plan {
	if s.keeps {
		return prep.kept(pl)
	}
	return pl
}

// readKept reads what a build says of its dependencies; nil if they were not
// compiled apart.
func (s *side) readKept(build, out string) (*verdict.Dependencies, error) {
	dir := filepath.Join(out, "kept")
	if _, err := os.Stat(dir); os.IsNotExist(err) || !s.keeps {
		return nil, nil
	}
	d := &verdict.Dependencies{Build: build}
	var n [4]int64
	for i, name := range []string{"from", "until", "crates", "end"} {
		text, err := readLine(filepath.Join(dir, name))
		if err == nil {
			n[i], err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("reading when dependencies were compiled: %w", err)
		}
	}
	var err error
	if d.Why, err = readLine(filepath.Join(dir, "why")); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if d.Why == "" {
		d.Crates, d.From, d.Until = int(n[2]), time.Unix(0, n[0]).UTC(), time.Unix(0, n[1]).UTC()
		// The engine's clock may be another: its build has just ended.
		d.Earlier = d.Until.Add(time.Since(time.Unix(0, n[3]))).Before(s.start)
	}
	return d, nil
}

// readLine reads a file that a build script could have written as well: as much as
// a line needs.
func readLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	return strings.TrimSpace(string(text)), err
}

// compiled are the times in which a side's artefacts were made, the dependencies'
// first, where that was before the run.
func (s *side) compiled() [][2]time.Time {
	var out [][2]time.Time
	for _, d := range s.kept {
		if d.Earlier {
			out = append(out, [2]time.Time{d.From, d.Until})
		}
	}
	return out
}

// isClean says whether all of a verdict's builds compiled everything themselves.
func isClean(v *verdict.Verdict) bool {
	for _, b := range v.Builds {
		for _, d := range b.Dependencies {
			if d.Why == "" {
				return false
			}
		}
	}
	return true
}
