package cause

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// stampers are crates whose purpose is to put something of the build into the
// output, by the rules of what they put there, with the fix.
var stampers = map[string]struct {
	rules []string
	fix   string
}{
	"vergen":          {[]string{"time", "git", "host", "user", "kernel", "vergen-placeholder"}, "set SOURCE_DATE_EPOCH and VERGEN_IDEMPOTENT=1, and leave out the features sysinfo and git, or pass VERGEN_* in"},
	"vergen-gitcl":    {[]string{"time", "git", "vergen-placeholder"}, "set SOURCE_DATE_EPOCH and VERGEN_IDEMPOTENT=1, or pass VERGEN_GIT_* in"},
	"vergen-gix":      {[]string{"time", "git", "vergen-placeholder"}, "set SOURCE_DATE_EPOCH and VERGEN_IDEMPOTENT=1, or pass VERGEN_GIT_* in"},
	"shadow-rs":       {[]string{"time", "git", "build-path", "cargo-home", "environment", "search-path", "path", "host", "user"}, "deny the constants that you don't use: ShadowBuilder::builder().deny_const(…)"},
	"built":           {[]string{"time", "git", "host", "user", "jobs", "environment"}, "leave out the feature chrono, or set SOURCE_DATE_EPOCH; don't use NUM_JOBS"},
	"build-time":      {[]string{"time"}, "drop build_time_utc!(), or take the time from SOURCE_DATE_EPOCH in a build script"},
	"build-info":      {[]string{"time", "git", "cpu"}, "drop it, or take the time from SOURCE_DATE_EPOCH in a build script"},
	"compile-time":    {[]string{"time"}, "drop datetime!() and unix!(), or take the time from SOURCE_DATE_EPOCH in a build script"},
	"build_timestamp": {[]string{"time"}, "drop it, or take the time from SOURCE_DATE_EPOCH in a build script"},
	"git-version":     {[]string{"git"}, "build both from the same commit, clean"},
	"git-testament":   {[]string{"git", "time"}, "build both from the same commit, clean"},
	"const-random":    {[]string{"random"}, "set CONST_RANDOM_SEED to a fixed value for the build"},
	"ahash":           {[]string{"random"}, "leave out the feature compile-time-rng, or set CONST_RANDOM_SEED for the build"},
	"include_dir":     {[]string{"source-mtime", "time", "path", "build-path"}, "leave out the feature metadata"},
	"rust-embed":      {[]string{"source-mtime", "path", "build-path"}, "enable the feature deterministic-timestamps"},
	"static-files":    {[]string{"source-mtime"}, "clamp the times of the files to SOURCE_DATE_EPOCH in the build script"},
	"uuid":            {[]string{"uuid"}, "derive it from the content (version 5), or drop it"},
}

// blame says who is responsible, as far as the place, the libraries that were
// compared and the sources tell.
func (x *explainer) blame(r *rule, p *place, c *Cause) {
	if c.Where != "" {
		return
	}
	if r.follows && len(r.code) == 0 {
		if k, ok := x.named(p); ok {
			c.Where = "crate " + k.String()
		}
		return
	}
	suspects, why := x.suspects(p)
	var re *regexp.Regexp
	if len(r.code) > 0 {
		re = regexp.MustCompile(strings.Join(r.code, "|"))
	}
	for _, s := range suspects {
		if re == nil {
			break
		}
		if l, ok := x.sourceOf(s).grep(re); ok {
			c.Where = fmt.Sprintf("%s%s, %s:%d", s.what(l.file), s, l.file, l.n)
			c.Proof = append(c.Proof, fmt.Sprintf("%s:%d: %s", l.file, l.n, cut(l.text)))
			if why != "" {
				c.Proof = append(c.Proof, why)
			}
			if r.Fix == fixTime && c.Fix == fixTime {
				c.Fix = fmt.Sprintf("read SOURCE_DATE_EPOCH in %s, or drop what is made of the time there", l.file)
			}
			x.stamper(r, s, c)
			return
		}
	}
	if r.calls && x.called(suspects, re, c) {
		return
	}
	for _, s := range suspects {
		if x.stamper(r, s, c) {
			return
		}
	}
	switch {
	case len(suspects) == 1 || len(suspects) > 1 && why == "":
		c.Where = "crate " + suspects[0].String()
	case len(suspects) > 1:
		var names []string
		for _, s := range suspects {
			names = append(names, s.String())
		}
		c.Where = "one of the crates " + strings.Join(names, ", ")
	default:
		return
	}
	if why != "" {
		c.Proof = append(c.Proof, why)
	}
}

// called blames the line of a crate that a suspect's build script needs.
func (x *explainer) called(suspects []Crate, re *regexp.Regexp, c *Cause) bool {
	for _, s := range suspects {
		for _, d := range s.Deps {
			name, version, _ := strings.Cut(d, " ")
			dep := x.crate(name, version)
			if l, ok := x.sourceOf(dep).grep(re); ok {
				c.Where = fmt.Sprintf("build script of %s, by its dependency %s, %s:%d", s, dep, l.file, l.n)
				c.Proof = append(c.Proof, fmt.Sprintf("%s:%d: %s", l.file, l.n, cut(l.text)))
				return true
			}
		}
	}
	return false
}

// what is the kind of part of a crate that a file is.
func (c Crate) what(file string) string {
	if buildScript(file) {
		return "build script of "
	}
	return "crate "
}

// stamper blames a dependency that is made for what was found.
func (x *explainer) stamper(r *rule, c Crate, cause *Cause) bool {
	all := append([]string{c.String()}, c.Deps...)
	for _, dep := range all {
		name, version, _ := strings.Cut(dep, " ")
		s, ok := stampers[name]
		if !ok || !slices.Contains(s.rules, r.Name) {
			continue
		}
		cause.Fix = s.fix
		if name != c.Name {
			by := strings.TrimSpace(name + " " + version)
			if cause.Where == "" {
				cause.Where = fmt.Sprintf("crate %s, by its dependency %s", c, by)
			} else {
				cause.Where += ", by its dependency " + by
			}
		} else if cause.Where == "" {
			cause.Where = "crate " + c.String()
		}
		return true
	}
	return false
}

// suspects are the crates that may be responsible for a place, and why.
func (x *explainer) suspects(p *place) ([]Crate, string) {
	if c, ok := x.named(p); ok {
		return []Crate{c}, ""
	}
	crates := x.Crates
	program, ok := x.program(p)
	if ok {
		crates = x.needed(program)
	}
	if len(crates) == 0 {
		return nil, ""
	}
	if first := x.first(crates); len(first) > 0 {
		return first, "its library differs, and none that it needs does"
	}
	var local []Crate
	compared := false
	for _, c := range crates {
		// A library that was compared and is the same has no part in a program's difference.
		if c.Local && (!ok || !c.Compared || c.String() == program.String()) {
			local = append(local, c)
		}
		compared = compared || c.Compared
	}
	if len(local) == 1 && compared {
		return local, "no library that it needs differs"
	}
	return local, ""
}

// program is the package of the workspace whose program a place is in, be that
// in an archive or an image.
func (x *explainer) program(p *place) (Crate, bool) {
	for _, f := range p.chain {
		if f.Kind != compare.ELF && f.Kind != compare.PE {
			continue
		}
		for _, c := range x.Crates {
			if slices.Contains(c.Bins, strings.TrimSuffix(path.Base(f.Name), ".exe")) {
				return c, true
			}
		}
	}
	return Crate{}, false
}

// needed are a package and all that it needs, itself or through others.
func (x *explainer) needed(c Crate) []Crate {
	byName := map[string]Crate{}
	for _, k := range x.Crates {
		byName[k.String()] = k
	}
	out, seen := []Crate{c}, map[string]bool{c.String(): true}
	for i := 0; i < len(out); i++ {
		for _, d := range out[i].Deps {
			if k, ok := byName[d]; ok && !seen[d] {
				seen[d] = true
				out = append(out, k)
			}
		}
	}
	return out
}

// first are those of some crates whose libraries differ while those that they need do not.
func (x *explainer) first(crates []Crate) []Crate {
	byName := map[string]int{}
	for i, c := range crates {
		byName[c.String()] = i
	}
	// whether a crate needs, itself or through others, one that differs
	memo := map[int]int{} // 1: no, 2: yes; 3: being asked
	var tainted func(i int) bool
	tainted = func(i int) bool {
		switch memo[i] {
		case 1, 3:
			return false
		case 2:
			return true
		}
		memo[i] = 3
		for _, d := range crates[i].Deps {
			j, ok := byName[d]
			if ok && (crates[j].Differs || tainted(j)) {
				memo[i] = 2
				return true
			}
		}
		memo[i] = 1
		return false
	}
	var out []Crate
	for i, c := range crates {
		if c.Differs && !tainted(i) {
			out = append(out, c)
		}
	}
	return out
}

var (
	registryPath = regexp.MustCompile(`/registry/src/[^/]+/([0-9A-Za-z_-]+?)-(\d+\.\d+\.\d+[-+.0-9A-Za-z]*)/`)
	v0Crate      = regexp.MustCompile(`C(?:s[0-9A-Za-z]*_)?(\d+)`)
	legacyCrate  = regexp.MustCompile(`^_ZN(\d+)`)
	unitOf       = regexp.MustCompile(`^(?:[0-9A-Za-z_]+-)?([0-9A-Za-z_]+)(?:-[0-9a-f]{16})?\.([0-9A-Za-z_]+)?\.?[0-9a-f]{16}-cgu\.\d+`)
	rlibName     = regexp.MustCompile(`(?:^|/)lib([0-9A-Za-z_]+?)(?:-[0-9a-f]{16})?\.(?:rlib|rmeta)$`)
	standard     = []string{"core", "std", "alloc", "compiler_builtins", "proc_macro", "test", "hashbrown", "addr2line", "gimli", "object", "panic_unwind"}
)

// named is the crate that the place itself names.
func (x *explainer) named(p *place) (Crate, bool) {
	for _, f := range p.chain {
		if m := rlibName.FindStringSubmatch(f.Name); m != nil {
			return x.crate(m[1], ""), true
		}
	}
	for _, side := range [][]byte{p.a, p.b} {
		if p.at > len(side) {
			continue
		}
		for _, m := range registryPath.FindAllSubmatchIndex(side, 8) {
			if p.at >= m[0]-64 && p.at <= m[1] {
				return x.crate(string(side[m[2]:m[3]]), string(side[m[4]:m[5]])), true
			}
		}
	}
	if n := SymbolCrate(p.d.Symbol); n != "" {
		return x.crate(n, ""), true
	}
	if p.part().Kind == compare.Unit {
		if m := unitOf.FindStringSubmatch(p.part().Name); m != nil && !slices.Contains(standard, m[1]) {
			return x.crate(m[1], ""), true
		}
	}
	return Crate{}, false
}

// crate is the package of a name, as packages or as code spells it.
func (x *explainer) crate(name, version string) Crate {
	for _, c := range x.Crates {
		if strings.ReplaceAll(c.Name, "-", "_") == strings.ReplaceAll(name, "-", "_") && (version == "" || c.Version == version) {
			return c
		}
	}
	return Crate{Name: name, Version: version}
}

// SymbolCrate is the crate that a mangled Rust name belongs to, in either
// scheme; empty for others, and for the standard library's.
func SymbolCrate(symbol string) string {
	take := func(s string, m []int) string {
		n := 0
		for _, d := range s[m[2]:m[3]] {
			n = n*10 + int(d-'0')
			if n > 200 {
				return ""
			}
		}
		rest := strings.TrimPrefix(s[m[3]:], "_")
		if n == 0 || n > len(rest) {
			return ""
		}
		return rest[:n]
	}
	if m := legacyCrate.FindStringSubmatchIndex(symbol); m != nil {
		if n := take(symbol, m); n != "" && !slices.Contains(standard, n) && isIdent(n) {
			return n
		}
		return ""
	}
	if !strings.HasPrefix(symbol, "_R") {
		return ""
	}
	for _, m := range v0Crate.FindAllStringSubmatchIndex(symbol, 16) {
		if n := take(symbol, m); n != "" && !slices.Contains(standard, n) && isIdent(n) {
			return n
		}
	}
	return ""
}

func isIdent(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
