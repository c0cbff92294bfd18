package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/tomldoc"
)

// diffChecks are what a reviewer looks for in a change.
var diffChecks = []Check{
	{Name: "since-lock", Title: "--since: Cargo.lock changes with its dependencies",
		Why: "a commit whose lock doesn't fit its manifests builds something that nobody reviewed, and can't be bisected.",
		Fix: "commit Cargo.lock together with the dependencies that it locks"},
	{Name: "since-sbom", Title: "--since: the SBOM changes with the git pins",
		Why: "an SBOM that names the commit before is worse than none.",
		Fix: "write the SBOM anew and commit it"},
	{Name: "since-changelog", Title: "--since: CHANGELOG tells of changed dependencies",
		Why: "who updates wants to know that other code is in it, and why.",
		Fix: "add an entry to the CHANGELOG"},
}

// history is the way from a commit to what the source is now.
type history struct {
	from  string
	steps []source.Step
}

// changed lists the files that any step changed and that are of a kind.
func (h *history) changed(is func(string) bool) []string {
	var all []string
	for _, st := range h.steps {
		for _, f := range st.Files {
			if is(f) && !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

// since makes the checks on the way from a commit.
func (s *subject) since(ctx context.Context, opt Options) ([]Result, error) {
	if s.src.Kind != source.KindDirectory || s.src.Commit == "" {
		return nil, fault.Hint(errors.New("--since needs a git repository in a directory"), "name a clone of the repository")
	}
	h := &history{}
	var err error
	if h.from, h.steps, err = source.History(ctx, s.src.Root, opt.Since); err != nil {
		return nil, err
	}
	lock, err := s.sinceLock(ctx, h)
	if err != nil {
		return nil, err
	}
	before, err := s.lockAt(ctx, h.from)
	if err != nil {
		return nil, err
	}
	return []Result{
		diffChecks[0].result(lock),
		diffChecks[1].result(s.sinceSBOM(h, before)),
		diffChecks[2].result(s.sinceChangelog(h, before)),
	}, nil
}

// sinceLock looks at each commit: where a manifest names other dependencies than
// before, the lock has to change as well. Versions and features are left out,
// since the lock may stay as it is when they change.
func (s *subject) sinceLock(ctx context.Context, h *history) (outcome, error) {
	lockName := s.below("Cargo.lock")
	var bad, good []Finding
	for _, st := range h.steps {
		for _, f := range st.Files {
			if path.Base(f) != "Cargo.toml" {
				continue
			}
			before, after, err := s.around(ctx, st, f)
			if err != nil {
				return outcome{}, err
			}
			was, now := dependencies(f, before), dependencies(f, after)
			if slices.Equal(was, now) {
				continue
			}
			name := "what is not committed"
			if st.Commit != "" {
				name = "commit " + st.Commit[:12]
			}
			if slices.Contains(st.Files, lockName) {
				good = append(good, at(f, 0, "%s changes dependencies and Cargo.lock", name))
			} else {
				bad = append(bad, at(f, 0, "%s changes %s and not Cargo.lock", name, firstDifference(was, now)))
			}
		}
	}
	if len(bad)+len(good) == 0 {
		return skip("no dependency was added, removed or moved"), nil
	}
	return judge(bad, good), nil
}

// around is a file before and after a step.
func (s *subject) around(ctx context.Context, st source.Step, name string) (before, after []byte, err error) {
	if st.Commit == "" {
		if before, err = source.FileAt(ctx, s.src.Root, "HEAD", name); err != nil {
			return nil, nil, err
		}
		after, err = s.read(name)
		return before, after, err
	}
	if before, err = source.FileAt(ctx, s.src.Root, st.Commit+"^", name); err != nil {
		return nil, nil, err
	}
	after, err = source.FileAt(ctx, s.src.Root, st.Commit, name)
	return before, after, err
}

// dependencies lists what a manifest depends on, sorted: names and sources.
func dependencies(name string, data []byte) []string {
	doc, err := tomldoc.Parse(name, data)
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	table := func(t *tomldoc.Value) {
		for _, k := range t.Keys() {
			v := t.Get(k)
			line := k
			for _, key := range []string{"package", "git", "rev", "branch", "tag", "path", "registry"} {
				if x := v.Str(key); x != "" {
					line += " " + key + "=" + x
				}
			}
			all = append(all, line)
		}
	}
	section := func(v *tomldoc.Value) {
		for _, kind := range []string{"dependencies", "dev-dependencies", "build-dependencies"} {
			table(v.Get(kind))
		}
	}
	section(doc.Root)
	table(doc.Root.Get("workspace", "dependencies"))
	for _, k := range doc.Root.Get("target").Keys() {
		section(doc.Root.Get("target", k))
	}
	for _, k := range doc.Root.Get("patch").Keys() {
		table(doc.Root.Get("patch", k))
	}
	slices.Sort(all)
	return all
}

func firstDifference(a, b []string) string {
	for _, x := range append(slices.Clone(b), a...) {
		if slices.Contains(a, x) != slices.Contains(b, x) {
			name, _, _ := strings.Cut(x, " ")
			return name
		}
	}
	return "dependencies"
}

// lockAt is Cargo.lock as a commit has it, nil if it has none that can be read.
func (s *subject) lockAt(ctx context.Context, commit string) (*cargo.LockFile, error) {
	data, err := source.FileAt(ctx, s.src.Root, commit, s.below("Cargo.lock"))
	if err != nil || data == nil {
		return nil, err
	}
	l, err := cargo.ParseLock(data)
	if err != nil {
		return nil, nil
	}
	return l, nil
}

// locked lists the packages of a lock from elsewhere, or those of git alone.
func locked(l *cargo.LockFile, git bool) []string {
	var all []string
	for _, p := range outside(l) {
		if _, _, ok := p.Git(); ok || !git {
			all = append(all, p.Name+" "+p.Version+" "+p.Source)
		}
	}
	slices.Sort(all)
	return all
}

func (s *subject) sinceSBOM(h *history, before *cargo.LockFile) outcome {
	was, now := locked(before, true), locked(s.cargoLock, true)
	if slices.Equal(was, now) {
		return skip("no git pin moved")
	}
	if files := h.changed(isSBOM); len(files) > 0 {
		return pass(at(files[0], 0, "changed"))
	}
	return judge([]Finding{{Text: fmt.Sprintf("%s moved, and no SBOM changed", firstDifference(was, now))}}, nil)
}

func isChangelog(name string) bool {
	base := strings.ToUpper(path.Base(name))
	return strings.HasPrefix(base, "CHANGELOG") || strings.HasPrefix(base, "CHANGES") || strings.HasPrefix(base, "NEWS") || strings.HasPrefix(base, "RELEASES")
}

func (s *subject) sinceChangelog(h *history, before *cargo.LockFile) outcome {
	was, now := locked(before, false), locked(s.cargoLock, false)
	if slices.Equal(was, now) {
		return skip("no crate was added, removed or moved")
	}
	files := h.changed(isChangelog)
	for _, f := range files {
		if _, err := fs.Stat(s.fsys, f); err == nil {
			return pass(at(f, 0, "changed"))
		}
	}
	return judge([]Finding{{Text: fmt.Sprintf("%s moved, and no CHANGELOG tells of it", firstDifference(was, now))}}, nil)
}
