package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Bin is a binary target.
type Bin struct {
	Name     string
	Package  string
	Path     string   // of its main file, in the file system given to Inspect
	Required []string // required-features
}

func isFile(fsys fs.FS, name string) bool {
	st, err := fs.Stat(fsys, name)
	return err == nil && st.Mode().IsRegular()
}

// inferredBins finds binaries where Cargo looks for them: src/main.rs,
// src/bin/NAME.rs and src/bin/NAME/main.rs. Paths are relative to dir.
func inferredBins(fsys fs.FS, dir, pkg string) ([]targetTable, error) {
	var all []targetTable
	if isFile(fsys, path.Join(dir, "src/main.rs")) {
		all = append(all, targetTable{Name: pkg, Path: "src/main.rs"})
	}
	entries, err := fs.ReadDir(fsys, path.Join(dir, "src/bin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		var at *fs.PathError
		if errors.As(err, &at) && isFile(fsys, path.Join(dir, "src/bin")) {
			return all, nil
		}
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		if stem, ok := strings.CutSuffix(name, ".rs"); ok && isFile(fsys, path.Join(dir, "src/bin", name)) {
			all = append(all, targetTable{Name: stem, Path: "src/bin/" + name})
		} else if isFile(fsys, path.Join(dir, "src/bin", name, "main.rs")) {
			all = append(all, targetTable{Name: name, Path: "src/bin/" + name + "/main.rs"})
		}
	}
	return all, nil
}

// bins lists the binaries of a package, as Cargo puts them together: what
// [[bin]] says, then what is found and not yet named, unless autobins is off
// (in edition 2015 it is off as soon as there is a [[bin]]).
func (m *manifest) bins(fsys fs.FS, dir, edition string) ([]Bin, error) {
	pkg := m.Package.Name
	found, err := inferredBins(fsys, dir, pkg)
	if err != nil {
		return nil, err
	}
	targets := slices.Clone(m.Bin)
	auto := m.Package.AutoBins == nil && (edition != "2015" || len(targets) == 0) ||
		m.Package.AutoBins != nil && *m.Package.AutoBins
	names, paths := map[string]bool{}, map[string]bool{}
	for i := range targets {
		t := &targets[i]
		if t.Name == "" {
			return nil, fmt.Errorf("a [[bin]] without a name")
		}
		if names[t.Name] {
			return nil, fmt.Errorf("two binaries are named %.100q", t.Name)
		}
		if t.Path == "" {
			t.Path = m.binPath(fsys, dir, t.Name, edition, found)
		}
		names[t.Name], paths[path.Clean(t.Path)] = true, true
	}
	if auto {
		for _, t := range found {
			if !names[t.Name] && !paths[t.Path] {
				targets = append(targets, t)
			}
		}
	}
	all := make([]Bin, 0, len(targets))
	for _, t := range targets {
		at := path.Join(dir, t.Path)
		if t.Path == "" || !below(at) || !isFile(fsys, at) {
			return nil, fmt.Errorf("binary %.100q: no file %s", t.Name, cmpPath(t.Path, "src/bin/"+t.Name+".rs"))
		}
		all = append(all, Bin{Name: t.Name, Package: pkg, Path: at, Required: t.RequiredFeatures})
	}
	slices.SortStableFunc(all, func(a, b Bin) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func cmpPath(p, otherwise string) string {
	if p == "" {
		return otherwise
	}
	return p
}

// binPath finds the file of a [[bin]] that doesn't name it.
func (m *manifest) binPath(fsys fs.FS, dir, name, edition string, found []targetTable) string {
	for _, t := range found {
		if t.Name == name {
			return t.Path
		}
	}
	// Edition 2015 also takes src/main.rs for the only binary, whatever its name.
	if edition == "2015" && len(m.Bin) == 1 && isFile(fsys, path.Join(dir, "src/main.rs")) {
		return "src/main.rs"
	}
	return ""
}

// library fills in what is known about a package's library target.
func (m *manifest) library(fsys fs.FS, dir string, p *Member) {
	lib := m.Lib
	auto := m.Package.AutoLib == nil || *m.Package.AutoLib
	if lib == nil {
		if !auto || !isFile(fsys, path.Join(dir, "src/lib.rs")) {
			return
		}
		lib = &targetTable{}
	}
	p.Lib = lib.Name
	if p.Lib == "" {
		p.Lib = strings.ReplaceAll(m.Package.Name, "-", "_")
	}
	p.CrateTypes = append(slices.Clone(lib.CrateType), lib.CrateTypeOld...)
	p.ProcMacro = lib.ProcMacro || lib.ProcMacroOld || slices.Contains(p.CrateTypes, "proc-macro")
}

// buildScript returns the build script's path below dir, or "".
func (m *manifest) buildScript(fsys fs.FS, dir string) string {
	switch b := m.Package.Build.(type) {
	case string:
		return path.Join(dir, b)
	case bool:
		if !b {
			return ""
		}
	}
	if at := path.Join(dir, "build.rs"); isFile(fsys, at) {
		return at
	}
	return ""
}
