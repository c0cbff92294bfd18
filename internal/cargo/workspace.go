package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/rust"
)

// Workspace is what Cargo would build. Its paths are those of the file system
// given to Inspect, where "." is the root.
type Workspace struct {
	Root      string   // directory of the workspace
	Dir       string   // directory that was asked for: Root or a member's
	Name      string   // of the package in Dir; "" when there is none (a virtual workspace)
	Version   string   // of that package, else workspace.package.version, else ""
	Members   []Member // sorted by name
	Bins      []Bin    // of the default members, sorted by name, then package
	HasLock   bool     // Root has a Cargo.lock
	Config    Config
	Toolchain rust.ToolchainFile // File is "" when there is none

	profiles map[string]profileTable
}

// Member is a package of a workspace.
type Member struct {
	Name        string
	Version     string // "0.0.0" when the manifest has none
	Dir         string
	Default     bool // `cargo build` in Workspace.Dir builds it
	Edition     string
	RustVersion string
	Authors     []string
	Description string
	Homepage    string
	License     string // SPDX expression
	LicenseFile string // path
	Repository  string
	Publish     bool
	DefaultRun  string
	Links       string
	BuildScript string   // path, "" when there is none
	Lib         string   // crate name of the library, "" when there is none
	CrateTypes  []string // of the library, when the manifest names them
	ProcMacro   bool
	Bins        []Bin
	Features    map[string][]string
	Optional    []string // names of optional dependencies, which may be features too
	Registries  []string // names of the registries that dependencies come from, "crates-io" left out
	Paths       []string // directories of path dependencies; those that begin with "../" or "/" are outside of the file system
}

const maxMembers = 4096

// Inspect reads the workspace that the package or workspace in dir belongs to.
// "." and "" are fsys's root. Only what is in fsys counts: a workspace root or
// a configuration file above it is not seen.
func Inspect(fsys fs.FS, dir string) (*Workspace, error) {
	w, err := inspect(fsys, path.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("reading workspace: %w", err)
	}
	return w, nil
}

func inspect(fsys fs.FS, dir string) (*Workspace, error) {
	root, err := findRoot(fsys, dir)
	if err != nil {
		return nil, err
	}
	rootManifest, err := loadManifest(fsys, root)
	if err != nil {
		return nil, err
	}
	w := &Workspace{Root: root, Dir: dir, profiles: rootManifest.Profile, HasLock: isFile(fsys, path.Join(root, "Cargo.lock"))}
	l := &loader{fsys: fsys, root: root, ws: rootManifest.Workspace, members: map[string]*Member{}}
	if l.ws == nil {
		l.ws = &workspaceTable{}
	}
	if err := l.load(rootManifest); err != nil {
		return nil, err
	}
	own := l.members[dir]
	if own == nil && dir != root {
		return nil, fault.Hintf(fmt.Errorf("%s is below the workspace %s but not a member of it", dir, root),
			"add it to workspace.members or workspace.exclude in %s", path.Join(root, "Cargo.toml"))
	}
	if own != nil {
		w.Name, w.Version = own.Name, own.Version
	} else if v, ok := l.ws.Package["version"].(string); ok {
		w.Version = v
	}
	if err := l.markDefaults(dir, own); err != nil {
		return nil, err
	}
	for _, m := range l.members {
		w.Members = append(w.Members, *m)
		if m.Default {
			w.Bins = append(w.Bins, m.Bins...)
		}
	}
	slices.SortFunc(w.Members, func(a, b Member) int { return strings.Compare(a.Name+" "+a.Dir, b.Name+" "+b.Dir) })
	slices.SortFunc(w.Bins, func(a, b Bin) int { return strings.Compare(a.Name+" "+a.Package, b.Name+" "+b.Package) })
	if w.Config, err = readConfig(fsys, dir); err != nil {
		return nil, err
	}
	w.Toolchain, err = readToolchain(fsys, dir)
	return w, err
}

// Member returns the package of a name.
func (w *Workspace) Member(name string) (Member, bool) {
	for _, m := range w.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// Root finds the directory of the workspace that the package in dir belongs to.
func Root(fsys fs.FS, dir string) (string, error) {
	root, err := findRoot(fsys, path.Clean(dir))
	if err != nil {
		return "", fmt.Errorf("finding workspace: %w", err)
	}
	return root, nil
}

func findRoot(fsys fs.FS, dir string) (string, error) {
	m, err := loadManifest(fsys, dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fault.Hint(err, "name a directory with a Cargo.toml")
		}
		return "", err
	}
	if m.Workspace != nil {
		return dir, nil
	}
	if m.Package.Workspace != "" {
		root := path.Join(dir, m.Package.Workspace)
		if !below(root) {
			return "", fmt.Errorf("%s: its workspace %s is outside of the source", path.Join(dir, "Cargo.toml"), m.Package.Workspace)
		}
		return root, nil
	}
	for up := dir; up != "."; {
		up = path.Dir(up)
		if !isFile(fsys, path.Join(up, "Cargo.toml")) {
			continue
		}
		m, err := loadManifest(fsys, up)
		if err != nil {
			return "", err
		}
		if m.Workspace != nil {
			if m.Workspace.excludes(up, dir) {
				return dir, nil
			}
			return up, nil
		}
	}
	return dir, nil
}

// excludes says whether workspace.exclude keeps dir out of the workspace in root.
func (w *workspaceTable) excludes(root, dir string) bool {
	under := func(list []string) bool {
		for _, p := range list {
			if at := path.Join(root, p); at == "." || dir == at || strings.HasPrefix(dir, at+"/") {
				return true
			}
		}
		return false
	}
	return under(w.Exclude) && !under(w.Members)
}

func readToolchain(fsys fs.FS, dir string) (rust.ToolchainFile, error) {
	for up := dir; ; up = path.Dir(up) {
		// The file without an extension wins, as it does for rustup.
		for _, base := range []string{"rust-toolchain", "rust-toolchain.toml"} {
			name := path.Join(up, base)
			if !isFile(fsys, name) {
				continue
			}
			data, err := readFile(fsys, name)
			if err != nil {
				return rust.ToolchainFile{}, err
			}
			return rust.ParseToolchainFile(name, data)
		}
		if up == "." {
			return rust.ToolchainFile{}, nil
		}
	}
}
