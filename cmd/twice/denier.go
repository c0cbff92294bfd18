//go:build !ahead

package main

import (
	"context"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
)

// denier asks cargo-deny in an engine, which is started when it is needed.
type denier struct {
	g        *global
	eng      *engineFlags
	tools    resolve.Tools
	progress *progress
	spec     string
	builder  *builder
}

func (d *denier) run(ctx context.Context, pins config.Check) (*deny.Report, error) {
	scratch, err := cacheDir("scratch")
	if err != nil {
		return nil, err
	}
	r := &verify.Runner{Tools: d.tools, Progress: d.progress, Scratch: scratch, Engine: func(ctx context.Context) (verify.Builder, error) {
		if d.builder == nil {
			b, err := d.eng.start(ctx, d.tools, d.progress)
			if err != nil {
				return nil, err
			}
			b.sides(ctx, "cargo-deny", "deny")
			d.builder = b
		}
		return d.builder, nil
	}}
	return r.Deny(ctx, verify.Options{Spec: d.spec, Resolve: resolve.Options{Offline: d.g.offline, Dirty: true}, Version: fullVersion()}, pins)
}

// Close ends the engine, if it was started.
func (d *denier) Close() error {
	if d.builder == nil {
		return nil
	}
	return d.builder.Close()
}
