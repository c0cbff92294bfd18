package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Step is a commit on the way to what is in a directory now, or, as the last
// step, what no commit holds yet.
type Step struct {
	Commit string   // "" for what no commit holds
	Files  []string // that it changed, below the directory, sorted
}

// maxSteps bounds a history.
const maxSteps = 2000

// History lists the steps from a commit, tag or branch to what is in dir, the
// oldest first. Merges are no steps: what they bring together are. The first
// result is the commit that since means.
func History(ctx context.Context, dir, since string) (string, []Step, error) {
	from, steps, err := history(ctx, dir, since)
	if err != nil {
		return "", nil, fmt.Errorf("reading the history since %s: %w", since, err)
	}
	return from, steps, nil
}

func history(ctx context.Context, dir, since string) (string, []Step, error) {
	r := repo{dir}
	from, err := r.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", since+"^{commit}")
	if err != nil || !isCommit(from) {
		if ctx.Err() != nil {
			return "", nil, context.Cause(ctx)
		}
		return "", nil, fault.Hint(errors.New("there is no such commit"), "name a commit, a tag or a branch of the repository; a shallow clone lacks most (`git fetch --unshallow`)")
	}
	out, err := r.git(ctx, "rev-list", "--reverse", "--no-merges", from+"..HEAD")
	if err != nil {
		return "", nil, err
	}
	commits := strings.Fields(string(out))
	if len(commits) > maxSteps {
		return "", nil, fmt.Errorf("%d commits are more than %d", len(commits), maxSteps)
	}
	var steps []Step
	for _, c := range commits {
		out, err := r.git(ctx, "diff-tree", "--no-commit-id", "--name-only", "--no-renames", "--root", "--relative", "-r", "-z", c)
		if err != nil {
			return "", nil, err
		}
		steps = append(steps, Step{c, names(out)})
	}
	all, _, err := r.changes(ctx)
	if len(all) > 0 {
		steps = append(steps, Step{"", all})
	}
	return from, steps, err
}

func names(out []byte) []string {
	all := slices.DeleteFunc(strings.Split(string(out), "\x00"), func(s string) bool { return s == "" })
	slices.Sort(all)
	return all
}

// FileAt returns a file of a commit, by its path below dir; nil if the commit,
// or the file in it, isn't there. "COMMIT^" is the commit before it.
func FileAt(ctx context.Context, dir, commit, name string) ([]byte, error) {
	out, err := repo{dir}.git(ctx, "cat-file", "blob", commit+":./"+name)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, nil
	}
	return append([]byte{}, out...), nil
}
