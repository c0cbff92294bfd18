package cargo

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// BuildTime is what of a package runs while it, or what depends on it, is built.
type BuildTime struct {
	Name      string
	Version   string   // "" when the workspace's root has it
	Scripts   []string // paths of build scripts
	ProcMacro bool
	Lib       string // path of the library's root file, "" when there is none
	Links     string // the native library that the build script links
}

// Runs says whether the package runs any code.
func (b BuildTime) Runs() bool { return len(b.Scripts) > 0 || b.ProcMacro }

// ReadBuildTime reads the Cargo.toml in dir for what runs at build time. Only
// a manifest that says otherwise makes a build.rs no build script.
func ReadBuildTime(fsys fs.FS, dir string) (BuildTime, error) {
	m, err := loadManifest(fsys, dir)
	if err != nil {
		return BuildTime{}, err
	}
	if m.Package == nil {
		return BuildTime{}, fmt.Errorf("%s: has no [package]", path.Join(dir, "Cargo.toml"))
	}
	b := BuildTime{Name: m.Package.Name, Links: m.Package.Links}
	b.Version, _ = m.Package.Version.(string)
	if list, ok := m.Package.Build.([]any); ok { // several, which nightly has
		names, err := stringList(list)
		if err != nil {
			return BuildTime{}, fmt.Errorf("%s: package.build: %w", path.Join(dir, "Cargo.toml"), err)
		}
		for _, n := range names {
			b.Scripts = append(b.Scripts, path.Join(dir, n))
		}
	} else if s := m.buildScript(fsys, dir); s != "" {
		b.Scripts = []string{s}
	}
	for _, s := range b.Scripts {
		if !below(s) {
			return BuildTime{}, fmt.Errorf("%s: package.build: %.200q is outside of the source", path.Join(dir, "Cargo.toml"), s)
		}
	}
	var p Member
	m.library(fsys, dir, &p)
	b.ProcMacro = p.ProcMacro
	if p.Lib != "" {
		b.Lib = path.Join(dir, "src/lib.rs")
		if m.Lib != nil && m.Lib.Path != "" {
			b.Lib = path.Join(dir, m.Lib.Path)
		}
		if !below(b.Lib) {
			return BuildTime{}, fmt.Errorf("%s: lib.path: %.200q is outside of the source", path.Join(dir, "Cargo.toml"), m.Lib.Path)
		}
	}
	slices.Sort(b.Scripts)
	return b, nil
}
