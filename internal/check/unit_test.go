package check

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/rustsyntax"
	"github.com/google/go-cmp/cmp"
)

func tree(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

// The code of a build script is its file, and what that takes in.
func TestReach(t *testing.T) {
	fsys := tree("c/Cargo.toml", "[package]\nname = 'c'\nversion = '1.0.0'\n", "c/build.rs", `
mod a;
#[path = "build/p.rs"] mod other;
mod inline { mod deep; }
mod gone;
#[cfg(test)] mod tests;
include!("build/inc.rs");
const T: &str = include_str!("build/table.txt");
include!(concat!(env!("OUT_DIR"), "/x.rs"));
`, "c/a.rs", "mod b;", "c/a/b.rs", "", "c/build/p.rs", "mod q;", "c/build/q.rs", "", "c/inline/deep/mod.rs", "mod e;", "c/inline/deep/e.rs", "",
		"c/build/inc.rs", "", "c/build/table.txt", "x", "c/tests.rs", "", "c/src/lib.rs", "mod z;", "c/src/z.rs", "")
	bt, err := cargo.ReadBuildTime(fsys, "c")
	if err != nil {
		t.Fatal(err)
	}
	u := readUnit(fsys, "c", bt)
	want := "c/a.rs c/a/b.rs c/build.rs c/build/inc.rs c/build/p.rs c/build/q.rs c/build/table.txt c/inline/deep/e.rs c/inline/deep/mod.rs"
	if d := cmp.Diff(want, strings.Join(u.buildTimeFiles(), " ")); d != "" {
		t.Error(d)
	}
	first, err := u.code()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "sha256:adddf6d0105d079838dd7b710e491f6160e271837367f9939bf652e0a1b5f6a3"
	if first != golden {
		t.Errorf("what identifies code has changed: %s", first)
	}
	// What isn't reached is no part of it; what is reached is.
	for name, same := range map[string]bool{"c/src/lib.rs": true, "c/tests.rs": true, "c/build/table.txt": false, "c/a/b.rs": false} {
		other := fstest.MapFS{}
		for k, v := range fsys {
			other[k] = v
		}
		other[name] = &fstest.MapFile{Data: []byte("// changed")}
		now, err := readUnit(other, "c", bt).code()
		if err != nil || (now == first) != same {
			t.Errorf("%s changed: the same code is %v, %v", name, now == first, err)
		}
	}
}

// A procedural macro is every file of its library.
func TestReachOfMacro(t *testing.T) {
	fsys := tree("Cargo.toml", "[package]\nname = 'c'\nversion = '1.0.0'\n[lib]\nproc-macro = true\npath = 'lib/m.rs'\n", "lib/m.rs", "mods!(x);", "lib/x.rs", "", "lib/tests/y.rs", "", "src/lib.rs", "", "build.rs", "")
	bt, err := cargo.ReadBuildTime(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(readUnit(fsys, ".", bt).buildTimeFiles(), " "); got != "build.rs lib/m.rs lib/x.rs" {
		t.Error(got)
	}
}

func TestBuildTime(t *testing.T) {
	for manifest, want := range map[string]cargo.BuildTime{
		"":                                      {Scripts: []string{"build.rs"}, Lib: "src/lib.rs"},
		"build = false":                         {Lib: "src/lib.rs"},
		"build = true":                          {Scripts: []string{"build.rs"}, Lib: "src/lib.rs"},
		"build = 'x/y.rs'\nlinks = 'z'":         {Scripts: []string{"x/y.rs"}, Lib: "src/lib.rs", Links: "z"},
		"build = ['b.rs', 'a.rs']":              {Scripts: []string{"a.rs", "b.rs"}, Lib: "src/lib.rs"},
		"build = false\n[lib]\nproc-macro=true": {ProcMacro: true, Lib: "src/lib.rs"},
		"[lib]\ncrate-type = ['proc-macro']\npath = 'm.rs'": {Scripts: []string{"build.rs"}, ProcMacro: true, Lib: "m.rs"},
	} {
		got, err := cargo.ReadBuildTime(tree("Cargo.toml", "[package]\nname = 'c'\nversion = '1.0.0'\n"+manifest, "build.rs", "", "src/lib.rs", ""), ".")
		want.Name, want.Version = "c", "1.0.0"
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", manifest, err, d)
		}
	}
	for _, bad := range []string{"build = '../x.rs'", "[lib]\npath = '../x.rs'", "build = [1]"} {
		if _, err := cargo.ReadBuildTime(tree("Cargo.toml", "[package]\nname = 'c'\nversion = '1.0.0'\n"+bad, "src/lib.rs", ""), "."); err == nil || !strings.HasPrefix(err.Error(), "Cargo.toml") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Lines that end in "// m", "// c" and "// e" read the machine, the clock and the
// epoch; those with "// M" do so even in code that isn't for build time.
func TestLeaks(t *testing.T) {
	const text = `use std::{env, env::var as get, process::Command as Cmd, time::SystemTime};
fn main() {
    let a = env!("USER"); // M
    let b = option_env!("HOME").unwrap_or(""); // M
    let c = env!("CARGO_PKG_NAME");
    let d = env::var("LOGNAME"); // m
    let e = std::env::var_os("TZ"); // m
    let f = get("HOSTNAME"); // m
    let g = env::var("OUT_DIR").or(env::var("TARGET"));
    let h = std::fs::read("/proc/cpuinfo"); // m
    let i = "/usr/share/zoneinfo/Europe/Rome"; // m
    let j = Cmd::new("uname"); // m
    let k = Cmd::new("/usr/bin/hostname"); // m
    let l = Cmd::new("cc");
    let m = SystemTime::now(); // c
    let n = chrono::Utc::now(); // c
    let o = Cmd::new("date"); // c
    let p = env::var("SOURCE_DATE_EPOCH"); // e
    let q = std::thread::available_parallelism(); // m
    let r = std::process::id(); // m
    let s = include!(env!("HOME"));
    for v in env::vars() {} // m
    // env!("USER")
    let t = "env!(\"USER\")";
    if is_x86_feature_detected!("avx") {} // m
}
#[cfg(test)]
mod tests { fn t() { env!("USER"); } }
`
	f, err := rustsyntax.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, buildTime := range []bool{true, false} {
		var want, got []string
		for i, l := range strings.Split(text, "\n") {
			_, mark, ok := strings.Cut(l, " // ")
			if ok && len(mark) == 1 && (buildTime || mark == "M" || mark == "e") {
				want = append(want, fmt.Sprintf("%d %s", i+1, strings.ToLower(mark)))
			}
		}
		for _, l := range leaks(f, buildTime) {
			got = append(got, fmt.Sprintf("%d %s", l.Line, map[leakKind]string{machine: "m", clock: "c", epoch: "e"}[l.Kind]))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("build time %v\n%s", buildTime, d)
		}
	}
}
