package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/plan"
)

// Trees is what Cargo says of the packages of one build.
type Trees struct {
	Normal *cargo.Tree // without what build scripts need
	All    *cargo.Tree
}

// Trees asks Cargo, in the builder and without a network as a build would, which
// packages each of the project's builds takes.
func (r *Runner) Trees(ctx context.Context, engine Builder, prep *Prepared) ([]Trees, error) {
	sides, cleanup, err := r.sides(prep, Options{Jobs: 1}, "A")
	if err != nil {
		return nil, err
	}
	defer cleanup()
	var out []Trees
	for i, pl := range prep.Plans {
		name := prep.Project.Config.Builds[i].Name
		dir := filepath.Join(sides[0].dir, strconv.Itoa(i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		side := plan.Side{Name: "tree", Jobs: 1} // its result may be kept: it is a function of the inputs
		if err := run(ctx, engine, Job{Plan: pl.AskTree(), Side: side, Inputs: prep.Inputs, Out: dir}); err != nil {
			return nil, fmt.Errorf("asking Cargo for the packages of %s: %w", name, err)
		}
		var t Trees
		for _, f := range []struct {
			file string
			to   **cargo.Tree
		}{{"normal", &t.Normal}, {"all", &t.All}} {
			text, err := os.ReadFile(filepath.Join(dir, "tree", f.file))
			if err != nil {
				return nil, fmt.Errorf("asking Cargo for the packages of %s: %w", name, err)
			}
			if *f.to, err = cargo.ParseTree(string(text)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		out = append(out, t)
	}
	return out, nil
}
