package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// specs are what cold-verify builds.
func (b *bench) specs() []string {
	switch {
	case b.small:
		return []string{b.path("hello")}
	case b.full:
		return []string{"crate:ripgrep@15.1.0", "crate:hyperfine@1.20.0"}
	}
	return []string{"crate:ripgrep@15.1.0"}
}

// fetched brings the inputs of spec into the cache, builder composed.
func (b *bench) fetched(ctx context.Context, spec string) error {
	return b.once("fetching the inputs of "+nameOf(spec), func() error {
		if b.small { // a copy, since the checkout may have changes
			if err := os.CopyFS(b.path("hello"), os.DirFS(filepath.Join(b.repo, "examples", "hello"))); err != nil {
				return err
			}
		}
		_, _, err := b.twice("fetch", spec).run(ctx)
		return err
	})
}

func nameOf(spec string) string { return filepath.Base(strings.TrimPrefix(spec, "crate:")) }

func coldVerify(ctx context.Context, b *bench) ([]line, error) {
	var lines []line
	for _, spec := range b.specs() {
		if err := b.fetched(ctx, spec); err != nil {
			return nil, err
		}
		plain, err := b.cargo(ctx, spec)
		if err != nil {
			return nil, err
		}
		verify := b.twice("verify", "--fresh", "--quiet", "--progress", "none", spec)
		cold := func() (time.Duration, error) {
			if err := os.RemoveAll(b.path("cache", "engine")); err != nil {
				return 0, err
			}
			return timed(ctx, verify)
		}
		warm := func() (time.Duration, error) { return timed(ctx, verify) }
		first, err := cold()
		if err != nil {
			return nil, err
		}
		b.note("%s: first run %s", nameOf(spec), seconds(first))
		ours, others, err := interleaved(b.n, warm, func() (time.Duration, error) {
			d, err := plain()
			b.note("%s: cargo build, twice %s", nameOf(spec), seconds(d))
			return d, err
		})
		if err != nil {
			return nil, err
		}
		lines = append(lines,
			line{What: nameOf(spec) + ": verify ÷ two cargo builds", Ours: ours, Other: others, Goal: atMost(1)},
			line{What: nameOf(spec) + ": first run, with import ÷ two cargo builds", Ours: []time.Duration{first}, Other: others[:1]})
	}
	return lines, nil
}

func unchanged(ctx context.Context, b *bench) ([]line, error) {
	spec := b.specs()[0]
	if err := b.fetched(ctx, spec); err != nil {
		return nil, err
	}
	verify := b.twice("verify", "--quiet", spec)
	_, verdict, err := verify.run(ctx)
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for range max(b.n, 5) {
		d, again, err := verify.run(ctx)
		if err != nil {
			return nil, err
		}
		if again != verdict {
			return nil, fmt.Errorf("another verdict: %q, then %q", verdict, again)
		}
		took = append(took, d)
	}
	return []line{{What: nameOf(spec) + ": verify, verdict stored", Ours: took, GoalOurs: 500 * time.Millisecond}}, nil
}
