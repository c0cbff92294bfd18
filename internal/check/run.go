package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
)

// Options say what is checked.
type Options struct {
	Spec    string           // as resolve.Open takes it; a directory may have changes that no commit holds
	Offline bool             // fetch nothing
	Since   string           // a commit or branch: check the way from there, too
	Verdict *verdict.Verdict // of twice verify, for the check two-builds
	Audit   *audit.Report    // of twice audit, for the check build-scripts-watched
	// Deny asks cargo-deny, with the pins of twice.toml: it needs an engine. Nil:
	// where there are pins, its checks are not made.
	Deny func(context.Context, config.Check) (*deny.Report, error)
}

// Run makes the checks. An error means that the source could not be read; what
// a single check could not do is in its result.
func Run(ctx context.Context, tools resolve.Tools, opt Options) (*Report, error) {
	src, err := source.Open(ctx, opt.Spec, source.Options{
		Fetcher: tools.Fetcher, Resolver: tools.Resolver, Store: tools.Store,
		Dirty: true, Offline: opt.Offline, GitCache: resolve.GitCache(tools),
	})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s, err := openSubject(ctx, src)
	if err != nil {
		return nil, err
	}
	s.verdict, s.audit = opt.Verdict, opt.Audit
	if s.graph, s.graphErr = readGraph(ctx, tools, s.cargoLock); s.graphErr != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.config != nil && s.config.Check != nil {
		s.denied, s.denyErr = nil, fault.Hint(errors.New("there is no engine to run cargo-deny in"), "`twice check` brings one")
		if opt.Deny != nil {
			if s.denied, s.denyErr = opt.Deny(ctx, *s.config.Check); s.denyErr != nil && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
	r := &Report{Schema: Schema, Source: src.Spec, Commit: src.Commit, Since: opt.Since, Pins: s.pins,
		manifest: s.below("Cargo.toml"), lockName: s.below("Cargo.lock"), lockLines: map[string]int{}}
	for _, p := range outside(s.cargoLock) {
		r.lockLines[p.Name+" "+p.Version] = p.Line
	}
	for _, c := range Checks {
		r.Checks = append(r.Checks, c.result(c.run(s)))
	}
	if opt.Since != "" {
		more, err := s.since(ctx, opt)
		if err != nil {
			return nil, err
		}
		r.Checks = append(r.Checks, more...)
	}
	if s.graphErr == nil {
		r.BuildTime = s.runners()
	}
	r.conclude()
	return r, nil
}

// Graph opens a source and reads the crates of its Cargo.lock.
func Graph(ctx context.Context, tools resolve.Tools, opt Options) ([]*Crate, error) {
	src, err := source.Open(ctx, opt.Spec, source.Options{
		Fetcher: tools.Fetcher, Resolver: tools.Resolver, Store: tools.Store,
		Dirty: true, Offline: opt.Offline, GitCache: resolve.GitCache(tools),
	})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s, err := openSubject(ctx, src)
	if err != nil {
		return nil, err
	}
	graph, err := readGraph(ctx, tools, s.cargoLock)
	if err != nil {
		return nil, fmt.Errorf("reading the crates: %w", err)
	}
	return graph, nil
}
