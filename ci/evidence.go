package main

import (
	"context"
	"fmt"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/verify"
)

// What each build is made of, as CycloneDX 1.6: the crates that it takes, the toolchain, the Debian packages. Nothing is built
func (m *Twice) Sbom(ctx context.Context) (*dagger.Directory, error) {
	r, prep, err := m.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	docs, err := r.sboms(ctx, prep)
	if err != nil {
		return nil, failure(err)
	}
	d := dag.Directory()
	for _, doc := range docs {
		d = d.WithNewFile(doc.Name, string(doc.Data))
	}
	return d, nil
}

func (r *run) sboms(ctx context.Context, prep *verify.Prepared) ([]evidence.Document, error) {
	runner := r.runner()
	e, err := runner.Engine(ctx)
	if err != nil {
		return nil, err
	}
	trees, err := runner.Trees(ctx, e, prep)
	if err != nil {
		return nil, err
	}
	return evidence.SBOMs(prep, trees)
}

// The provenance statement of one build: in-toto, SLSA v1, with every input and output by hash. Whoever builds the same gets the same bytes
func (m *Twice) Provenance(ctx context.Context) (*dagger.File, error) {
	r, err := m.build(ctx)
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().WorkdirFile(r.path("out", r.statement)), nil
}

// release writes what goes with kept artefacts, as the command does.
func (r *run) release(ctx context.Context, runner *verify.Runner, e verify.Builder, prep *verify.Prepared, made []artefact.Artefact, dir string) error {
	r.statement = evidence.StatementName(prep)
	if err := evidence.Release(ctx, runner, e, prep, made, dir); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	return nil
}
