package cargo

import (
	"fmt"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// fields reads typed values out of a table and keeps its first error. Errors
// name the file that a value comes from.
type fields struct {
	table  map[string]any
	prefix string
	origin map[string]string
	err    *error
}

func (f fields) fail(key string, format string, a ...any) {
	if *f.err == nil {
		full := f.prefix + key
		*f.err = fmt.Errorf("%s: %s: %w", f.origin[full], full, fmt.Errorf(format, a...))
	}
}

func (f fields) sub(key string) fields {
	t, ok := f.table[key].(map[string]any)
	if f.table[key] != nil && !ok {
		f.fail(key, "a %T where a table should be", f.table[key])
	}
	return fields{t, f.prefix + key + ".", f.origin, f.err}
}

func (f fields) text(key string) string {
	s, ok := f.table[key].(string)
	if f.table[key] != nil && !ok {
		f.fail(key, "a %T where a string should be", f.table[key])
	}
	return s
}

func (f fields) boolean(key string) *bool {
	b, ok := f.table[key].(bool)
	if !ok {
		if f.table[key] != nil {
			f.fail(key, "a %T where a boolean should be", f.table[key])
		}
		return nil
	}
	return &b
}

// flags takes an array of strings or one string of words.
func (f fields) flags(key string) []string {
	all, err := flagList(f.table[key])
	if err != nil {
		f.fail(key, "%w", err)
	}
	return all
}

// list takes an array of strings or one string.
func (f fields) list(key string) []string {
	if s, ok := f.table[key].(string); ok {
		return []string{s}
	}
	return f.flags(key)
}

// fill reads the merged configuration.
func (c *Config) fill(merged map[string]any, origin map[string]string) error {
	var err error
	top := fields{merged, "", origin, &err}
	b := top.sub("build")
	c.Build = BuildConfig{
		Target:                b.list("target"),
		TargetDir:             b.text("target-dir"),
		Rustflags:             b.flags("rustflags"),
		Rustdocflags:          b.flags("rustdocflags"),
		Rustc:                 b.text("rustc"),
		RustcWrapper:          b.text("rustc-wrapper"),
		RustcWorkspaceWrapper: b.text("rustc-workspace-wrapper"),
		Incremental:           b.boolean("incremental"),
	}
	targets := top.sub("target")
	for _, key := range sortedKeys(targets.table) {
		if _, ok := targets.table[key].(map[string]any); !ok {
			continue // target.applies-to-host and the like
		}
		t := targets.sub(key)
		c.Targets = append(c.Targets, TargetConfig{
			Key: key, Linker: t.text("linker"), Runner: t.flags("runner"), Rustflags: t.flags("rustflags"),
			File: origin["target."+key],
		})
	}
	c.fillEnv(top.sub("env"))
	sources := top.sub("source")
	for _, name := range sortedKeys(sources.table) {
		s := sources.sub(name)
		c.Sources[name] = SourceConfig{
			ReplaceWith: s.text("replace-with"), Registry: s.text("registry"), LocalRegistry: s.text("local-registry"),
			Directory: s.text("directory"), Git: s.text("git"), Branch: s.text("branch"), Tag: s.text("tag"), Rev: s.text("rev"),
			File: origin["source."+name],
		}
	}
	registries := top.sub("registries")
	for _, name := range sortedKeys(registries.table) {
		c.Registries[name] = registries.sub(name).text("index")
	}
	if cli := top.sub("net").boolean("git-fetch-with-cli"); cli != nil {
		c.GitCLI = *cli
	}
	profiles := top.sub("profile")
	for _, name := range sortedKeys(profiles.table) {
		text, encodeErr := toml.Marshal(profiles.sub(name).table)
		if encodeErr != nil {
			profiles.fail(name, "%w", encodeErr)
			continue
		}
		var t profileTable
		if decodeErr := decode(name, text, &t); decodeErr != nil {
			profiles.fail(name, "%w", decodeErr)
		}
		c.profiles[name] = t
	}
	return err
}

func (c *Config) fillEnv(env fields) {
	for _, name := range sortedKeys(env.table) {
		v := EnvVar{Name: name, File: env.origin[env.prefix+name]}
		switch x := env.table[name].(type) {
		case string:
			v.Value = x
		case map[string]any:
			t := env.sub(name)
			v.Value = t.text("value")
			if b := t.boolean("force"); b != nil {
				v.Force = *b
			}
			if b := t.boolean("relative"); b != nil {
				v.Relative = *b
			}
		default:
			env.fail(name, "a %T where a string should be", x)
		}
		if strings.ContainsAny(name, "=\x00") || name == "" {
			env.fail(name, "not the name of a variable")
		}
		c.Env = append(c.Env, v)
	}
}

// Dir is the directory that a relative value is below.
func (v EnvVar) Dir() string { return path.Dir(path.Dir(v.File)) }
