package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/google/go-cmp/cmp"
)

// The example in the help text is a valid file, and means what it says.
func TestReferenceParses(t *testing.T) {
	f, err := Parse([]byte(Reference))
	if err != nil {
		t.Fatal(err)
	}
	if f.Builds[0].Bins[0] != "rg" || f.Images[0].DriverLibraries[0] != "libcuda.so.1" || *f.Epoch != 1763769600 {
		t.Errorf("%+v", f)
	}
}

func TestFormatRoundTrip(t *testing.T) {
	f, err := Parse([]byte(Reference))
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Format()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	f.Text, again.Text = nil, nil
	if d := cmp.Diff(f, again); d != "" {
		t.Error(d)
	}
}

// Every error names the line of what is wrong, and not that of the same word
// somewhere else.
func TestErrorsNameTheLine(t *testing.T) {
	const sha = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	line := regexp.MustCompile(`^twice\.toml:[1-9][0-9]*: `)
	var seen []string
	for _, c := range []struct{ text, want string }{
		{"name = 5\n", "twice.toml:1: "},
		{"\nname = \"a\"\nname = \"b\"\n", "twice.toml:3: "},
		{"\ngit = \"yes\"\n", "twice.toml:2: "},
		{"# x\nbuild = 3\n", "twice.toml:2: "},
		{"\n\n[build]\nname = \"x\"\n", "twice.toml:3: "},
		{"\n[[toolchain]]\nchannel = \"1.95.0\"\n", "twice.toml:2: "},
		{"[[build]]\n\nenv = { A = 1 }\n", "twice.toml:3: "},
		{"\nepoch = 99999999999999999999\n", "twice.toml:2: "},
		{"\nepoch = 1.5\n", "twice.toml:2: "},
		{"\n[archive]\nfiles = \"x\"\n", "twice.toml:3: "},
		{"\nname = \"\xff\"\n", "twice.toml:2: "},
		{"\n[check.cargo-deny]\nversion = \"1.0.0\"\n", "twice.toml:2: cargo-deny must have"},
		{"[check]\n\ncargo-deny = { version = \"1.0.0\", sha256 = \"" + sha[7:] + "\" }\nadvisory-db = { commit = \"main\" }\n", "twice.toml:4: advisory-db must have"},
		{"# https://x\n[source]\nrepository = \"https://x\"\n", `twice.toml:3: repository "https://x"`},
		{"[builder]\nimage = \"x@" + sha + "\"\npackages = [\"cmake\"]\n", "twice.toml:3: packages are added"},
		{"# CMake\n[[build]]\nname = \"CMake\"\n[builder]\npackages = [\"CMake\"]\n", `twice.toml:5: "CMake" is not`},
		{"[[build]]\nname = \"a\"\n[[build]]\nenv = {\n  \"a\" = \"1\",\n  \"b\" = \"1\\n\" }\n", "twice.toml:6: the value of b"},
		{"[[image]]\nname = \"a b\"\n", `twice.toml:2: name "a b"`},
		{"[toolchain]\nchannel = \"newest\"\n", `twice.toml:2: toolchain channel "newest" is not one`},
		{"[profile.a.toolchain]\n\nchannel = \"newest\"\n", `twice.toml:3: toolchain channel "newest" is not one`},
		{"\n[image]\nbase = \"scratch\"\n", "twice.toml:2: there can be several"},
		{"[[image]]\n\nbase = \"a b\"\n", `twice.toml:3: base "a b": a definition`},
		{"[profile.a.cuda]\nredist = \"12\"\n", `twice.toml:2: "12" is not a release`},
		{"[toolchain]\nchanel = \"1.95.0\"\n", "twice.toml:2: unknown key toolchain.chanel"},
		{"\n[[build]\n", "twice.toml:2: "},
		{"[builder]\npackages = [\"cmake\",\n  \"CMake\"]\n", `twice.toml:3: "CMake" is not the name of a Debian package`},
		{"[[build]]\nname = \"../x\"\n", `twice.toml:2: "../x" can't be a name`},
		{"[[build]]\nname = \"a\"\n[[build]]\nname = \"a\"\n", `twice.toml:4: two builds are called "a"`},
		{"[[build]]\nfeatures = [\"a b\"]\n", "twice.toml:2: "},
		{"[[build]]\ntarget = \"x86\"\n", "twice.toml:2: "},
		{"[[build]]\nenv = { CARGO_HOME = \"/x\" }\n", "twice.toml:2: CARGO_HOME can't be set: the build's fixed environment has it"},
		{"[[build]]\nenv = { \"a-b\" = \"/x\" }\n", "not the name of an environment variable"},
		{"[[image]]\nuser = \"root\"\n", "twice.toml:2: "},
		{"[[image]]\nexpose = [\"http\"]\n", "twice.toml:2: "},
		{"[[image]]\nbuild = \"x\"\n", `there is no build called "x"`},
		{"[[image]]\nbase = \"a@sha256:12\"\n", "twice.toml:2: base"},
		{"[[image]]\nfiles = { \"../x\" = \"/x\" }\n", "not a path inside the workspace"},
		{"[[image]]\nfiles = { \"x\" = \"x\" }\n", "not an absolute path"},
		{"[archive]\nformats = [\"rar\"]\n", "twice.toml:2: "},
		{"[archive]\nfiles = [\"/etc/*\"]\n", "twice.toml:2: "},
		{"[[build]]\nname = \"x\"\n[[image]]\nbuild = \"x\"\nbuilds = [\"x\"]\n", "either build or builds"},
		{"[[image]]\nbuilds = [\"x\"]\n", `twice.toml:2: there is no build called "x"`},
		{"[archive]\nout-dir = [\"../x\"]\n", `twice.toml:2: "../x" is not the path of a file in OUT_DIR`},
		{"[archive]\nout-dir = [\"a b\"]\n", `twice.toml:2: "a b" is not the path of a file in OUT_DIR`},
		{"name = \"a/b\"\n", `twice.toml:1: "a/b" can't be a name`},
		{"[profile.A]\n", `twice.toml:1: "A" can't be a profile`},
		{"[profile.a]\nbase = \"x@y\"\n", "twice.toml:2: base"},
		{"[profile.a.builder]\npackages = [\"X\"]\n", `twice.toml:2: "X" is not the name of a Debian package`},
		{"[cuda]\n", "[cuda] names neither"},
		{"[cuda]\nwheels = [\"libclang>=18\"]\n", "twice.toml:2: \"libclang>=18\" is not a wheel at one version"},
		{"[cuda]\nwheels = [\"numpy==2.0.0\"]\n", "neither a wheel of NVIDIA's"},
		{"[cuda]\nwheels = [\"libclang==18.1.1\", \"LibClang==17.0.6\"]\n", "asked for twice"},
		{"[cuda]\nredist = \"12.9\"\n", "twice.toml:2: \"12.9\" is not a release"},
		{"[cuda]\nredist = \"12.9.1\"\nwheels = [\"nvidia-cuda-runtime-cu12==12.9.79\"]\n", "two toolkits"},
		{"[cuda]\nredist = \"12.9.1\"\ncomponents = [\"../x\"]\n", "not a component"},
		{"[cuda]\nwheels = [\"libclang==18.1.1\"]\ncomponents = [\"cuda_nvcc\"]\n", "which is not set"},
		{"epoch = -1\n", "twice.toml:1: epoch"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !line.MatchString(err.Error()) {
			t.Errorf("%q: %v, want %q with a line", c.text, err, c.want)
			continue
		}
		seen = append(seen, err.Error())
	}
	for _, format := range rejections(t) {
		pattern := verb.ReplaceAllString(regexp.QuoteMeta(format), "(?s:.*)")
		if ok := slices.ContainsFunc(seen, regexp.MustCompile(pattern).MatchString); !ok {
			t.Errorf("no case ends with %q", format)
		}
	}
	_, err := Parse([]byte("x = 1\n"))
	if fault.HintOf(err) == "" {
		t.Error("an unknown key has no hint")
	}
}

// What the hint of a refusal says to write is taken.
func TestHintsAreFollowed(t *testing.T) {
	const sha = "0000000000000000000000000000000000000000000000000000000000000000"
	// follows: config: the keys are listed by `twice init --help`
	// follows: config: %s:%d: there can be several: [%s] is one
	// follows: config: cargo-deny must have a version
	// follows: config: advisory-db must have a commit
	// follows: config: two builds are called %q
	// follows: config: there is no build called %q
	// follows: config: channel
	for _, c := range []struct{ text, hint, mended string }{
		{"[toolchain]\nchanel = \"1.95.0\"\n", "`twice init --help`", Reference}, // which is what that prints
		{"[build]\nname = \"x\"\n", "write [[build]]", "[[build]]\nname = \"x\"\n"},
		{"[check]\ncargo-deny = { version = \"0.20\", sha256 = \"x\" }\nadvisory-db = { commit = \"x\" }\n", "docs/audit.md has the lines", audit(t)},
		{"[check]\ncargo-deny = { version = \"0.20.2\", sha256 = \"" + sha + "\" }\nadvisory-db = { commit = \"main\" }\n", "`git ls-remote",
			"[check]\ncargo-deny = { version = \"0.20.2\", sha256 = \"" + sha + "\" }\nadvisory-db = { commit = \"" + sha[:40] + "\" }\n"},
		{"[[build]]\nname = \"a\"\n[[build]]\nname = \"a\"\n", "give one of them another name = \"…\"", "[[build]]\nname = \"a\"\n[[build]]\nname = \"…\"\n"},
		{"[[build]]\nname = \"a\"\n[[image]]\nbuild = \"x\"\n", "there are: a", "[[build]]\nname = \"a\"\n[[image]]\nbuild = \"a\"\n"},
		{"[[image]]\nbuilds = [\"x\"]\n", "name = \"…\" in a [[build]] table names one", "[[image]]\nbuilds = [\"x\"]\n[[build]]\nname = \"x\"\n"},
		{"[toolchain]\nchannel = \"newest\"\n", `name a release ("1.95.0"), or a dated channel ("nightly-2026-04-03")`, "[toolchain]\nchannel = \"1.95.0\"\n"},
	} {
		_, err := Parse([]byte(c.text))
		if hint := fault.HintOf(err); !strings.Contains(hint, c.hint) {
			t.Errorf("%v; hint %q, want %q", err, hint, c.hint)
		}
		if _, err := Parse([]byte(strings.ReplaceAll(c.mended, "\"…\"", "\"b\""))); err != nil {
			t.Errorf("%s\n%v", c.mended, err)
		}
	}
}

// audit is the [check] table of docs/audit.md.
func audit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimLeft(line, " ")
		if strings.HasPrefix(line, "[check]") || table != "" && strings.Contains(line, " = {") {
			table += line
		}
	}
	return strings.Replace(table, "commit = \"…\"", "commit = \""+strings.Repeat("0", 40)+"\"", 1)
}

var verb = regexp.MustCompile(`%[a-z]`)

// rejections are the texts of all errors of what a file says.
func rejections(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, name := range []string{"parse.go", "cuda.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			f, isName := call.Fun.(*ast.Ident)
			text, isText := call.Args[1].(*ast.BasicLit)
			if isName && f.Name == "bad" && isText {
				s, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
			return true
		})
	}
	if len(all) < 30 {
		t.Fatalf("only %d errors were found in the source", len(all))
	}
	return all
}

// A lock goes stale by what decides inputs, and by nothing else.
func TestInputsDigest(t *testing.T) {
	parse := func(s string) *File {
		f, err := Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	base := "[toolchain]\nchannel=\"1.95.0\"\n[[build]]\nname=\"a\"\n[[image]]\nbase=\"runtime-cc\"\n"
	d := parse(base).InputsDigest()
	for _, same := range []string{
		base + "user = \"0\"\n",
		strings.Replace(base, `name="a"`, "name=\"b\"\nfeatures=[\"x\"]", 1),
		base + "[archive]\nformats=[\"zip\"]\n",
	} {
		if parse(same).InputsDigest() != d {
			t.Errorf("%q needs no other inputs", same)
		}
	}
	for _, other := range []string{
		strings.Replace(base, "1.95.0", "1.96.0", 1),
		strings.Replace(base, "runtime-cc", "scratch", 1),
		base + "[builder]\npackages=[\"cmake\"]\n",
		base + "[cuda]\nwheels=[\"libclang==18.1.1\"]\n",
		strings.Replace(base, `name="a"`, "name=\"a\"\ntarget=\"aarch64-unknown-linux-gnu\"", 1),
	} {
		if parse(other).InputsDigest() == d {
			t.Errorf("%q needs other inputs", other)
		}
	}
}

func FuzzParse(f *testing.F) {
	mutate.Add(f, Reference)
	mutate.Add(f, "[[build]]\nname='x'\n")
	f.Fuzz(func(t *testing.T, s string) {
		if file, err := Parse([]byte(s)); err == nil {
			file.InputsDigest()
		}
	})
}

// A profile's tables take the place of the file's own, and bases but for
// scratch are its base; what it doesn't name stays.
func TestUseProfile(t *testing.T) {
	const text = `
[toolchain]
channel    = "nightly-2026-04-03"
components = ["rust-src"]
[builder]
packages = ["cmake"]
[[image]]
base = "gcr.io/x@sha256:0000000000000000000000000000000000000000000000000000000000000000"
[[image]]
name = "static"
base = "scratch"
[profile.local]
base = "runtime-cc"
[profile.local.toolchain]
channel = "1.95.0"
`
	parse := func() *File {
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	own, local := parse(), parse()
	if err := own.Use(""); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(own, parse()); d != "" {
		t.Error(d)
	}
	if err := local.Use("local"); err != nil {
		t.Fatal(err)
	}
	want := parse()
	want.Toolchain = Toolchain{Channel: "1.95.0"}
	want.Images[0].Base = "runtime-cc"
	want.Using = "local"
	if d := cmp.Diff(want, local); d != "" {
		t.Error(d)
	}
	if local.InputsDigest() == own.InputsDigest() {
		t.Error("a profile with other inputs has the same lock")
	}
	err := parse().Use("other")
	if err == nil || fault.HintOf(err) != "there are: local" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}
