package evidence

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/verify"
)

// Set are the documents of a release.
type Set struct {
	SBOMs     []Document
	Statement Document
}

// Documents writes the documents of artefacts that a project made.
func Documents(ctx context.Context, r *verify.Runner, engine verify.Builder, prep *verify.Prepared, made []artefact.Artefact) (Set, error) {
	trees, err := r.Trees(ctx, engine, prep)
	if err != nil {
		return Set{}, err
	}
	docs, err := SBOMs(prep, trees)
	if err != nil {
		return Set{}, err
	}
	text, err := Statement(prep, made, docs).JSON()
	if err != nil {
		return Set{}, err
	}
	return Set{docs, Document{StatementName(prep), text}}, nil
}

// Release writes the SBOMs and the statement beside artefacts that were kept in
// dir: what verify.Runner's Release asks for.
func Release(ctx context.Context, r *verify.Runner, engine verify.Builder, prep *verify.Prepared, made []artefact.Artefact, dir string) error {
	set, err := Documents(ctx, r, engine, prep, made)
	if err != nil {
		return err
	}
	for _, d := range append(set.SBOMs, set.Statement) {
		err := verify.WriteFile(filepath.Join(dir, d.Name), false, func(w io.Writer) error {
			_, err := w.Write(d.Data)
			return err
		})
		if err != nil {
			return fmt.Errorf("writing %s: %w", d.Name, err)
		}
	}
	return nil
}
