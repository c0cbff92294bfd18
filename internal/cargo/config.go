package cargo

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Config is the configuration that Cargo finds in the source tree: in .cargo/
// of a directory and of those above it. What lies outside of the tree (the home
// directory's, the environment) is not part of it.
type Config struct {
	Files      []string // that were read, the nearest first
	Build      BuildConfig
	Targets    []TargetConfig // sorted by key
	Env        []EnvVar       // sorted by name
	Sources    map[string]SourceConfig
	Registries map[string]string // name to index URL
	GitCLI     bool              // net.git-fetch-with-cli

	profiles map[string]profileTable
}

// BuildConfig is [build].
type BuildConfig struct {
	Target                []string
	TargetDir             string
	Rustflags             []string
	Rustdocflags          []string
	Rustc                 string
	RustcWrapper          string
	RustcWorkspaceWrapper string
	Incremental           *bool
}

// TargetConfig is [target.KEY].
type TargetConfig struct {
	Key       string // a triple or "cfg(…)"
	Linker    string
	Runner    []string
	Rustflags []string
	File      string // the nearest that has the table
}

// EnvVar is an entry of [env].
type EnvVar struct {
	Name, Value     string
	Force, Relative bool
	File            string // that sets it: a relative value starts at the directory above the file's .cargo
}

// SourceConfig is [source.NAME].
type SourceConfig struct {
	ReplaceWith, Registry, LocalRegistry, Directory, Git, Branch, Tag, Rev string

	File string // the nearest that has the table
}

// RustFlags returns the flags that Cargo would use for --target triple if
// RUSTFLAGS were not set, and where they come from: "target" (the table of the
// triple, then the cfg tables that match, sorted by key, all joined), "build"
// or "". A triple that KnownTriple doesn't know matches no cfg table.
func (c Config) RustFlags(triple string) (flags []string, key string) {
	for _, t := range c.Targets {
		if t.Key == triple {
			flags = append(flags, t.Rustflags...)
		}
	}
	for _, t := range c.Targets {
		// Cargo ignores what it can't parse, too.
		if ok, err := MatchCfg(t.Key, triple); err == nil && ok {
			flags = append(flags, t.Rustflags...)
		}
	}
	if len(flags) > 0 {
		return flags, "target"
	}
	if len(c.Build.Rustflags) > 0 {
		return c.Build.Rustflags, "build"
	}
	return nil, ""
}

const maxIncludes = 32

// readConfig reads the configuration for a command that runs in dir.
func readConfig(fsys fs.FS, dir string) (Config, error) {
	c := Config{Sources: map[string]SourceConfig{}, Registries: map[string]string{}, profiles: map[string]profileTable{}}
	merged := map[string]any{}
	m := &merger{fsys: fsys, origin: map[string]string{}}
	for up := dir; ; up = path.Dir(up) {
		// As in Cargo the file without an extension wins.
		for _, base := range []string{".cargo/config", ".cargo/config.toml"} {
			if name := path.Join(up, base); isFile(fsys, name) {
				if err := m.file(merged, name); err != nil {
					return c, err
				}
				break
			}
		}
		if up == "." {
			break
		}
	}
	c.Files = m.files
	return c, c.fill(merged, m.origin)
}

// A merger puts configuration files together, the nearest first: a scalar
// that is already there stays, and arrays are joined, the nearest last.
type merger struct {
	fsys   fs.FS
	files  []string
	origin map[string]string // dotted key to the nearest file that has it
}

func (m *merger) file(into map[string]any, name string) error {
	if len(m.files) == maxIncludes {
		return fmt.Errorf("%s: more than %d configuration files", name, maxIncludes)
	}
	data, err := readFile(m.fsys, name)
	if err != nil {
		return err
	}
	doc := map[string]any{}
	if err := decode(name, data, &doc); err != nil {
		return err
	}
	m.files = append(m.files, name)
	includes := doc["include"]
	delete(doc, "include")
	if err := m.merge(into, doc, name, ""); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// An included file counts less than the file that includes it, and a
	// later one more than an earlier one.
	list, ok := includes.([]any)
	if includes != nil && !ok {
		return fmt.Errorf("%s: include: not an array", name)
	}
	for _, inc := range slices.Backward(list) {
		p, optional := "", false
		switch inc := inc.(type) {
		case string:
			p = inc
		case map[string]any:
			p, _ = inc["path"].(string)
			optional, _ = inc["optional"].(bool)
		}
		at := path.Join(path.Dir(name), p)
		if p == "" || !below(at) || path.IsAbs(p) {
			return fmt.Errorf("%s: include %.200q is outside of the source", name, p)
		}
		if slices.Contains(m.files, at) {
			return fmt.Errorf("%s: %s is included twice", name, at)
		}
		if !isFile(m.fsys, at) {
			if optional {
				continue
			}
			return fmt.Errorf("%s: include %.200q: no such file", name, p)
		}
		if err := m.file(into, at); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) merge(into, from map[string]any, file, prefix string) error {
	for key, v := range from {
		full := prefix + key
		old, ok := into[key]
		if !ok {
			into[key] = v
			m.claim(full, v, file)
			continue
		}
		switch old := old.(type) {
		case map[string]any:
			if v, ok := v.(map[string]any); ok {
				if err := m.merge(old, v, file, full+"."); err != nil {
					return err
				}
				continue
			}
		case []any:
			if v, ok := v.([]any); ok {
				into[key] = append(slices.Clone(v), old...)
				continue
			}
		default:
			switch v.(type) {
			case map[string]any, []any:
			default:
				continue
			}
		}
		// [env] has two spellings of one thing; elsewhere Cargo refuses this, too.
		if prefix != "env." {
			return fmt.Errorf("%s: not of the same type as in %s", full, m.origin[full])
		}
	}
	return nil
}

// claim notes that key and what is below it comes from file.
func (m *merger) claim(key string, v any, file string) {
	m.origin[key] = file
	if t, ok := v.(map[string]any); ok {
		for k, v := range t {
			m.claim(key+"."+k, v, file)
		}
	}
}

// flagList takes an array of strings or one string of words.
func flagList(v any) ([]string, error) {
	if s, ok := v.(string); ok {
		return strings.Fields(s), nil
	}
	return stringList(v)
}

func sortedKeys(t map[string]any) []string { return slices.Sorted(maps.Keys(t)) }
