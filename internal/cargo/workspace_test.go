package cargo

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

// files makes a file system of "path", "content" pairs. A package's manifest
// can be shortened to "name@version;more TOML, with | for a line break".
func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(pairs[i+1], "|", "\n")), Mode: 0o644}
	}
	return m
}

func onDisk(t *testing.T, m fstest.MapFS) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, m); err != nil {
		t.Fatal(err)
	}
	return dir
}

const (
	pkgA   = "[package]|name='a'|version='1.0.0'|edition='2021'|"
	noMain = "fn main() {}"
)

// workspaces are what Inspect is compared with Cargo about.
var workspaces = map[string]struct {
	dir string
	fs  fstest.MapFS
}{
	"one binary": {".", files("Cargo.toml", pkgA, "src/main.rs", noMain)},
	"library, build script and binaries of each kind": {".", files("Cargo.toml", pkgA+"default-run='two'|[features]|x=[]|[[bin]]|name='three'|path='odd/place.rs'|required-features=['x']|",
		"src/lib.rs", "", "build.rs", noMain, "src/main.rs", noMain, "src/bin/one.rs", noMain, "src/bin/two/main.rs", noMain, "src/bin/two/other.rs", "", "src/bin/empty/x.rs", "", "odd/place.rs", noMain)},
	"named main":                 {".", files("Cargo.toml", pkgA+"[[bin]]|name='other'|path='src/main.rs'|", "src/main.rs", noMain, "src/bin/b.rs", noMain)},
	"bin without path":           {".", files("Cargo.toml", pkgA+"[[bin]]|name='x'|", "src/bin/x.rs", noMain)},
	"autobins off":               {".", files("Cargo.toml", pkgA+"autobins=false|", "src/lib.rs", "", "src/main.rs", noMain, "src/bin/b.rs", noMain)},
	"edition 2015 with [[bin]]":  {".", files("Cargo.toml", "[package]|name='a'|version='1.0.0'|[[bin]]|name='x'|path='x.rs'|", "x.rs", noMain, "src/bin/b.rs", noMain, "src/main.rs", noMain)},
	"edition 2015, other name":   {".", files("Cargo.toml", "[package]|name='a'|version='1.0.0'|[[bin]]|name='x'|", "src/main.rs", noMain)},
	"edition 2015 found":         {".", files("Cargo.toml", "[package]|name='a'|version='1.0.0'|", "src/bin/b.rs", noMain, "src/main.rs", noMain)},
	"no version":                 {".", files("Cargo.toml", "[package]|name='a'|edition='2024'|", "src/main.rs", noMain)},
	"proc macro":                 {".", files("Cargo.toml", pkgA+"[lib]|proc-macro=true|name='mac'|path='m.rs'|", "m.rs", "")},
	"build = false":              {".", files("Cargo.toml", pkgA+"build=false|", "build.rs", noMain, "src/lib.rs", "")},
	"globs, excludes, inherited": {".", virtual()},
	"member's directory":         {"crates/one", virtual()},
	"root package and members": {".", files("Cargo.toml", pkgA+"[dependencies]|p={path='deep/p'}|[workspace]|members=['b']|", "src/main.rs", noMain,
		"b/Cargo.toml", "[package]|name='b'|version='0.1.0'|[dependencies]|q={path='../q'}|", "b/src/main.rs", noMain,
		"deep/p/Cargo.toml", "[package]|name='p'|version='0.2.0'|", "deep/p/src/lib.rs", "",
		"q/Cargo.toml", "[package]|name='q'|version='0.3.0'|", "q/src/lib.rs", "")},
	"default members": {".", files("Cargo.toml", pkgA+"[workspace]|members=['b','c']|default-members=['b','.']|", "src/main.rs", noMain,
		"b/Cargo.toml", "[package]|name='b'|version='0.1.0'|", "b/src/main.rs", noMain,
		"c/Cargo.toml", "[package]|name='c'|version='0.1.0'|", "c/src/main.rs", noMain)},
	"default members by glob": {".", files("Cargo.toml", "[workspace]|members=['x/*']|default-members=['x/b*']|resolver='2'|",
		"x/b1/Cargo.toml", "[package]|name='b'|version='0.1.0'|", "x/b1/src/main.rs", noMain,
		"x/c/Cargo.toml", "[package]|name='c'|version='0.1.0'|", "x/c/src/main.rs", noMain)},
	"excluded path dependency": {".", files("Cargo.toml", pkgA+"[dependencies]|e={path='e'}|[workspace]|exclude=['e']|", "src/lib.rs", "",
		"e/Cargo.toml", "[package]|name='e'|version='0.1.0'|", "e/src/lib.rs", "")},
	"excluded directory": {"e", files("Cargo.toml", "[workspace]|exclude=['e']|", "e/Cargo.toml", "[package]|name='e'|version='0.1.0'|", "e/src/main.rs", noMain)},
	"package.workspace":  {"b", files("w/Cargo.toml", "[workspace]|members=['../b']|resolver='2'|", "b/Cargo.toml", "[package]|name='b'|version='0.1.0'|workspace='../w'|", "b/src/main.rs", noMain)},
	"glob characters": {".", files("Cargo.toml", "[workspace]|members=['c[ab]', 'd?', '**/deep']|resolver='2'|",
		"ca/Cargo.toml", "[package]|name='ca'|version='0.1.0'|", "ca/src/lib.rs", "",
		"cc/Cargo.toml", "[package]|name='cc'|version='0.1.0'|", "cc/src/lib.rs", "",
		"d1/Cargo.toml", "[package]|name='d1'|version='0.1.0'|", "d1/src/lib.rs", "",
		"x/y/deep/Cargo.toml", "[package]|name='deep'|version='0.1.0'|", "x/y/deep/src/lib.rs", "")},
	"inherited path dependency": {".", files("Cargo.toml", "[workspace]|members=['a']|resolver='2'|[workspace.dependencies]|i={path='i'}|",
		"a/Cargo.toml", pkgA+"[target.'cfg(unix)'.dependencies]|i={workspace=true}|", "a/src/lib.rs", "",
		"i/Cargo.toml", "[package]|name='i'|version='0.1.0'|", "i/src/lib.rs", "")},
	"[project] of old": {".", files("Cargo.toml", "[project]|name='a'|version='1.0.0'|", "src/main.rs", noMain)},
}

func virtual() fstest.MapFS {
	return files("Cargo.toml", "[workspace]|members=['crates/*','tools/t']|exclude=['crates/not']|resolver='2'|[workspace.package]|version='3.2.1'|edition='2021'|license='MIT OR Apache-2.0'|authors=['A','B']|rust-version='1.70'|repository='https://git.test/r'|description='d'|",
		"crates/one/Cargo.toml", "[package]|name='one'|version.workspace=true|edition.workspace=true|license.workspace=true|authors.workspace=true|rust-version.workspace=true|repository={workspace=true}|description={workspace=true}|publish=false|", "crates/one/src/main.rs", noMain,
		"crates/two/Cargo.toml", "[package]|name='two'|version='0.1.0'|license-file='L'|[lib]|crate-type=['rlib','cdylib']|", "crates/two/src/lib.rs", "", "crates/two/L", "",
		"crates/not/Cargo.toml", "[package]|name='not'|version='0.1.0'|", "crates/not/src/lib.rs", "",
		"crates/README", "not a directory",
		"tools/t/Cargo.toml", "[package]|name='tool'|version='0.1.0'|", "tools/t/src/main.rs", noMain)
}

// seen is what can be compared with `cargo metadata`.
type seen struct {
	Root     string
	Members  []string
	Defaults []string
}

func TestInspectAgreesWithCargo(t *testing.T) {
	for name, c := range workspaces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := Inspect(c.fs, c.dir)
			if err != nil {
				t.Fatal(err)
			}
			got := seen{Root: w.Root}
			for _, m := range w.Members {
				got.Members = append(got.Members, m.describe())
				if m.Default {
					got.Defaults = append(got.Defaults, m.Name)
				}
			}
			slices.Sort(got.Members)
			slices.Sort(got.Defaults)
			if diff := cmp.Diff(askCargo(t, onDisk(t, c.fs), c.dir), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func (m Member) describe() string {
	b, _ := json.Marshal(struct {
		Name, Version, Dir, Edition, Rust, License, LicenseFile, Description, Repository, DefaultRun string
		Authors, Bins                                                                                []string
		Lib, Build                                                                                   bool
		Publish                                                                                      bool
	}{
		m.Name, m.Version, m.Dir, m.Edition, m.RustVersion, m.License, m.LicenseFile, m.Description, m.Repository, m.DefaultRun,
		append([]string{}, m.Authors...), binLines(m.Bins), m.Lib != "", m.BuildScript != "", m.Publish,
	})
	return string(b)
}

func binLines(bins []Bin) []string {
	all := []string{}
	for _, b := range bins {
		all = append(all, b.Name+" "+b.Path+" "+strings.Join(b.Required, ","))
	}
	slices.Sort(all)
	return all
}

func askCargo(t *testing.T, root, dir string) seen {
	t.Helper()
	cmd := exec.Command("cargo", "metadata", "--no-deps", "--offline", "--format-version=1")
	cmd.Dir = filepath.Join(root, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cargo metadata: %v", err)
	}
	var doc struct {
		Packages []struct {
			ID, Name, Version, Edition, License, Description, Repository string
			LicenseFile                                                  string `json:"license_file"`
			RustVersion                                                  string `json:"rust_version"`
			DefaultRun                                                   string `json:"default_run"`
			ManifestPath                                                 string `json:"manifest_path"`
			Authors                                                      []string
			Publish                                                      *[]string
			Targets                                                      []struct {
				Name     string
				Kind     []string
				SrcPath  string   `json:"src_path"`
				Required []string `json:"required-features"`
			}
		}
		Default []string `json:"workspace_default_members"`
		Root    string   `json:"workspace_root"`
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	rel := func(p string) string {
		r, err := filepath.Rel(root, p)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s := seen{Root: rel(doc.Root)}
	for _, p := range doc.Packages {
		m := Member{Name: p.Name, Version: p.Version, Edition: p.Edition, License: p.License, Description: p.Description,
			Repository: p.Repository, RustVersion: p.RustVersion, DefaultRun: p.DefaultRun, Authors: p.Authors,
			Dir: rel(filepath.Dir(p.ManifestPath)), Publish: p.Publish == nil}
		if p.LicenseFile != "" {
			m.LicenseFile = filepath.Join(m.Dir, p.LicenseFile)
		}
		for _, target := range p.Targets {
			switch {
			case slices.Contains(target.Kind, "bin"):
				m.Bins = append(m.Bins, Bin{Name: target.Name, Path: rel(target.SrcPath), Required: target.Required})
			case slices.Contains(target.Kind, "custom-build"):
				m.BuildScript = "yes"
			case !slices.Contains(target.Kind, "test"):
				m.Lib = "yes"
			}
		}
		if slices.Contains(doc.Default, p.ID) {
			s.Defaults = append(s.Defaults, p.Name)
		}
		s.Members = append(s.Members, m.describe())
	}
	slices.Sort(s.Members)
	slices.Sort(s.Defaults)
	return s
}

func TestInspect(t *testing.T) {
	m := virtual()
	m["crates/one/.cargo/config.toml"] = &fstest.MapFile{Data: []byte("[build]\nrustflags = '-Cone'\n")}
	m[".cargo/config.toml"] = &fstest.MapFile{Data: []byte("[build]\nrustflags = '-Croot'\n")}
	m["rust-toolchain.toml"] = &fstest.MapFile{Data: []byte("[toolchain]\nchannel = '1.95.0'\n")}
	m["Cargo.lock"] = &fstest.MapFile{}
	w, err := Inspect(m, "")
	if err != nil {
		t.Fatal(err)
	}
	if w.Root != "." || w.Dir != "." || w.Name != "" || w.Version != "3.2.1" || !w.HasLock || w.Toolchain.Channel != "1.95.0" || len(w.Config.Files) != 1 {
		t.Errorf("%+v", w)
	}
	if diff := cmp.Diff([]Bin{{"one", "one", "crates/one/src/main.rs", nil}, {"tool", "tool", "tools/t/src/main.rs", nil}}, w.Bins); diff != "" {
		t.Error(diff)
	}
	two, ok := w.Member("two")
	if !ok || two.LicenseFile != "crates/two/L" || !slices.Equal(two.CrateTypes, []string{"rlib", "cdylib"}) {
		t.Errorf("two: %+v", two)
	}
	if w, err = Inspect(m, "crates/one"); err != nil {
		t.Fatal(err)
	}
	if w.Root != "." || w.Dir != "crates/one" || w.Name != "one" || w.Version != "3.2.1" || len(w.Bins) != 1 {
		t.Errorf("%+v", w)
	}
	if flags, key := w.Config.RustFlags("x86_64-unknown-linux-gnu"); !slices.Equal(flags, []string{"-Cone"}) || key != "build" {
		t.Errorf("flags %q from %s", flags, key)
	}
}

func TestPathsThatLeave(t *testing.T) {
	w, err := Inspect(files("Cargo.toml", pkgA+"[dependencies]|x={path='../x'}|y={path='/abs/y'}|[patch.crates-io]|z={path='../../z'}|", "src/lib.rs", ""), ".")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"../../z", "../x", "/abs/y"}, w.Members[0].Paths); diff != "" {
		t.Error(diff)
	}
}

func TestInspectRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		fs         fstest.MapFS
		dir        string
		want, hint string
	}{
		"no manifest":         {files("x", ""), ".", "Cargo.toml: file does not exist", "Cargo.toml"},
		"malformed":           {files("Cargo.toml", "[package]|name = 'a'|version = |"), ".", "Cargo.toml:3:", ""},
		"wrong type":          {files("Cargo.toml", "[package]|name = 7|"), ".", "Cargo.toml:2:", ""},
		"neither":             {files("Cargo.toml", "[dependencies]|"), ".", "has neither [package] nor [workspace]", ""},
		"no name":             {files("Cargo.toml", "[package]|version='1.0.0'|", "src/lib.rs", ""), ".", "without a name", ""},
		"bad name":            {files("Cargo.toml", "[package]|name='../x'|", "src/lib.rs", ""), ".", "is not one", ""},
		"bad version":         {files("Cargo.toml", "[package]|name='a'|version='1'|", "src/lib.rs", ""), ".", `version "1" is not one`, ""},
		"nothing to inherit":  {files("Cargo.toml", "[package]|name='a'|version.workspace=true|[workspace]|", "src/lib.rs", ""), ".", "package.version is inherited", ""},
		"missing member":      {files("Cargo.toml", "[workspace]|members=['gone']|"), ".", "gone/Cargo.toml", ""},
		"member outside":      {files("Cargo.toml", "[workspace]|members=['../x']|"), ".", "outside of the source", ""},
		"not a member":        {files("Cargo.toml", "[workspace]|members=['b']|", "b/Cargo.toml", pkgA, "b/src/lib.rs", "", "c/Cargo.toml", pkgA, "c/src/lib.rs", ""), "c", "c is below the workspace . but not a member", "workspace.members"},
		"bin without a file":  {files("Cargo.toml", pkgA+"[[bin]]|name='x'|", "src/lib.rs", ""), ".", `binary "x": no file src/bin/x.rs`, ""},
		"two bins of a name":  {files("Cargo.toml", pkgA+"[[bin]]|name='x'|path='src/a.rs'|[[bin]]|name='x'|path='src/a.rs'|", "src/a.rs", ""), ".", "two binaries", ""},
		"workspace outside":   {files("b/Cargo.toml", pkgA+"workspace='../..'|"), "b", "outside of the source", ""},
		"bad config":          {files("Cargo.toml", pkgA, "src/lib.rs", "", ".cargo/config.toml", "[build|"), ".", ".cargo/config.toml:1:", ""},
		"bad toolchain":       {files("Cargo.toml", pkgA, "src/lib.rs", "", "rust-toolchain.toml", "[toolchain]|channel='../x'|"), ".", "rust-toolchain.toml", ""},
		"unclosed glob":       {files("Cargo.toml", "[workspace]|members=['a[b']|"), ".", "unclosed", ""},
		"default not member":  {files("Cargo.toml", pkgA+"[workspace]|default-members=['x']|", "src/lib.rs", ""), ".", `default member "x" is not a member`, ""},
		"nested workspace":    {files("Cargo.toml", "[workspace]|members=['b']|", "b/Cargo.toml", "[workspace]|"), ".", "workspace inside", ""},
		"huge":                {files("Cargo.toml", strings.Repeat("#", maxTOML+1)), ".", "more than", ""},
		"binary that escapes": {files("Cargo.toml", pkgA+"[[bin]]|name='x'|path='../../x.rs'|", "src/lib.rs", ""), ".", "no file", ""},
	} {
		_, err := Inspect(c.fs, c.dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: error %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

func TestProfile(t *testing.T) {
	w, err := Inspect(files("Cargo.toml", pkgA+`[profile.release]|lto='thin'|debug=1|strip=true|
[profile.dist]|inherits='release'|lto=true|codegen-units=1|incremental=true|panic='abort'|opt-level='s'|
[profile.loop]|inherits='loop'|[profile.orphan]|lto=true|[profile.odd]|inherits='dev'|opt-level=true|`,
		"src/lib.rs", "", ".cargo/config.toml", "[profile.release]|strip='debuginfo'|codegen-units=4|[profile.mine]|inherits='dist'|debug='limited'|"), ".")
	if err != nil {
		t.Fatal(err)
	}
	release := Profile{Name: "release", OptLevel: "3", Debug: "1", Strip: "debuginfo", LTO: "thin", Panic: "unwind", CodegenUnits: 4}
	dist := release
	dist.Name, dist.LTO, dist.CodegenUnits, dist.Incremental, dist.Panic, dist.OptLevel = "dist", "fat", 1, true, "abort", "s"
	mine := dist
	mine.Name, mine.Debug = "mine", "1"
	bench := release
	bench.Name = "bench"
	for _, want := range []Profile{release, dist, mine, bench,
		{Name: "test", OptLevel: "0", Debug: "2", Strip: "none", DebugAssertions: true, OverflowChecks: true, LTO: "false", Panic: "unwind", Incremental: true}} {
		got, err := w.Profile(want.Name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", want.Name, err, diff)
		}
	}
	for name, want := range map[string]string{"loop": "inherits itself", "orphan": "has no inherits", "none": "not defined", "odd": "opt-level: a boolean"} {
		if _, err := w.Profile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, c := range workspaces {
		data, _ := fs.ReadFile(c.fs, "Cargo.toml")
		mutate.Add(f, data, []byte("[build]\nrustflags = ['a']\n[target.'cfg(unix)']\nrustflags = 'b'\n[env]\nA = {value='x', force=true}\ninclude = ['i.toml']"), []byte("1.95.0"))
	}
	f.Fuzz(func(t *testing.T, manifest, config, toolchain []byte) {
		m := fstest.MapFS{"Cargo.toml": {Data: manifest}, ".cargo/config.toml": {Data: config}, ".cargo/i.toml": {Data: config}, "rust-toolchain": {Data: toolchain},
			"src/main.rs": {}, "b/Cargo.toml": {Data: manifest}, "b/src/main.rs": {}}
		w, err := Inspect(m, ".")
		if err != nil {
			return
		}
		for _, b := range w.Bins {
			if !fs.ValidPath(b.Path) {
				t.Errorf("binary at %q", b.Path)
			}
		}
		w.Config.RustFlags("x86_64-unknown-linux-gnu")
		for name := range w.profiles {
			w.Profile(name) //nolint:errcheck // must not panic
		}
	})
}
