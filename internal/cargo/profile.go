package cargo

import (
	"fmt"
	"path"
	"strconv"

	"github.com/craton-co/twice/internal/fault"
)

// Profile is a build profile. Values are spelled as in Cargo's documentation.
type Profile struct {
	Name            string
	OptLevel        string // "0" to "3", "s", "z"
	Debug           string // "0", "1", "2", "line-tables-only", "line-directives-only"
	SplitDebuginfo  string // "" = what rustc does
	Strip           string // "none", "debuginfo", "symbols"
	DebugAssertions bool
	OverflowChecks  bool
	LTO             string // "false" (thin-local), "off", "thin", "fat"
	Panic           string // "unwind", "abort"
	Incremental     bool
	CodegenUnits    int // 0 = what rustc does
	Rpath           bool
	TrimPaths       string // "" = not given
}

// profileTable is [profile.NAME].
type profileTable struct {
	Inherits        string `toml:"inherits"`
	OptLevel        any    `toml:"opt-level"`
	Debug           any    `toml:"debug"`
	SplitDebuginfo  string `toml:"split-debuginfo"`
	Strip           any    `toml:"strip"`
	DebugAssertions *bool  `toml:"debug-assertions"`
	OverflowChecks  *bool  `toml:"overflow-checks"`
	LTO             any    `toml:"lto"`
	Panic           string `toml:"panic"`
	Incremental     *bool  `toml:"incremental"`
	CodegenUnits    *int   `toml:"codegen-units"`
	Rpath           *bool  `toml:"rpath"`
	TrimPaths       any    `toml:"trim-paths"`
}

// Profile returns what [profile.NAME] comes to: Cargo's defaults, what it
// inherits, the root's Cargo.toml, then Cargo's configuration.
func (w *Workspace) Profile(name string) (Profile, error) {
	p, err := w.profile(name, 0)
	if err != nil {
		return Profile{}, fmt.Errorf("%s: profile.%w", path.Join(w.Root, "Cargo.toml"), err)
	}
	p.Name = name
	return p, nil
}

func (w *Workspace) profile(name string, depth int) (Profile, error) {
	own, inManifest := w.profiles[name]
	config, inConfig := w.Config.profiles[name]
	var p Profile
	switch name {
	case "dev":
		p = Profile{OptLevel: "0", Debug: "2", Strip: "none", DebugAssertions: true, OverflowChecks: true,
			LTO: "false", Panic: "unwind", Incremental: true}
	case "release":
		p = Profile{OptLevel: "3", Debug: "0", Strip: "none", LTO: "false", Panic: "unwind"}
	default:
		parent := config.Inherits
		if parent == "" {
			parent = own.Inherits
		}
		switch {
		case parent != "":
		case name == "test":
			parent = "dev"
		case name == "bench":
			parent = "release"
		case !inManifest && !inConfig:
			return p, fault.Hint(fmt.Errorf("%s: not defined", name), "add [profile."+name+"] to the workspace's Cargo.toml, or use release")
		default:
			return p, fmt.Errorf("%s: has no inherits", name)
		}
		if depth == 32 {
			return p, fmt.Errorf("%s: inherits itself", name)
		}
		var err error
		if p, err = w.profile(parent, depth+1); err != nil {
			return p, err
		}
	}
	for _, t := range []profileTable{own, config} {
		if err := t.apply(&p); err != nil {
			return p, fmt.Errorf("%s.%w", name, err)
		}
	}
	return p, nil
}

func (t profileTable) apply(p *Profile) error {
	set := func(to *string, v string, ok bool) {
		if ok && v != "" {
			*to = v
		}
	}
	for _, f := range []struct {
		key     string
		v       any
		to      *string
		yes, no string // what true and false mean
	}{
		{"opt-level", t.OptLevel, &p.OptLevel, "", ""},
		{"debug", t.Debug, &p.Debug, "2", "0"},
		{"strip", t.Strip, &p.Strip, "symbols", "none"},
		{"lto", t.LTO, &p.LTO, "fat", "false"},
		{"trim-paths", t.TrimPaths, &p.TrimPaths, "all", "none"},
	} {
		switch v := f.v.(type) {
		case nil:
		case string:
			set(f.to, v, true)
		case int64:
			set(f.to, strconv.FormatInt(v, 10), true)
		case bool:
			if f.yes == "" {
				return fmt.Errorf("%s: a boolean", f.key)
			}
			set(f.to, f.yes, v)
			set(f.to, f.no, !v)
		case []any: // trim-paths = ["macro", "object"]
			*f.to = fmt.Sprint(v)
		default:
			return fmt.Errorf("%s: a %T", f.key, v)
		}
	}
	switch p.Debug {
	case "none":
		p.Debug = "0"
	case "limited":
		p.Debug = "1"
	case "full":
		p.Debug = "2"
	}
	set(&p.SplitDebuginfo, t.SplitDebuginfo, true)
	set(&p.Panic, t.Panic, true)
	for _, f := range []struct {
		v  *bool
		to *bool
	}{
		{t.DebugAssertions, &p.DebugAssertions}, {t.OverflowChecks, &p.OverflowChecks},
		{t.Incremental, &p.Incremental}, {t.Rpath, &p.Rpath},
	} {
		if f.v != nil {
			*f.to = *f.v
		}
	}
	if t.CodegenUnits != nil {
		p.CodegenUnits = *t.CodegenUnits
	}
	return nil
}
