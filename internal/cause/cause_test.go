package cause

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/plan"
)

// known is a context of two builds that differ in everything.
func known() Context {
	start := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	return Context{
		A: Build{Path: "/build/demo", CargoHome: "/cargo", Home: "/root", User: "root", Host: "first-builder", TZ: "UTC", Locale: "C.UTF-8 C.UTF-8",
			Umask: "0022", Jobs: 2, CPUs: 8, Mtime: 1700000000, Start: start, End: start.Add(time.Minute)},
		B: Build{Path: "/b/another/path/of/demo", CargoHome: "/b/cargo-home", Home: "/b/home/second", User: "second", UID: 4711, Host: "second-builder",
			TZ: "Asia/Kathmandu", Locale: "fr_CH.UTF-8 C", Umask: "0077", Jobs: 3, CPUs: 7, Mtime: 1734572345, Extra: "TWICE_SECOND_BUILD=1",
			Start: start.Add(10 * time.Second), End: start.Add(2 * time.Minute)},
		Epoch: 1700000000,
	}
}

func compared(t testing.TB, name string, a, b []byte) *compare.Finding {
	t.Helper()
	f, err := compare.Readers(t.Context(), name, bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), compare.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// names are the rules of causes.
func names(list []Cause) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Rule)
	}
	return strings.Join(out, " ")
}

// A cause is claimed only where each side holds its own build's value.
func TestProof(t *testing.T) {
	c := known()
	at := func(d time.Duration) string { return fmt.Sprintf("at %d.", c.A.Start.Add(d).Unix()) }
	for _, x := range []struct{ name, a, b, want string }{
		{"each its own path", "\x00in /build/demo/x", "\x00in /b/another/path/of/demo/x", "build-path"},
		{"the paths are swapped", "\x00in /b/another/path/of/demo/x", "\x00in /build/demo/x", "path"},
		{"only A has its path", "\x00in /build/demo/x", "\x00in /build/demi/x", "path"},
		{"each its own time", "\x00" + at(time.Second), "\x00" + at(30*time.Second), "time"},
		{"A's time is after its end", "\x00" + at(100*time.Second), "\x00" + at(30*time.Second), "unknown"},
		{"the same", "x", "x", ""},
	} {
		if got := names(Explain(compared(t, "bin/x", []byte(x.a), []byte(x.b)), c)); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestUnknownShowsEvidence(t *testing.T) {
	list := Explain(compared(t, "bin/x", []byte("\x00one"), []byte("\x00two")), Context{})
	if len(list) != 1 || list[0].Known || list[0].Rule != Unknown || list[0].Path != "bin/x:+0x1" ||
		strings.Join(list[0].Proof, "|") != `bin/x:+0x1: "one" in A, "two" in B` {
		t.Errorf("%+v", list)
	}
}

// TestDirectory: what only a directory of files can differ in.
func TestDirectory(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, mode := range map[string]os.FileMode{a: 0o755, b: 0o600} {
		if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, "x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	f, err := compare.Paths(t.Context(), "out", a, b, compare.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(Explain(f, Context{})); got != "file-mode" {
		t.Errorf("%q", got)
	}
}

func TestSymbolCrate(t *testing.T) {
	for symbol, want := range map[string]string{
		"_ZN4demo1f17h0123456789abcdefE+0x12":                          "demo",
		"_ZN4core3ptr13drop_in_place17h0123456789abcdefE":              "",
		"_RNvCs1234_7mycrate3foo":                                      "mycrate",
		"_RINvNtCsaBc_4core3ptr13drop_in_placeNtCs9_4ring1XECs5_4rest": "ring",
		"main": "", "_R": "", "_RC999999": "", "_ZN": "",
	} {
		if got := SymbolCrate(symbol); got != want {
			t.Errorf("%s: %q, want %q", symbol, got, want)
		}
	}
}

// sourceOf is a package's files.
func sourceOf(files map[string]string) func() (fs.FS, error) {
	return func() (fs.FS, error) {
		out := fstest.MapFS{}
		for n, text := range files {
			out[n] = &fstest.MapFile{Data: []byte(text)}
		}
		return out, nil
	}
}

// TestBlame: the crate whose library differs and that needs none that does, the line of its build
// script, or the crate that it uses for it.
func TestBlame(t *testing.T) {
	c := known()
	at := func(d time.Duration) []byte { return fmt.Appendf(nil, "\x00made at %d.", c.A.Start.Add(d).Unix()) }
	difference := compared(t, "bin/app", at(time.Second), at(30*time.Second))
	script := map[string]string{
		"src/lib.rs": "pub const STAMP: &str = env!(\"STAMP\");\n",
		"build.rs":   "use std::time::SystemTime;\n// SystemTime::now() is bad\nfn main() {\n    let t = SystemTime::now();\n}\n",
	}
	for _, x := range []struct {
		name   string
		crates []Crate
		where  string
		proof  string
		fix    string
	}{
		{"nothing is known", nil, "", "", "SOURCE_DATE_EPOCH"},
		{"the first in the order of dependencies", []Crate{
			{Name: "app", Version: "0.1.0", Local: true, Deps: []string{"mid 1.0.0"}},
			{Name: "mid", Version: "1.0.0", Deps: []string{"ring 0.17.8"}, Compared: true, Differs: true, Source: sourceOf(script)},
			{Name: "ring", Version: "0.17.8", Compared: true, Differs: true, Source: sourceOf(script)},
		}, "build script of ring 0.17.8, build.rs:4", "build.rs:4: let t = SystemTime::now();", "SOURCE_DATE_EPOCH"},
		{"the program itself", []Crate{
			{Name: "app", Version: "0.1.0", Local: true, Deps: []string{"mid 1.0.0"}, Source: sourceOf(script)},
			{Name: "mid", Version: "1.0.0", Compared: true, Source: sourceOf(script)},
		}, "build script of app 0.1.0, build.rs:4", "no library that it needs differs", "SOURCE_DATE_EPOCH"},
		{"a dependency made for it", []Crate{
			{Name: "app", Version: "0.1.0", Local: true, Deps: []string{"vergen 9.0.6"}, Source: sourceOf(map[string]string{"src/main.rs": "fn main() {}\n"})},
		}, "crate app 0.1.0, by its dependency vergen 9.0.6", "", "VERGEN_IDEMPOTENT"},
		{"one of several", []Crate{
			{Name: "app", Version: "0.1.0", Local: true}, {Name: "x", Version: "1.0.0", Differs: true}, {Name: "y", Version: "2.0.0", Differs: true},
		}, "one of the crates x 1.0.0, y 2.0.0", "", "SOURCE_DATE_EPOCH"},
	} {
		c.Crates = x.crates
		list := Explain(difference, c)
		if len(list) != 1 || list[0].Where != x.where || !strings.Contains(strings.Join(list[0].Proof, "\n"), x.proof) || !strings.Contains(list[0].Fix, x.fix) {
			t.Errorf("%s: %+v", x.name, list)
		}
	}
}

// TestBlameOfCalled: a build script that leaves the work to another crate is to
// blame, at the line of that crate.
func TestBlameOfCalled(t *testing.T) {
	e := examples[slices.IndexFunc(examples, func(e example) bool { return e.name == "c-install-prefix" })]
	a, b, c := e.load(t)
	c.Crates = []Crate{
		{Name: "app", Version: "0.1.0", Local: true, Bins: []string{"app"}, Deps: []string{"openssl-sys 0.9.118"}},
		{Name: "openssl-sys", Version: "0.9.118", Compared: true, Differs: true, Deps: []string{"libc 0.2.1", "openssl-src 300.6.1+3.6.3"},
			Source: sourceOf(map[string]string{"build/run_bindgen.rs": "fn main() {\n    let o = env(\"OUT_DIR\");\n}\n"})},
		{Name: "openssl-src", Version: "300.6.1+3.6.3", Compared: true,
			Source: sourceOf(map[string]string{"openssl/a.c": "int x;\n", "src/lib.rs": "fn build() {\n    configure.arg(&format!(\"--prefix={}\", dir));\n}\n"})},
	}
	list := Explain(compared(t, "bin/app", a, b), c)
	if len(list) != 1 || list[0].Where != "build script of openssl-sys 0.9.118, by its dependency openssl-src 300.6.1+3.6.3, src/lib.rs:2" || list[0].Axis != "build-path" {
		t.Errorf("%+v", list)
	}
}

// TestBlameOfPrograms: of several programs the one is blamed that differs, in an archive too.
func TestBlameOfPrograms(t *testing.T) {
	e := examples[slices.IndexFunc(examples, func(e example) bool { return e.name == "time-seconds" })]
	a, b, c := e.load(t)
	clock := sourceOf(map[string]string{"src/main.rs": "fn main() {\n    now!();\n}\n"})
	c.Crates = []Crate{
		{Name: "one", Version: "0.1.0", Local: true, Bins: []string{"first"}, Deps: []string{"build-time 0.1.3"}, Source: clock},
		{Name: "two", Version: "0.1.0", Local: true, Bins: []string{"second"}, Deps: []string{"compile-time 0.2.0", "ours 0.1.0"}, Source: clock},
		{Name: "ours", Version: "0.1.0", Local: true, Compared: true, Source: clock},
		{Name: "build-time", Version: "0.1.3", Compared: true},
		{Name: "compile-time", Version: "0.2.0"},
	}
	of := func(m ...member) []byte { return tarOf(&maker{T: t}, m...) }
	for _, x := range []struct {
		name string
		a, b []byte
	}{
		{"bin/second", a, b},
		{"second.tar", of(readme, member{name: "usr/bin/second", data: a}), of(readme, member{name: "usr/bin/second", data: b})},
	} {
		list := Explain(compared(t, x.name, x.a, x.b), c)
		if len(list) != 1 || list[0].Where != "crate two 0.1.0, by its dependency compile-time 0.2.0" {
			t.Errorf("%s: %+v", x.name, list)
		}
	}
}

// TestProcessID: a number that is not the same is that of a process if who is
// responsible asks for one, and unknown if nobody is known to; its build id follows from it.
func TestProcessID(t *testing.T) {
	m := newMaker(t)
	of := func(n string) []byte {
		return m.gcc("x", "#include <stdio.h>\nint main(void) { puts(\"process "+n+" made it\"); }\n", nil, "-Wl,--build-id=sha1")
	}
	f := compared(t, "bin/app", of("47"), of("57"))
	c := known()
	for asks, want := range map[string]string{"std::process::id()": "process-id", "7": "unknown"} {
		c.Crates = []Crate{{Name: "app", Version: "0.1.0", Local: true, Source: sourceOf(map[string]string{"build.rs": "fn main() {\n    let n = " + asks + ";\n}\n"})}}
		if list := Explain(f, c); names(list) != want || want != "unknown" && list[0].Where != "build script of app 0.1.0, build.rs:2" {
			t.Errorf("%s: %+v", asks, list)
		}
	}
}

// TestDeterministic: the same finding, the same causes.
func TestDeterministic(t *testing.T) {
	for _, e := range examples {
		a, b, c := e.load(t)
		f := compared(t, "x", a, b)
		if d := cmp.Diff(Explain(f, c), Explain(f, c)); d != "" {
			t.Errorf("%s: %s", e.name, d)
		}
	}
}

// A rule implies an axis by the name that --vary takes.
func TestAxes(t *testing.T) {
	for _, r := range Rules() {
		if r.Axis != "" && !slices.Contains(plan.AllAxes(), plan.Axis(r.Axis)) {
			t.Errorf("%s: no axis is called %q", r.Name, r.Axis)
		}
	}
}

// In a large binary the one thing that matters is found; how long that takes the row
// diff-27mb of scripts/bench measures.
func TestLarge(t *testing.T) {
	m := newMaker(t)
	source := "char data[27000000] = {1};\nint main(void) { return data[5]; }\n"
	a, b := m.gcc("one/proj", source, nil, "-g"), m.gcc("two/other/proj", source, nil, "-g")
	list := Explain(compared(t, "bin/x", a, b), Context{})
	if names(list) != "path" || !strings.Contains(list[0].Fix, "--remap-path-prefix") {
		t.Fatalf("%+v", list)
	}
}

func TestAlone(t *testing.T) {
	for _, x := range []struct{ name, other, rule, where string }{
		{"rlib/libfoo-0123456789abcdef.rlib", "rlib/libfoo-fedcba9876543210.rlib", "crate-id", "crate foo"},
		{"rlib/libfoo-0123456789abcdef.rlib", "rlib/libbar-fedcba9876543210.rlib", Unknown, ""},
		{"bin/x", "bin/y", Unknown, ""},
	} {
		got := Alone(x.name, "A", []string{x.other})
		if len(got) != 1 || got[0].Rule != x.rule || got[0].Where != x.where || got[0].Known != (x.rule != Unknown) {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
}

// Other instructions are no cause while something else is not explained: they
// may follow from it.
func TestOtherCodeFollows(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc")
	}
	const source = `#include <stdio.h>
int f(unsigned char *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i] * p[i]; return s; }
int main(int c, char **v) { puts(S); return f((unsigned char *)v[0], c); }
`
	dir := t.TempDir()
	build := func(name string, flags ...string) []byte {
		out := filepath.Join(dir, name)
		cmd := exec.Command(gcc, append(flags, "-x", "c", "-", "-o", out)...)
		cmd.Stdin = strings.NewReader(source)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	explain := func(a, b string) string {
		return names(Explain(compared(t, "bin/x", build("a", "-c", "-O3", "-fno-asynchronous-unwind-tables", `-DS="`+a+`"`), build("b", "-c", "-O3", "-march=haswell", "-fno-asynchronous-unwind-tables", `-DS="`+b+`"`)), Context{}))
	}
	if got := explain("value", "value"); got != "target-cpu" {
		t.Errorf("code alone: %q", got)
	}
	if got := explain("qualm", "zebra"); got != "unknown" {
		t.Errorf("code, and a string that no rule knows: %q", got)
	}
}
