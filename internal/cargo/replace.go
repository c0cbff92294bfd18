package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// A Replacement is what the sources' own configuration puts in the place of a
// source of Cargo.lock ([source.NAME] replace-with).
type Replacement struct {
	Dir   string // in the file system: the crates lie there, as a directory or a local registry
	Index string // or the index of another registry that serves the same crates
}

// Replaced follows source replacement for the package's source, as Cargo does. It is
// not ok where nothing replaces that. A directory that the file system
// doesn't have is an error: what lies elsewhere is not part of the sources.
func (w *Workspace) Replaced(fsys fs.FS, p LockPackage) (Replacement, bool, error) {
	c := w.Config
	name := c.sourceName(p)
	if c.Sources[name].ReplaceWith == "" {
		return Replacement{}, false, nil
	}
	first := name
	for i := 0; c.Sources[name].ReplaceWith != ""; i++ {
		if i == 16 {
			return Replacement{}, false, fmt.Errorf("%s: source %s: its replacement leads in a circle", c.Sources[name].File, name)
		}
		name = c.Sources[name].ReplaceWith
	}
	s := c.Sources[name]
	at := s.Directory
	if at == "" {
		at = s.LocalRegistry
	}
	switch {
	case at != "":
		full := at
		if !path.IsAbs(at) {
			full = path.Join(path.Dir(path.Dir(s.File)), at) // relative to the directory that has .cargo
		}
		if info, err := fs.Stat(fsys, full); path.IsAbs(full) || !below(full) || err != nil || !info.IsDir() {
			return Replacement{}, false, fault.Hint(fmt.Errorf("%s: source %s is replaced by the directory %s, which is not in the sources", s.File, first, at),
				"commit the directory, or remove the replacement: crates are then fetched by the hashes of Cargo.lock")
		}
		return Replacement{Dir: full}, true, nil
	case s.Registry != "":
		return Replacement{Index: s.Registry}, true, nil
	case c.Registries[name] != "":
		return Replacement{Index: c.Registries[name]}, true, nil
	case s.Git != "":
		return Replacement{Index: s.Git}, true, nil
	}
	return Replacement{}, false, fault.Hint(fmt.Errorf("%s: source %s is replaced by %s, and nothing in the sources says what that is", c.Sources[first].File, first, name),
		fmt.Sprintf("add a [source.%s] table, or remove the replacement", name))
}

// sourceName is the table that stands for a package's source, or "".
func (c Config) sourceName(p LockPackage) string {
	if p.Source == cratesIO {
		return "crates-io"
	}
	repo, _, isGit := p.Git()
	kind, value := p.GitReference()
	for _, name := range c.sourceNames() {
		s := c.Sources[name]
		if isGit {
			if s.Git == repo && s.reference() == kind+" "+value {
				return name
			}
		} else if s.Registry != "" && registryID(s.Registry) == registryID(p.Source) {
			return name
		}
	}
	// A table may have a registry's name and leave the address to [registries].
	for name, index := range c.Registries {
		if !isGit && index != "" && registryID(index) == registryID(p.Source) {
			return name
		}
	}
	return ""
}

// SourceTable is the [source] table that has a registry's address, or "".
func (c Config) SourceTable(source string) string {
	for _, name := range c.sourceNames() {
		if s := c.Sources[name]; s.Registry != "" && registryID(s.Registry) == registryID(source) {
			return name
		}
	}
	return ""
}

func (c Config) sourceNames() []string {
	var all []string
	for name := range c.Sources {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (s SourceConfig) reference() string {
	switch {
	case s.Branch != "":
		return "branch " + s.Branch
	case s.Tag != "":
		return "tag " + s.Tag
	case s.Rev != "":
		return "rev " + s.Rev
	}
	return " "
}

// registryID is an index's address as Cargo.lock has it: "sparse+…" as it is,
// a git index with "registry+".
func registryID(index string) string {
	if strings.HasPrefix(index, "sparse+") || strings.HasPrefix(index, "registry+") {
		return index
	}
	return "registry+" + index
}

// Outside are the directories of path dependencies that lie outside of the
// workspace's root, sorted. Cargo hashes their absolute paths into the names of
// symbols and files (rust-lang/cargo#7645).
func (w *Workspace) Outside() []string {
	var out []string
	for _, m := range w.Members {
		for _, p := range m.Paths {
			if w.Root != "." && w.Root != "" && p != w.Root && !strings.HasPrefix(p, w.Root+"/") {
				out = append(out, p)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Unnamed finds a registry that a member's manifest names and the sources'
// configuration doesn't know: without its index Cargo can't read the manifest.
func (w *Workspace) Unnamed() error {
	for _, m := range w.Members {
		for _, name := range m.Registries {
			if name == "crates-io" || w.Config.Registries[name] != "" {
				continue
			}
			at := path.Join(w.Root, ".cargo/config.toml")
			return fault.Hint(fmt.Errorf("%s names the registry %s, and no .cargo/config.toml in the sources says where it is", path.Join(m.Dir, "Cargo.toml"), name),
				fmt.Sprintf("write registries.%s.index = \"…\" to %s and commit it; its token stays outside", name, at))
		}
	}
	return nil
}

// PackageOf reads name and version of the package of a manifest.
func PackageOf(name string, data []byte) (pkg, version string, err error) {
	var m struct {
		Package struct {
			Name    string `toml:"name"`
			Version any    `toml:"version"`
		} `toml:"package"`
	}
	if err := decode(name, data, &m); err != nil {
		return "", "", err
	}
	version, _ = m.Package.Version.(string)
	if m.Package.Name == "" || version == "" {
		return "", "", errors.New(name + ": no package with a name and a version")
	}
	return m.Package.Name, version, nil
}

// RegistryNames are the names that the configuration has for an index, sorted.
func (c Config) RegistryNames(index string) []string {
	var out []string
	for name, at := range c.Registries {
		if at != "" && registryID(at) == registryID(index) {
			out = append(out, name)
		}
	}
	for name, s := range c.Sources {
		if s.Registry != "" && registryID(s.Registry) == registryID(index) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
