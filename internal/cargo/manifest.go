package cargo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// manifest is what matters here of a Cargo.toml.
type manifest struct {
	Package           *packageTable             `toml:"package"`
	Project           *packageTable             `toml:"project"` // the old name of [package]
	Workspace         *workspaceTable           `toml:"workspace"`
	Lib               *targetTable              `toml:"lib"`
	Bin               []targetTable             `toml:"bin"`
	Features          map[string][]string       `toml:"features"`
	Dependencies      map[string]any            `toml:"dependencies"`
	DevDependencies   map[string]any            `toml:"dev-dependencies"`
	BuildDependencies map[string]any            `toml:"build-dependencies"`
	Target            map[string]targetDeps     `toml:"target"`
	Patch             map[string]map[string]any `toml:"patch"`
	Profile           map[string]profileTable   `toml:"profile"`
}

type targetDeps struct {
	Dependencies      map[string]any `toml:"dependencies"`
	DevDependencies   map[string]any `toml:"dev-dependencies"`
	BuildDependencies map[string]any `toml:"build-dependencies"`
}

// packageTable is [package]. Fields of type any can be {workspace = true}.
type packageTable struct {
	Name        string `toml:"name"`
	Version     any    `toml:"version"`
	Edition     any    `toml:"edition"`
	RustVersion any    `toml:"rust-version"`
	Authors     any    `toml:"authors"`
	Description any    `toml:"description"`
	Homepage    any    `toml:"homepage"`
	License     any    `toml:"license"`
	LicenseFile any    `toml:"license-file"`
	Repository  any    `toml:"repository"`
	Publish     any    `toml:"publish"`
	Workspace   string `toml:"workspace"`
	Build       any    `toml:"build"`
	Links       string `toml:"links"`
	DefaultRun  string `toml:"default-run"`
	AutoBins    *bool  `toml:"autobins"`
	AutoLib     *bool  `toml:"autolib"`
}

type workspaceTable struct {
	Members        []string       `toml:"members"`
	DefaultMembers []string       `toml:"default-members"`
	Exclude        []string       `toml:"exclude"`
	Package        map[string]any `toml:"package"`
	Dependencies   map[string]any `toml:"dependencies"`
}

// targetTable is [lib] or a [[bin]].
type targetTable struct {
	Name             string   `toml:"name"`
	Path             string   `toml:"path"`
	RequiredFeatures []string `toml:"required-features"`
	CrateType        []string `toml:"crate-type"`
	CrateTypeOld     []string `toml:"crate_type"`
	ProcMacro        bool     `toml:"proc-macro"`
	ProcMacroOld     bool     `toml:"proc_macro"`
}

// readFile reads a file of at most maxTOML bytes.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTOML+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// loadManifest reads the Cargo.toml of a directory.
func loadManifest(fsys fs.FS, dir string) (*manifest, error) {
	name := path.Join(dir, "Cargo.toml")
	data, err := readFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	m := &manifest{}
	if err := decode(name, data, m); err != nil {
		return nil, err
	}
	if m.Package == nil {
		m.Package = m.Project
	}
	if m.Package == nil && m.Workspace == nil {
		return nil, fmt.Errorf("%s: has neither [package] nor [workspace]", name)
	}
	return m, nil
}

// An inheritance resolves {workspace = true} in a package's fields. It keeps
// its first error.
type inheritance struct {
	from map[string]any // [workspace.package]
	err  error
}

// value returns a field's own value or the workspace's.
func (in *inheritance) value(field string, v any) any {
	t, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if t["workspace"] != true {
		in.fail("package.%s: a table other than {workspace = true}", field)
		return nil
	}
	v, ok = in.from[field]
	if !ok {
		in.fail("package.%s is inherited, and the workspace root has no workspace.package.%s", field, field)
	}
	return v
}

func (in *inheritance) fail(format string, a ...any) {
	if in.err == nil {
		in.err = fmt.Errorf(format, a...)
	}
}

func (in *inheritance) text(field string, v any) string {
	switch v := in.value(field, v).(type) {
	case nil:
	case string:
		return v
	default:
		in.fail("package.%s: a %T where a string should be", field, v)
	}
	return ""
}

func (in *inheritance) list(field string, v any) []string {
	all, err := stringList(in.value(field, v))
	if err != nil {
		in.fail("package.%s: %w", field, err)
	}
	return all
}

// stringList takes an array of strings; nil is an empty one.
func stringList(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	array, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("a %T where an array of strings should be", v)
	}
	all := make([]string, 0, len(array))
	for _, e := range array {
		s, ok := e.(string)
		if !ok {
			return nil, fmt.Errorf("a %T in an array of strings", e)
		}
		all = append(all, s)
	}
	return all, nil
}

// eachDependency calls f with every dependency's table, an inherited one's in
// its place. Patches count as dependencies.
func (m *manifest) eachDependency(inherited map[string]any, f func(t map[string]any, inherited bool)) {
	all := func(deps map[string]any) {
		for name, d := range deps {
			t, _ := d.(map[string]any)
			fromRoot := t["workspace"] == true
			if fromRoot {
				t, _ = inherited[name].(map[string]any)
			}
			f(t, fromRoot)
		}
	}
	all(m.Dependencies)
	all(m.DevDependencies)
	all(m.BuildDependencies)
	for _, t := range m.Target {
		all(t.Dependencies)
		all(t.DevDependencies)
		all(t.BuildDependencies)
	}
	for _, p := range m.Patch {
		all(p)
	}
}

// paths lists the directories of m's path dependencies, joined to dir; those
// that are inherited are joined to root.
func (m *manifest) paths(dir, root string, inherited map[string]any) []string {
	var all []string
	m.eachDependency(inherited, func(t map[string]any, fromRoot bool) {
		at := dir
		if fromRoot {
			at = root
		}
		if p, ok := t["path"].(string); ok && !path.IsAbs(p) {
			all = append(all, path.Join(at, p))
		} else if ok {
			all = append(all, path.Clean(p))
		}
	})
	return all
}

// registries are the names of registries that dependencies come from, sorted.
func (m *manifest) registries(inherited map[string]any) []string {
	var all []string
	m.eachDependency(inherited, func(t map[string]any, _ bool) {
		if name, ok := t["registry"].(string); ok && name != "crates-io" {
			all = append(all, name)
		}
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// optional are the dependencies that are features too, by name, sorted. One that a
// feature names by "dep:" is among them, though it is none.
func (m *manifest) optional() []string {
	var all []string
	take := func(table map[string]any) {
		for name, d := range table {
			if t, ok := d.(map[string]any); ok && t["optional"] == true {
				all = append(all, name)
			}
		}
	}
	take(m.Dependencies)
	take(m.BuildDependencies)
	for _, t := range m.Target {
		take(t.Dependencies)
		take(t.BuildDependencies)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// below says whether p, as path.Join made it, is in the file system.
func below(p string) bool {
	return p != ".." && !strings.HasPrefix(p, "../") && !path.IsAbs(p)
}
