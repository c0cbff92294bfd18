package audit

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Places are where things lay in the watched build, absolute.
type Places struct {
	Source    string // of the project
	CargoHome string
	Target    string // cargo's target directory
	Sysroot   string // of the Rust toolchain
}

// Read makes a report of a log: of what ran, what it did.
func Read(log io.Reader, at Places) (*Report, error) {
	programs, err := parse(log)
	if err != nil {
		return nil, err
	}
	f := folder{Places: at, groups: map[string]*group{}, macros: map[string]*group{}}
	if err := f.findCrates(programs); err != nil {
		return nil, err
	}
	for _, p := range programs[1:] {
		f.runs(p)
	}
	for _, p := range programs {
		for _, a := range p.acts {
			f.act(p, a)
		}
	}
	r := &Report{Schema: Schema, Unseen: Unseen}
	for _, g := range f.groups {
		r.Crates = append(r.Crates, g.crate())
	}
	r.Crates = slices.DeleteFunc(r.Crates, func(c Crate) bool { return (c.Kind == Rustc || c.Kind == Cargo) && len(c.Did) == 0 })
	r.sort()
	return r, nil
}

// folder sorts acts into groups: one for each crate and kind of code.
type folder struct {
	Places
	groups map[string]*group
	macros map[string]*group // by the name of the library
}

type group struct {
	Crate
	own     []string          // folders of the crate, that of the sources among them
	acts    map[string]string // an act, and the line of Did that stands for it
	times   map[string]*Run
	started map[string]bool // names of programs
	missed  map[string]bool
	made    map[string]bool // files
	removed map[string]bool
	files   map[string]bool // an act, a NUL and the file that it is about
}

func (f *folder) group(kind, name, version, dir string) *group {
	key := kind + " " + name + " " + version
	g := f.groups[key]
	if g == nil {
		g = &group{Crate: Crate{Name: name, Version: version, Kind: kind}, acts: map[string]string{}, times: map[string]*Run{},
			started: map[string]bool{}, missed: map[string]bool{}, made: map[string]bool{}, removed: map[string]bool{}, files: map[string]bool{}}
		f.groups[key] = g
	}
	if dir != "" && !slices.Contains(g.own, dir) {
		g.own = append(g.own, dir)
		g.Own = below(dir, f.Source) && !below(dir, f.CargoHome)
	}
	return g
}

// of is the group that a program belongs to.
func (f *folder) of(p *program) *group {
	root := p.root()
	switch {
	case root == nil:
		return f.group(Cargo, "cargo", "", "")
	case root.isScript():
		return f.group(Script, root.vars["CARGO_PKG_NAME"], root.vars["CARGO_PKG_VERSION"], root.vars["CARGO_MANIFEST_DIR"])
	}
	return f.group(Rustc, root.vars["CARGO_PKG_NAME"], root.vars["CARGO_PKG_VERSION"], root.vars["CARGO_MANIFEST_DIR"])
}

// findCrates makes the groups of build scripts and macros, which count even if
// they did nothing, and holds the scripts against those that were compiled.
func (f *folder) findCrates(programs []*program) error {
	compiled, ran := map[string]bool{}, map[string]bool{}
	type crate struct{ name, version, dir string }
	libraries := map[string]crate{}
	for _, p := range programs[1:] {
		c := crate{p.vars["CARGO_PKG_NAME"], p.vars["CARGO_PKG_VERSION"], p.vars["CARGO_MANIFEST_DIR"]}
		switch {
		case p.root() != p:
		case p.isScript():
			f.of(p)
			ran[c.name+" "+c.version] = true
		case strings.HasPrefix(p.vars["CARGO_CRATE_NAME"], "build_script_"):
			compiled[c.name+" "+c.version] = true
		case slices.Contains(p.args, "proc-macro"):
			libraries[p.vars["CARGO_CRATE_NAME"]] = c
		}
	}
	for c := range compiled {
		if !ran[c] {
			return fmt.Errorf("the build script of %s was compiled, and its run wasn't seen", c)
		}
	}
	for _, p := range programs {
		if !p.isCompile() {
			continue
		}
		for _, a := range p.acts {
			if a.kind != 'R' {
				continue
			}
			name, ok := f.library(a.what)
			if c, known := libraries[name]; ok && known {
				f.macros[name] = f.group(Macro, c.name, c.version, c.dir)
			}
		}
	}
	if len(programs) == 1 {
		return errors.New("the log has no program")
	}
	return nil
}

var libraryRE = regexp.MustCompile(`^lib(.*)-[0-9a-f]{16}\.so$`)

// library is the crate whose procedural macros are in a file.
func (f *folder) library(file string) (string, bool) {
	m := libraryRE.FindStringSubmatch(path.Base(file))
	if m == nil || !below(file, f.Target) {
		return "", false
	}
	return m[1], true
}

// runs notes that a program was started.
func (f *folder) runs(p *program) {
	root := p.root()
	if root == nil || p == root {
		return
	}
	g := f.of(p)
	for _, n := range []string{p.base(), path.Base(p.arg(0)), path.Base(p.arg(1))} {
		g.started[n] = true
	}
	by := p.parent
	for by != root && f.wrapper(by) {
		by = by.parent
	}
	switch {
	case f.wrapper(p): // what it starts is what was meant
		return
	case f.tool(p.exe) && f.tool(by.exe):
		g.Folded.Programs++
		return
	}
	what := toolName(p.exe)
	if !inSystem(p.exe) && !below(p.exe, f.Sysroot) {
		what = f.place(g, root, p.exe)
		if strings.HasPrefix(what, "$OUT_DIR") || strings.HasPrefix(what, "/tmp/") {
			what = "what it built" // and often calls by another name each time
		}
	}
	words := []string{path.Base(p.arg(0))}
	for _, w := range p.args[min(1, len(p.args)):] {
		words = append(words, f.place(g, root, w))
	}
	command := strings.Join(words, " ")
	if len(command) > 120 {
		command = strings.ToValidUTF8(command[:117], "") + "…"
	}
	run := g.times[what]
	if run == nil {
		run = &Run{Program: what, Command: command}
		g.times[what] = run
	}
	run.Times++
	run.Command = min(run.Command, command)
	g.did("runs", what, what)
}

// wrapper says whether p is the plan's own script in front of rustc.
func (f *folder) wrapper(p *program) bool {
	return slices.Contains(p.args, f.CargoHome+"/rustc") && isShell(p.base())
}

func isShell(base string) bool { return base == "sh" || base == "dash" || base == "bash" }

func (g *group) did(verb, what, folded string) {
	g.acts[verb+" "+what] = verb + " " + folded
}

// act sorts one line.
func (f *folder) act(p *program, a act) {
	g := f.of(p)
	root := p.root()
	switch a.kind {
	case 'E':
		f.variable(p, root, g, a)
	case 'H':
		g.did("network", "looks up "+a.what, "looks up "+a.what)
	case 'N':
		f.connection(p, g, a)
	case 'B':
		if root != nil {
			g.did("unseen", a.what, a.what)
		}
	case 'X':
		if root != nil && !f.tool(p.exe) && !f.wrapper(p) {
			g.missed[path.Base(a.what)] = true
		}
	default:
		if root != nil {
			f.file(p, root, g, a)
		}
	}
}

// connection is a peer outside of this process. No part of a build has any
// business with one.
func (f *folder) connection(p *program, g *group, a act) {
	// Which servers a name is asked of is the engine's choice.
	if strings.HasSuffix(a.detail(), ":53") && a.what == "connect" && slices.ContainsFunc(p.acts, func(x act) bool { return x.kind == 'H' }) {
		return
	}
	peer := a.detail()
	if len(a.more) > 1 && a.more[1] != "ok" {
		peer += " (" + a.more[1] + ")"
	}
	if name, ok := strings.CutPrefix(a.detail(), "unix:"); ok {
		if a.what != "bind" && !strings.HasSuffix(name, "/nscd/socket") { // the C library asks for that
			g.did("talks", name, name)
		}
		return
	}
	what := a.what + " " + peer
	g.did("network", what, what)
}

func (f *folder) variable(p, root *program, g *group, a act) {
	if root == nil {
		return
	}
	name := a.what
	switch {
	case root.isScript():
		if p != root {
			return // a program's own
		}
	default:
		lib, ok := f.library(a.detail())
		if !ok || f.macros[lib] == nil {
			return // the compiler's
		}
		g = f.macros[lib]
	}
	if cargoVariable(name) {
		g.Folded.Variables++
		return
	}
	if name == "*" {
		name = "(all)"
	}
	g.did("env", name, name)
}

// cargoVariable says whether a variable is one that cargo documents for build
// scripts, or one that Rust's runtime asks for.
func cargoVariable(name string) bool {
	for _, p := range []string{"CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "DEP_"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return slices.Contains([]string{"CARGO", "CARGO_MAKEFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE",
		"OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "DEBUG", "PROFILE", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
		"RUSTC_LINKER", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "RUST_MIN_STACK"}, name)
}

var fileVerbs = map[byte]string{'R': "reads", 'L': "lists", 'W': "writes", 'D': "removes", 'F': "refused", 'A': "seeks"}

func (f *folder) file(p, root *program, g *group, a act) {
	verb, ok := fileVerbs[a.kind]
	if !ok {
		return
	}
	name := path.Clean(strings.TrimSuffix(a.what, " (deleted)"))
	name = procRE.ReplaceAllString(name, "/proc/self/")
	writes := a.kind == 'W' || a.kind == 'D' || a.kind == 'F'
	out := root.vars["OUT_DIR"]
	if root.isScript() && out != "" && below(name, out) {
		g.Folded.OutDir++
		return
	}
	switch {
	case a.detail() == "device" && slices.Contains([]string{"/dev/null", "/dev/tty", "/dev/zero"}, name):
		g.Folded.System++
		return
	case a.kind == 'A' && sharedRE.MatchString(path.Base(name)), f.wrapper(p): // where a loader looks; the plan's own script
		g.Folded.System++
		return
	case !writes && (runtimeFile(name) || f.tool(p.exe) && (inSystem(name) || below(name, f.Sysroot) || name == "/")):
		g.Folded.System++
		return
	case !writes && f.tool(p.exe) && (toolReads(name) || name == f.CargoHome+"/rustc"):
		g.Folded.System++
		return
	case !writes && g.inOwn(name):
		g.Folded.Own++
		return
	case !root.isScript() && (below(name, f.Target) || !writes && (below(name, f.CargoHome) || below(name, f.Source))):
		g.Folded.Target++
		return
	}
	if writes && a.kind != 'F' {
		(map[byte]map[string]bool{'W': g.made, 'D': g.removed})[a.kind][name] = true
	}
	what := f.place(g, root, name)
	g.did(verb, what, foldPlace(what))
	g.files[verb+" "+what+"\x00"+name] = true
}

var procRE = regexp.MustCompile(`^/proc/[0-9]+/(task/[0-9]+/)?`)

func (g *group) inOwn(name string) bool {
	return slices.ContainsFunc(g.own, func(dir string) bool { return below(name, dir) })
}

// toolReads says whether a file is what compilers read of the machine for
// themselves: how many threads to start, how to allocate memory.
func toolReads(name string) bool {
	for _, d := range []string{"/proc/self", "/proc/sys/vm", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage"} {
		if below(name, d) {
			return true
		}
	}
	return slices.Contains([]string{"/dev/tty", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"}, name)
}

// runtimeFile says whether a file is what any program's loader, C library or
// language runtime reads for itself.
func runtimeFile(name string) bool {
	switch name {
	case "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/locale.alias", "/usr/share/locale/locale.alias", "/proc/self/maps", "/proc/filesystems":
		return true
	}
	if inSystem(name) && sharedRE.MatchString(path.Base(name)) {
		return true
	}
	for _, d := range []string{"/usr/lib/locale", "/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib/aarch64-linux-gnu/gconv", "/usr/share/perl", "/usr/share/perl5",
		"/usr/lib/x86_64-linux-gnu/perl", "/usr/lib/x86_64-linux-gnu/perl-base", "/usr/lib/x86_64-linux-gnu/perl5", "/etc/perl", "/usr/local/lib/site_perl"} {
		if below(name, d) {
			return true
		}
	}
	return false
}

var sharedRE = regexp.MustCompile(`\.so(\.[0-9.]+)?$`)

func inSystem(name string) bool {
	for _, d := range []string{"/usr", "/lib", "/lib64", "/bin", "/sbin"} {
		if below(name, d) && !below(name, "/usr/local") {
			return true
		}
	}
	return false
}

func below(name, dir string) bool {
	return dir != "" && (name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/"))
}

var toolRE = regexp.MustCompile(`^(?:(?:x86_64|aarch64|i686)-[a-z0-9_]+-[a-z0-9_]+-)?(.*?)(?:-[0-9.]+)?$`)

// toolName is a program's name without target and release: gcc, not
// x86_64-linux-gnu-gcc-12.
func toolName(exe string) string {
	if m := toolRE.FindStringSubmatch(path.Base(exe)); m != nil && m[1] != "" {
		return m[1]
	}
	return path.Base(exe)
}

// tool says whether a program is a compiler, a linker, or a part of one, of the
// builder's.
func (f *folder) tool(exe string) bool {
	if !inSystem(exe) && !below(exe, f.Sysroot) {
		return false
	}
	return slices.Contains([]string{"rustc", "rustdoc", "cargo", "gcc", "g++", "cpp", "cc1", "cc1plus", "lto1", "lto-wrapper", "collect2", "as",
		"ld", "ld.bfd", "ld.gold", "ld.lld", "lld", "rust-lld", "gcc-ld", "ar", "ranlib", "gcc-ar", "gcc-ranlib", "nm", "objcopy", "strip"}, toolName(exe))
}

var (
	hashRE    = regexp.MustCompile(`-[0-9a-f]{16}(\.|/|$)`)
	outRE     = regexp.MustCompile(`^(?:[^/]+/)?[^/]+/build/(.*)-[0-9a-f]{16}/out(/.*)?$`)
	profileRE = regexp.MustCompile(`^[^/]+/`)
)

// place writes the paths in a text in the terms of the build.
func (f *folder) place(g *group, root *program, text string) string {
	names := []struct{ dir, name string }{}
	if root.isScript() {
		names = append(names, struct{ dir, name string }{root.vars["OUT_DIR"], "$OUT_DIR"})
	}
	for _, d := range g.own {
		names = append(names, struct{ dir, name string }{d, "$CRATE"})
	}
	for _, n := range names {
		if n.dir != "" && below(text, n.dir) {
			return n.name + text[len(n.dir):]
		}
	}
	switch {
	case below(text, f.Target):
		rest := strings.TrimPrefix(text[len(f.Target):], "/")
		if m := outRE.FindStringSubmatch(rest); m != nil {
			return "$OUT_DIR of " + m[1] + m[2]
		}
		return path.Clean("$TARGET/" + hashRE.ReplaceAllString(rest, "$1"))
	case below(text, f.CargoHome+"/registry/src"):
		rest := strings.TrimPrefix(text[len(f.CargoHome+"/registry/src"):], "/")
		return path.Clean("$CRATES/" + profileRE.ReplaceAllString(rest, ""))
	case below(text, f.CargoHome):
		return "$CARGO_HOME" + text[len(f.CargoHome):]
	case below(text, f.Source):
		return "$SOURCE" + text[len(f.Source):]
	}
	for _, n := range names { // inside of an argument: -I/…, --out=/…
		if n.dir != "" {
			text = strings.ReplaceAll(text, n.dir, n.name)
		}
	}
	return strings.NewReplacer(f.Target, "$TARGET", f.CargoHome+"/", "$CARGO_HOME/", f.Source+"/", "$SOURCE/").Replace(text)
}

// foldPlace names the folder where a file in it says no more: another crate's,
// another's OUT_DIR.
func foldPlace(what string) string {
	if rest, ok := strings.CutPrefix(what, "$CRATES/"); ok {
		crate, _, _ := strings.Cut(rest, "/")
		return "$CRATES/" + crate
	}
	if rest, ok := strings.CutPrefix(what, "$OUT_DIR of "); ok {
		crate, _, _ := strings.Cut(rest, "/")
		return "$OUT_DIR of " + crate
	}
	return what
}

// crowd is how many files of one folder are named one by one.
const crowd = 8

// crate makes the group's row.
func (g *group) crate() Crate {
	for n := range g.missed {
		if !g.started[n] {
			g.did("misses", n, n)
		}
	}
	gone := map[string]bool{} // acts on files that were made and removed again
	for f := range g.files {
		act, name, _ := strings.Cut(f, "\x00")
		if g.made[name] && g.removed[name] || g.made[name] && verbOf(act) == "reads" || withinMade(g, name) {
			gone[act] = true
			g.Folded.Temporary++
		}
	}
	folders := map[string]int{}
	for act, line := range g.acts {
		if !gone[act] && line == act {
			folders[path.Dir(act)]++
		}
	}
	for act, line := range g.acts {
		if gone[act] {
			continue
		}
		g.Acts = append(g.Acts, act)
		verb := verbOf(line)
		if line == act && slices.Contains([]string{"reads", "lists", "writes", "removes", "seeks"}, verb) && folders[path.Dir(act)] > crowd {
			line = path.Dir(act) + "/*"
		}
		g.Did = append(g.Did, line)
	}
	g.Did, g.Acts = union(g.Did, nil), union(g.Acts, nil)
	for _, r := range g.times {
		g.Runs = append(g.Runs, *r)
	}
	slices.SortFunc(g.Runs, func(a, b Run) int { return strings.Compare(a.Program, b.Program) })
	if g.Did == nil {
		g.Did, g.Acts = []string{}, []string{}
	}
	return g.Crate
}

// withinMade says whether a file lay in a folder that was made and removed.
func withinMade(g *group, name string) bool {
	for d := path.Dir(name); d != "/" && d != "."; d = path.Dir(d) {
		if g.made[d] && g.removed[d] {
			return true
		}
	}
	return false
}
