package evidence

import (
	"context"
	"fmt"
	"os"
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
		if err := d.write(dir); err != nil {
			return fmt.Errorf("writing %s: %w", d.Name, err)
		}
	}
	return nil
}

// write replaces the document's file in one step.
func (d Document) write(dir string) error {
	f, err := os.CreateTemp(dir, ".twice-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(d.Data); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, d.Name))
}
