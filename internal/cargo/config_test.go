package cargo

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestConfig(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		dir  string
		want Config
	}{
		"nothing": {files(), ".", Config{}},
		"everything": {files(".cargo/config.toml", `
[build]|target='aarch64-unknown-linux-gnu'|target-dir='out'|rustflags='-Ca  -Cb'|rustdocflags=['x']|rustc='r'|rustc-wrapper='w'|rustc-workspace-wrapper='ww'|incremental=true
[target.aarch64-unknown-linux-gnu]|linker='l'|runner='qemu -L x'|rustflags=['-Cc']
[target.'cfg(unix)']|runner=['a','b c']
[env]|PLAIN='p'|FULL={value='f',force=true,relative=true}
[source.crates-io]|replace-with='m'|[source.m]|registry='sparse+https://m.test/'|[source.d]|directory='d'|[source.g]|git='https://g.test/r'|branch='b'|tag='t'|rev='r'|[source.l]|local-registry='l'
[registries.alt]|index='sparse+https://alt.test/'|[net]|git-fetch-with-cli=true`), ".", Config{
			Files: []string{".cargo/config.toml"},
			Build: BuildConfig{Target: []string{"aarch64-unknown-linux-gnu"}, TargetDir: "out", Rustflags: []string{"-Ca", "-Cb"}, Rustdocflags: []string{"x"},
				Rustc: "r", RustcWrapper: "w", RustcWorkspaceWrapper: "ww", Incremental: &yes},
			Targets: []TargetConfig{
				{Key: "aarch64-unknown-linux-gnu", Linker: "l", Runner: []string{"qemu", "-L", "x"}, Rustflags: []string{"-Cc"}, File: ".cargo/config.toml"},
				{Key: "cfg(unix)", Runner: []string{"a", "b c"}, File: ".cargo/config.toml"},
			},
			Env: []EnvVar{{Name: "FULL", Value: "f", Force: true, Relative: true, File: ".cargo/config.toml"}, {Name: "PLAIN", Value: "p", File: ".cargo/config.toml"}},
			Sources: map[string]SourceConfig{"crates-io": {ReplaceWith: "m", File: ".cargo/config.toml"},
				"m": {Registry: "sparse+https://m.test/", File: ".cargo/config.toml"}, "d": {Directory: "d", File: ".cargo/config.toml"},
				"g": {Git: "https://g.test/r", Branch: "b", Tag: "t", Rev: "r", File: ".cargo/config.toml"}, "l": {LocalRegistry: "l", File: ".cargo/config.toml"}},
			Registries: map[string]string{"alt": "sparse+https://alt.test/"}, GitCLI: true,
		}},
		"the nearest counts, arrays are joined": {files(
			".cargo/config.toml", "[build]|rustflags=['far']|incremental=true|rustc='far'|[env]|A='far'|B={value='far'}",
			"a/b/.cargo/config.toml", "[build]|rustflags=['near']|incremental=false|[env]|A={value='near',relative=true}"), "a/b", Config{
			Files: []string{"a/b/.cargo/config.toml", ".cargo/config.toml"},
			Build: BuildConfig{Rustflags: []string{"far", "near"}, Incremental: &no, Rustc: "far"},
			Env:   []EnvVar{{Name: "A", Value: "near", Relative: true, File: "a/b/.cargo/config.toml"}, {Name: "B", Value: "far", File: ".cargo/config.toml"}},
		}},
		"the file without an extension wins": {files(".cargo/config", "[build]|rustc='old'", ".cargo/config.toml", "[build]|rustc='new'"), ".",
			Config{Files: []string{".cargo/config"}, Build: BuildConfig{Rustc: "old"}}},
		"includes": {files(".cargo/config.toml", "include=['one.toml', {path='two.toml'}, {path='gone.toml', optional=true}]|[build]|rustflags=['own']",
			".cargo/one.toml", "[build]|rustflags=['1']|rustc='1'", ".cargo/two.toml", "[build]|rustflags=['2']|rustc='2'"), ".",
			Config{Files: []string{".cargo/config.toml", ".cargo/two.toml", ".cargo/one.toml"}, Build: BuildConfig{Rustflags: []string{"1", "2", "own"}, Rustc: "2"}}},
	} {
		got, err := readConfig(c.fs, c.dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got.profiles = nil
		for _, m := range []*Config{&got, &c.want} {
			if len(m.Sources) == 0 {
				m.Sources = nil
			}
			if len(m.Registries) == 0 {
				m.Registries = nil
			}
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(Config{})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if d := (EnvVar{File: "a/b/.cargo/config.toml"}).Dir(); d != "a/b" {
		t.Errorf("Dir = %s", d)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want string
	}{
		"malformed":         {files(".cargo/config.toml", "a=|b=1"), ".cargo/config.toml:1:"},
		"flags of a type":   {files(".cargo/config.toml", "[build]|rustflags=1"), ".cargo/config.toml: build.rustflags"},
		"flags of types":    {files(".cargo/config.toml", "[build]|rustflags=['a',1]"), "int64 in an array"},
		"table of a type":   {files(".cargo/config.toml", "build=1"), "build: a int64"},
		"boolean of a type": {files(".cargo/config.toml", "[build]|incremental='yes'"), "build.incremental"},
		"env of a type":     {files(".cargo/config.toml", "[env]|A=1"), "env.A"},
		"env of a name":     {files(".cargo/config.toml", "[env]|'A=B'='1'"), "not the name of a variable"},
		"types differ":      {files(".cargo/config.toml", "[build]|rustflags='a'", "a/.cargo/config.toml", "[build]|rustflags=['a']"), "build.rustflags: not of the same type as in a/.cargo/config.toml"},
		"include outside":   {files(".cargo/config.toml", "include=['../../x']"), "outside"},
		"include absolute":  {files(".cargo/config.toml", "include=['/x']"), "outside"},
		"include missing":   {files(".cargo/config.toml", "include=['x']"), "no such file"},
		"include itself":    {files(".cargo/config.toml", "include=['config.toml']"), "included twice"},
		"include a string":  {files(".cargo/config.toml", "include='x'"), "not an array"},
		"profile of a type": {files(".cargo/config.toml", "[profile.release]|codegen-units='x'"), "profile.release"},
	} {
		if _, err := readConfig(c.fs, "a"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// What rustc says a target is.
func TestKnownTriples(t *testing.T) {
	for triple := range tripleCfg {
		out, err := exec.Command("rustc", "--print", "cfg", "--target", triple).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSpace(string(out)), "\n")
		got := slices.Collect(maps.Keys(cfgSet(triple)))
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", triple, diff)
		}
	}
}

func TestMatchCfg(t *testing.T) {
	const x86, arm = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"
	for expr, want := range map[string][2]bool{
		`cfg(unix)`:                         {true, true},
		`cfg(windows)`:                      {false, false},
		`cfg(target_arch = "x86_64")`:       {true, false},
		`cfg(target_env="musl")`:            {false, true},
		`cfg(not(target_env="musl"))`:       {true, false},
		`cfg(all())`:                        {true, true},
		`cfg(any())`:                        {false, false},
		`cfg(all(unix,target_os="linux",))`: {true, true},
		`cfg( any( windows , target_feature = "neon" ) )`: {false, true},
		`cfg(r#unix)`:                {true, true},
		`cfg(true)`:                  {true, true},
		`cfg(not(false))`:            {true, true},
		`cfg(feature="x")`:           {false, false},
		`cfg(target_has_atomic="8")`: {true, true},
	} {
		for i, triple := range []string{x86, arm} {
			if got, err := MatchCfg(expr, triple); err != nil || got != want[i] {
				t.Errorf("%s for %s: %v, %v", expr, triple, got, err)
			}
		}
	}
	for _, expr := range []string{``, `unix`, `cfg()`, `cfg(unix`, ` cfg(unix)`, `cfg(unix) `, `cfg(not(unix,windows))`, `cfg(not())`, `cfg(not(unix,))`,
		`cfg(target_os=linux)`, `cfg(target_os="linux)`, `cfg(unix windows)`, `cfg(all)`, `cfg(all(unix)`, `cfg(,)`, `cfg(1)`, `cfg(unix))`,
		`cfg(` + strings.Repeat("not(", 1000) + "unix" + strings.Repeat(")", 1001)} {
		if _, err := MatchCfg(expr, x86); err == nil {
			t.Errorf("%.50s: no error", expr)
		}
	}
	if _, err := MatchCfg("cfg(unix)", "mips-unknown-none"); err == nil {
		t.Error("a triple that isn't known: no error")
	}
}

// The flags that Cargo really gives to rustc, for each configuration.
func TestRustFlagsAgreeWithCargo(t *testing.T) {
	const triple = "x86_64-unknown-linux-gnu"
	passed := regexp.MustCompile(`--cfg f_([a-z0-9]+)`)
	for name, c := range map[string]struct{ config, key string }{
		"none":              {"", ""},
		"build":             {"[build]|rustflags=['--cfg','f_b']", "build"},
		"target over build": {"[build]|rustflags=['--cfg','f_b']|[target." + triple + "]|rustflags='--cfg f_t'", "target"},
		"joined": {`[target.'cfg(unix)']|rustflags='--cfg f_unix'
[target.x86_64-unknown-linux-gnu]|rustflags=['--cfg','f_triple']
[target.'cfg(all(target_arch="x86_64"))']|rustflags='--cfg f_all'
[target.'cfg(windows)']|rustflags='--cfg f_win'
[target.'cfg(not(debug_assertions))']|rustflags='--cfg f_nodebug'
[target.'cfg(target_os=broken)']|rustflags='--cfg f_broken'
[target.aarch64-unknown-linux-gnu]|rustflags='--cfg f_arm'`, "target"},
		"target without flags": {"[build]|rustflags='--cfg f_b'|[target." + triple + "]|linker='cc'|[target.'cfg(windows)']|rustflags='--cfg f_w'", "build"},
	} {
		m := files("Cargo.toml", pkgA, "src/lib.rs", "", ".cargo/config.toml", c.config)
		w, err := Inspect(m, ".")
		if err != nil {
			t.Fatal(err)
		}
		flags, key := w.Config.RustFlags(triple)
		cmd := exec.Command("cargo", "build", "-v", "--offline", "--target", triple)
		cmd.Dir = onDisk(t, m)
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RUSTFLAGS=") }), "CARGO_TARGET_DIR="+filepath.Join(t.TempDir(), "t"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var want []string
		for _, f := range passed.FindAllStringSubmatch(string(out), -1) {
			want = append(want, "--cfg", "f_"+f[1])
		}
		if diff := cmp.Diff(want, flags); diff != "" || key != c.key {
			t.Errorf("%s: key %q\n%s", name, key, diff)
		}
	}
}

func FuzzMatchCfg(f *testing.F) {
	for _, s := range []string{`cfg(unix)`, `cfg(all(unix, not(target_os = "windows"), any(target_arch="x86_64",)))`, `cfg(r#true)`, `cfg(not(`, `cfg("x"=unix)`} {
		mutate.Add(f, s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		v, err := MatchCfg(expr, "x86_64-unknown-linux-gnu")
		inner, ok := strings.CutPrefix(expr, "cfg(")
		if err != nil || !ok {
			if err == nil {
				t.Errorf("%q has a value", expr)
			}
			return
		}
		n, err := MatchCfg("cfg(not("+inner+")", "x86_64-unknown-linux-gnu")
		if err == nil && n == v {
			t.Errorf("%q and its opposite are both %v", expr, v)
		}
	})
}
