package check

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/rogpeppe/go-internal/diff"
)

// RunnerTable are the crates that run code at build time, one a line.
func (r *Report) RunnerTable() string {
	var b strings.Builder
	wn, wk := 0, 0
	for _, x := range r.BuildTime {
		wn, wk = max(wn, len(x.Name)+1+len(x.Version)), max(wk, len(x.kinds()))
	}
	for _, x := range r.BuildTime {
		fmt.Fprintf(&b, "%-*s  %-*s  %s  %s\n", wn, x.Name+" "+x.Version, wk, x.kinds(), x.Code, x.Review)
	}
	return b.String()
}

// Review is what the crates of a name run at build time, as text to read: their
// files, or of a crate that was reviewed in another release a unified diff.
func Review(ctx context.Context, tools resolve.Tools, opt Options, name string) (string, error) {
	src, err := source.Open(ctx, opt.Spec, source.Options{
		Fetcher: tools.Fetcher, Resolver: tools.Resolver, Store: tools.Store,
		Dirty: true, Offline: opt.Offline, GitCache: resolve.GitCache(tools),
	})
	if err != nil {
		return "", err
	}
	defer src.Close()
	s, err := openSubject(ctx, src)
	if err != nil {
		return "", err
	}
	if s.graph, err = readGraph(ctx, tools, s.cargoLock); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range s.graph {
		if c.identity() == "" || name != c.Name && name != c.title() && name != c.Name+"@"+c.Version {
			continue
		}
		if err := s.reviewCrate(ctx, tools, c, &b); err != nil {
			return "", err
		}
	}
	if b.Len() == 0 {
		return "", fault.Hint(fmt.Errorf("no crate called %q runs code at build time or reads the machine", name), "`twice check --build-time` lists them")
	}
	return b.String(), nil
}

func (s *subject) reviewCrate(ctx context.Context, tools resolve.Tools, c *Crate, b *strings.Builder) error {
	now, err := crateFiles(ctx, tools, c.LockPackage)
	if err != nil {
		return err
	}
	state := s.review(c)
	fmt.Fprintf(b, "# %s  %s\n# from %s\n# code %s\n", c.title(), state, From(c.LockPackage), c.identity())
	for _, l := range c.Leaks {
		fmt.Fprintf(b, "# %s:%d %s\n", l.File, l.Line, l.Text)
	}
	var before map[string][]byte
	old := "/dev/null"
	if since, ok := strings.CutPrefix(state, "changed since "); ok {
		i := slices.IndexFunc(s.twiceLock.Reviewed, func(r lock.Reviewed) bool { return r.Name == c.Name && r.Version == since })
		if before, err = reviewedFiles(ctx, tools, s.twiceLock.Reviewed[i], c.LockPackage); err != nil {
			return fmt.Errorf("reading %s %s, which was reviewed: %w", c.Name, since, err)
		}
		old = "reviewed/" + c.Name + "-" + since
	}
	names := slices.Collect(maps.Keys(now))
	names = append(names, slices.Collect(maps.Keys(before))...)
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		from, to := old, "now/"+c.Name+"-"+c.Version+"/"+n
		if before != nil {
			from = old + "/" + n
		}
		d := diff.Diff(from, before[n], to, now[n])
		if i := strings.IndexByte(string(d), '\n'); i >= 0 { // its first line names the command
			d = d[i+1:]
		}
		b.Write(d)
	}
	return nil
}

// crateFiles are the files that identify what a crate runs, or reads, by their
// path in the crate.
func crateFiles(ctx context.Context, tools resolve.Tools, p cargo.LockPackage) (map[string][]byte, error) {
	all := map[string][]byte{}
	return all, withCrate(ctx, tools, p, func(fsys fs.FS, dir string) error {
		c, err := readCrate(fsys, dir, p)
		if err != nil {
			return err
		}
		var names []string
		if c.Code != "" {
			bt, err := cargo.ReadBuildTime(fsys, dir)
			if err != nil {
				return err
			}
			names = readUnit(fsys, dir, bt).buildTimeFiles()
		}
		for _, l := range c.Leaks {
			if n := joinDir(dir, l.File); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		for _, n := range names {
			data, err := fs.ReadFile(fsys, n)
			if err != nil {
				return err
			}
			all[relative(dir, n)] = slices.Clone(data)
		}
		return nil
	})
}

func joinDir(dir, name string) string {
	if dir == "." || dir == "" {
		return name
	}
	return dir + "/" + name
}

// reviewedFiles are those of the release that was reviewed.
func reviewedFiles(ctx context.Context, tools resolve.Tools, r lock.Reviewed, now cargo.LockPackage) (map[string][]byte, error) {
	p := cargo.LockPackage{Name: r.Name, Version: r.Version, Source: now.Source}
	if sum, ok := strings.CutPrefix(r.From, "sha256:"); ok {
		p.Checksum = sum
		if !p.Registry() { // it came from a registry and now comes from git
			p.Source = "registry+"
		}
		c := cargo.Crate{Name: p.Name, Version: p.Version, Checksum: sum, Source: p.Source}
		if err := c.Check(); err != nil {
			return nil, err
		}
		item := fetch.Item{Kind: "crate", Name: p.Name + " " + p.Version, Size: -1, Digest: c.Digest(), URLs: tools.Resolver.Crate(p.Name, p.Version)}
		if err := tools.Fetcher.Fetch(ctx, []fetch.Item{item}); err != nil {
			return nil, err
		}
	} else {
		p.Source = r.From
	}
	return crateFiles(ctx, tools, p)
}
