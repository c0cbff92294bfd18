package verify

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/verdict"
)

// causeContext is what is known of the two builds and of the crates in them.
// Who asks closes it afterwards.
func (r *Runner) causeContext(ctx context.Context, prep *Prepared, a, b *side, list []verdict.Artefact) (cause.Context, io.Closer) {
	c := cause.Context{A: a.known(), B: b.known(), Epoch: prep.Project.Source.Epoch}
	open := &opened{}
	p := prep.Project
	if p.CargoLock == nil {
		return c, open
	}
	compared, differs := libraries(list)
	for _, k := range p.CargoLock.Packages {
		x := cause.Crate{Name: k.Name, Version: k.Version, Local: k.Local()}
		for _, d := range k.Dependencies {
			x.Deps = append(x.Deps, dependency(p.CargoLock, d))
		}
		lib := strings.ReplaceAll(k.Name, "-", "_")
		x.Compared, x.Differs = compared[lib], differs[lib]
		switch {
		case k.Local():
			x.Bins = programs(prep, k.Name)
			x.Source = func() (fs.FS, error) { return memberFS(prep, k.Name) }
		case k.Registry():
			x.Source = func() (fs.FS, error) {
				return open.crate(ctx, r, cargo.Crate{Name: k.Name, Version: k.Version, Checksum: k.Checksum, Source: k.Source})
			}
		}
		c.Crates = append(c.Crates, x)
	}
	return c, open
}

// alone fills in the causes of artefacts that only one side has.
func alone(list []verdict.Artefact) {
	var onlyA, onlyB []string
	for _, x := range list {
		switch {
		case x.B == "":
			onlyA = append(onlyA, x.Name)
		case x.A == "":
			onlyB = append(onlyB, x.Name)
		}
	}
	for i := range list {
		switch x := &list[i]; {
		case x.B == "":
			x.Causes = cause.Alone(x.Name, "A", onlyB)
		case x.A == "":
			x.Causes = cause.Alone(x.Name, "B", onlyA)
		}
	}
}

var rlibFile = regexp.MustCompile(`(?:^|/)rlib/lib([0-9A-Za-z_]+?)(?:-[0-9a-f]{16})?\.rlib$`)

// libraries are the names of the crates whose libraries were compared, and of
// those whose libraries differ.
func libraries(list []verdict.Artefact) (compared, differs map[string]bool) {
	compared, differs = map[string]bool{}, map[string]bool{}
	for _, x := range list {
		if m := rlibFile.FindStringSubmatch(x.Name); m != nil {
			compared[m[1]] = true
			differs[m[1]] = differs[m[1]] || !x.Same
		}
	}
	return compared, differs
}

// dependency is the name and version of what a line of Cargo.lock refers to:
// "name", "name version" or "name version (source)".
func dependency(l *cargo.LockFile, line string) string {
	name, rest, _ := strings.Cut(line, " ")
	version, _, _ := strings.Cut(rest, " ")
	if version == "" {
		for _, p := range l.Packages {
			if p.Name == name {
				return name + " " + p.Version
			}
		}
	}
	return name + " " + version
}

// programs are the names of the programs of a package of the workspace.
func programs(prep *Prepared, name string) (out []string) {
	for _, m := range prep.Project.Workspace.Members {
		if m.Name == name {
			for _, b := range m.Bins {
				out = append(out, b.Name)
			}
		}
	}
	return out
}

// memberFS are the files of a package of the workspace.
func memberFS(prep *Prepared, name string) (fs.FS, error) {
	for _, m := range prep.Project.Workspace.Members {
		if m.Name == name {
			if m.Dir == "" || m.Dir == "." {
				return prep.Project.Source.FS(), nil
			}
			return fs.Sub(prep.Project.Source.FS(), path.Clean(m.Dir))
		}
	}
	return nil, fs.ErrNotExist
}

// opened are the crates that were unpacked to be read.
type opened []io.Closer

// Close removes them.
func (o *opened) Close() error {
	var all []error
	for _, c := range *o {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}

func (o *opened) crate(ctx context.Context, r *Runner, c cargo.Crate) (fs.FS, error) {
	sp, err := spool.New(filepath.Join(r.Tools.Store.Dir(), "ingest"))
	if err != nil {
		return nil, err
	}
	*o = append(*o, sp)
	entries, _, err := cargo.ReadCrate(ctx, r.Tools.Store, sp, c)
	if err != nil {
		return nil, err
	}
	t := layer.NewTree()
	for _, e := range entries {
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	return fs.Sub(source.TreeFS(t), c.Dir())
}

// known describes a side.
func (s *side) known() cause.Build {
	x := s.settings
	// Of an engine on another machine nothing is known; there no place has this number.
	cpus := runtime.NumCPU()
	if x.FewerCPUs {
		cpus--
	}
	return cause.Build{
		Path: x.Source, CargoHome: x.CargoHome, Home: x.Home, User: x.User, UID: x.UID, Host: x.HostName, TZ: x.TZ,
		Locale: x.Lang + " " + x.LCAll, Umask: x.Umask, SearchPath: x.Path, Extra: x.Extra, Jobs: x.Jobs, CPUs: cpus, Mtime: x.Mtime,
		Start: s.start, End: s.start.Add(s.took),
	}
}
