package evidence

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/verify"
)

// Release writes the SBOMs and the statement beside artefacts that were kept in
// dir: what verify.Runner's Release asks for.
func Release(ctx context.Context, r *verify.Runner, engine verify.Builder, prep *verify.Prepared, made []artefact.Artefact, dir string) error {
	trees, err := r.Trees(ctx, engine, prep)
	if err != nil {
		return err
	}
	docs, err := SBOMs(prep, trees)
	if err != nil {
		return err
	}
	text, err := Statement(prep, made, docs).JSON()
	if err != nil {
		return err
	}
	for _, d := range append(docs, Document{Name: StatementName(prep), Data: text}) {
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
