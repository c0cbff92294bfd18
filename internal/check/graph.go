package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rustsyntax"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/spool"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Crate is a package that Cargo.lock takes from outside, and what of it runs.
type Crate struct {
	cargo.LockPackage
	BuildTime cargo.BuildTime
	Code      digest.Digest // of what runs at build time; "" if nothing does
	Leaks     []Finding     // what it takes from the machine
	LeakCode  digest.Digest // of the files with leaks, where nothing runs at build time
}

// identity is what a review of the crate is recorded for: its code, or the files
// that read the machine.
func (c *Crate) identity() digest.Digest {
	if c.Code != "" {
		return c.Code
	}
	return c.LeakCode
}

// From is where a package comes from, as twice.lock records it.
func From(p cargo.LockPackage) string {
	if repo, commit, ok := p.Git(); ok {
		return "git+" + repo + "#" + commit
	}
	return "sha256:" + p.Checksum
}

// title is "name version".
func (c *Crate) title() string { return c.Name + " " + c.Version }

// Runner is a crate that runs code at build time, for people and programs.
type Runner struct {
	Name        string        `json:"name"`
	Version     string        `json:"version"`
	From        string        `json:"from"`
	BuildScript []string      `json:"build_script,omitempty"`
	ProcMacro   bool          `json:"proc_macro,omitempty"`
	Links       string        `json:"links,omitempty"`
	Code        digest.Digest `json:"code"`
	Review      string        `json:"review"` // "reviewed", "as in 1.2.3", "changed since 1.2.3" or "not reviewed"
}

// kinds is what a crate runs, for people.
func (r Runner) kinds() string {
	var all []string
	if len(r.BuildScript) > 0 {
		all = append(all, "build script")
	}
	if r.ProcMacro {
		all = append(all, "procedural macro")
	}
	if r.Links != "" {
		all = append(all, "links "+r.Links)
	}
	return strings.Join(all, ", ")
}

// packages are what Cargo.lock takes from outside.
func outside(l *cargo.LockFile) []cargo.LockPackage {
	if l == nil {
		return nil
	}
	var all []cargo.LockPackage
	for _, p := range l.Packages {
		if !p.Local() {
			all = append(all, p)
		}
	}
	return all
}

// readGraph reads the crates of the lock from the store, where they are fetched
// to by hash.
func readGraph(ctx context.Context, tools resolve.Tools, l *cargo.LockFile) ([]*Crate, error) {
	if l == nil {
		return nil, fault.Hint(errors.New("there is no Cargo.lock, so which crates there are isn't known"), "run `cargo generate-lockfile` and commit the file")
	}
	var items []fetch.Item
	for _, c := range l.Crates() {
		items = append(items, fetch.Item{Kind: "crate", Name: c.Name + " " + c.Version, Size: -1, Digest: c.Digest(), URLs: tools.Resolver.CrateOf(c.Source, "", c.Name, c.Version, c.Checksum)})
	}
	if err := tools.Fetcher.Fetch(ctx, items); err != nil {
		return nil, fmt.Errorf("fetching the crates: %w", err)
	}
	sources := outside(l)
	all := make([]*Crate, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range sources {
		g.Go(func() error {
			err := withCrate(ctx, tools, p, func(fsys fs.FS, dir string) (err error) {
				all[i], err = readCrate(fsys, dir, p)
				return err
			})
			if err != nil {
				return fmt.Errorf("reading crate %s %s: %w", p.Name, p.Version, err)
			}
			return nil
		})
	}
	return all, g.Wait()
}

// withCrate gives f the files of a package and the directory that it is in.
func withCrate(ctx context.Context, tools resolve.Tools, p cargo.LockPackage, f func(fs.FS, string) error) error {
	if _, _, ok := p.Git(); ok {
		return withGitCrate(ctx, tools, p, f)
	}
	sp, err := spool.New(filepath.Join(tools.Store.Dir(), "ingest"))
	if err != nil {
		return err
	}
	defer sp.Close()
	c := cargo.Crate{Name: p.Name, Version: p.Version, Checksum: p.Checksum, Source: p.Source}
	entries, _, err := cargo.ReadCrate(ctx, tools.Store, sp, c)
	if err != nil {
		return err
	}
	tree := layer.NewTree()
	for _, e := range entries {
		for i, r := range e.Path {
			if r == '/' {
				if _, ok := tree.Get(e.Path[:i]); !ok {
					if err := tree.Add(layer.Dir(e.Path[:i], 0o755, 0)); err != nil {
						return err
					}
				}
			}
		}
		if err := tree.Add(e); err != nil {
			return err
		}
	}
	return f((&source.Source{Tree: tree}).FS(), c.Dir())
}

func withGitCrate(ctx context.Context, tools resolve.Tools, p cargo.LockPackage, f func(fs.FS, string) error) error {
	repo, commit, _ := p.Git()
	if _, err := resolve.FetchGit(ctx, tools, cargo.GitDep{URL: repo, Commit: commit}); err != nil {
		return err
	}
	tree, done, err := source.GitTree(ctx, resolve.GitCache(tools), commit)
	if err != nil {
		return err
	}
	defer func(c io.Closer) { _ = c.Close() }(done)
	fsys := (&source.Source{Tree: tree}).FS()
	// The package is somewhere in its repository.
	for _, e := range tree.Entries() {
		if path.Base(e.Path) != "Cargo.toml" {
			continue
		}
		b, err := cargo.ReadBuildTime(fsys, path.Dir(e.Path))
		if err == nil && b.Name == p.Name && (b.Version == "" || b.Version == p.Version) {
			return f(fsys, path.Dir(e.Path))
		}
	}
	return fmt.Errorf("%s at %.12s has no package %s %s", repo, commit, p.Name, p.Version)
}

// suspects are texts without which a file can't have a leak: most files need
// not be parsed.
var suspects = []string{"env!", "option_env!"}

// readCrate looks at one package.
func readCrate(fsys fs.FS, dir string, p cargo.LockPackage) (*Crate, error) {
	bt, err := cargo.ReadBuildTime(fsys, dir)
	if err != nil {
		return nil, err
	}
	u := readUnit(fsys, dir, bt)
	c := &Crate{LockPackage: p, BuildTime: bt}
	c.BuildTime.Scripts = nil
	for _, s := range bt.Scripts {
		c.BuildTime.Scripts = append(c.BuildTime.Scripts, relative(dir, s))
	}
	if bt.Runs() {
		if c.Code, err = u.code(); err != nil {
			return nil, err
		}
	}
	title := p.Name + " " + p.Version
	built := map[string]bool{}
	for _, name := range u.buildTimeFiles() {
		built[name] = true
		if f := u.file(name); f != nil {
			c.addLeaks(title, relative(dir, name), leaks(f, true))
		}
	}
	var leaky []string
	err = fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel := relative(dir, name); slices.Contains([]string{"tests", "benches", "examples", "target"}, rel) || name != dir && isFile(fsys, path.Join(name, "Cargo.toml")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".rs" || built[name] {
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		text := string(data)
		if !slices.ContainsFunc(suspects, func(s string) bool { return strings.Contains(text, s) }) {
			return nil
		}
		f, err := rustsyntax.Parse(text)
		if err != nil {
			return nil // templates and tests of compilers; rustc would not take it either
		}
		if n := len(c.Leaks); c.addLeaks(title, relative(dir, name), leaks(f, false)) > n {
			leaky = append(leaky, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if c.Code == "" && len(leaky) > 0 {
		c.LeakCode, err = hashFiles(fsys, dir, leaky)
	}
	return c, err
}

func (c *Crate) addLeaks(title, file string, all []leak) int {
	for _, l := range all {
		if l.Kind == machine || l.Kind == clock {
			c.Leaks = append(c.Leaks, Finding{Package: title, File: file, Line: l.Line, Text: l.Text})
		}
	}
	return len(c.Leaks)
}

// review is what twice.lock knows of a crate.
func (s *subject) review(c *Crate) string {
	if s.twiceLock == nil {
		return notReviewed
	}
	other := ""
	for _, r := range s.twiceLock.Reviewed {
		switch {
		case r.Name != c.Name:
		case r.Code == c.identity() && r.Version == c.Version:
			return reviewed
		case r.Code == c.identity():
			return reviewed + ", as in " + r.Version
		default:
			other = r.Version
		}
	}
	if other != "" {
		return "changed since " + other
	}
	return notReviewed
}

const (
	reviewed    = "reviewed"
	notReviewed = "not reviewed"
)

// runners are the crates that run code at build time.
func (s *subject) runners() []Runner {
	var all []Runner
	for _, c := range s.graph {
		if c != nil && c.BuildTime.Runs() {
			all = append(all, Runner{c.Name, c.Version, From(c.LockPackage), c.BuildTime.Scripts, c.BuildTime.ProcMacro, c.BuildTime.Links, c.Code, s.review(c)})
		}
	}
	return all
}

func (s *subject) unchecked() outcome {
	return outcome{status: NotChecked, evidence: []Finding{{Text: s.graphErr.Error()}}, fix: fault.HintOf(s.graphErr)}
}

func buildScriptsReviewed(s *subject) outcome {
	if s.graphErr != nil {
		return s.unchecked()
	}
	var bad, good []Finding
	for _, r := range s.runners() {
		f := Finding{Package: r.Name + " " + r.Version, Text: r.kinds() + ": " + r.Review}
		if len(r.BuildScript) > 0 {
			f.File = r.BuildScript[0]
		}
		if strings.HasPrefix(r.Review, reviewed) {
			good = append(good, f)
		} else {
			bad = append(bad, f)
		}
	}
	if len(bad)+len(good) == 0 {
		return skip("no crate runs code at build time")
	}
	o := judge(bad, good)
	if s.twiceLock == nil && o.status == Fail {
		o.fix = "run `twice lock`; then read each with `twice check --review NAME`, and record it with `twice check --accept NAME`"
	}
	return o
}

func environmentGraph(s *subject) outcome {
	if s.graphErr != nil {
		return s.unchecked()
	}
	if len(s.graph) == 0 {
		return skip("there are no crates")
	}
	var bad, good []Finding
	for _, c := range s.graph {
		if c == nil || len(c.Leaks) == 0 {
			continue
		}
		if r := s.review(c); strings.HasPrefix(r, reviewed) {
			good = append(good, Finding{Package: c.title(), Text: fmt.Sprintf("%d places, %s", len(c.Leaks), r)})
		} else {
			bad = append(bad, c.Leaks...)
		}
	}
	if len(bad)+len(good) == 0 {
		good = append(good, Finding{Text: fmt.Sprintf("%d crates read", len(s.graph))})
	}
	return judge(bad, good)
}

// Accept adds rows to a lock for the crates of a name, or for all that run code
// or read the machine. It returns the rows that are new.
func Accept(l *lock.Lock, graph []*Crate, names []string) ([]lock.Reviewed, error) {
	var added []lock.Reviewed
	for _, name := range names {
		found := false
		for _, c := range graph {
			if c.identity() == "" || name != "all" && name != c.Name && name != c.Name+"@"+c.Version {
				continue
			}
			found = true
			row := lock.Reviewed{Name: c.Name, Version: c.Version, From: From(c.LockPackage), Code: c.identity()}
			if slices.ContainsFunc(l.Reviewed, func(r lock.Reviewed) bool {
				return r.Name == row.Name && r.Version == row.Version && r.From == row.From && r.Code == row.Code
			}) {
				continue
			}
			l.Reviewed = append(l.Reviewed, row)
			added = append(added, row)
		}
		if !found && name != "all" {
			return nil, fault.Hint(fmt.Errorf("no crate called %q runs code at build time or reads the machine", name), "`twice check` lists them")
		}
	}
	// A row of a release that Cargo.lock no longer has says nothing.
	for _, a := range added {
		l.Reviewed = slices.DeleteFunc(l.Reviewed, func(r lock.Reviewed) bool {
			return r.Name == a.Name && !slices.ContainsFunc(graph, func(c *Crate) bool { return c.Name == r.Name && (c.identity() == r.Code || c.Version == r.Version) })
		})
	}
	return added, nil
}
