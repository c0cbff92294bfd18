package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/plan"
)

// Audited is what a watched build did and made.
type Audited struct {
	Report    *audit.Report
	Artefacts []artefact.Artefact // those of an unwatched build; not on this disk any more
	Lock      *lock.Lock          // the project's, with what was recorded
}

// Audit builds once, in the plain settings, and watches what runs at build time.
func (r *Runner) Audit(ctx context.Context, opt Options) (*Audited, error) {
	prep, err := r.Prepare(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	sides, cleanup, err := r.sides(prep, opt, "A")
	if err != nil {
		return nil, err
	}
	defer cleanup()
	engine, err := r.Engine(ctx)
	if err != nil {
		return nil, err
	}
	for i, pl := range prep.Plans {
		prep.Plans[i] = pl.Watched()
	}
	if err := r.build(ctx, engine, prep, sides[0]); err != nil {
		return nil, err
	}
	src := prep.Project.Source
	all := &audit.Report{Schema: audit.Schema, Name: prep.Project.Config.Name, Version: prep.Project.Version(), Source: src.Spec, Commit: src.Commit, Unseen: audit.Unseen}
	for i, pl := range prep.Plans {
		build := prep.Project.Config.Builds[i].Name
		one, err := readLog(filepath.Join(sides[0].dir, strconv.Itoa(i), "out", "audit", "log"), pl, sides[0].Side)
		if err != nil {
			return nil, fmt.Errorf("reading what %s did: %w", build, err)
		}
		if all.Name == "" {
			all.Name = build
		}
		one.Plans = []string{pl.Digest().String()}
		all.Merge(one)
	}
	return &Audited{Report: all, Artefacts: sides[0].artefacts, Lock: prep.Project.Lock}, nil
}

func readLog(name string, pl *plan.Plan, s plan.Side) (*audit.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v := s.Settings(pl)
	at := audit.Places{Source: v.Source, CargoHome: v.CargoHome, Target: v.Source + "/target", Sysroot: "/usr/local"}
	if pl.Dir != "" {
		at.Target = v.Source + "/" + pl.Dir + "/target"
	}
	if pl.Sysroot != "" {
		at.Sysroot = pl.Sysroot
	}
	return audit.Read(f, at)
}
