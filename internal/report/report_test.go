package report

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	unsafe "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files")

func sum(s string) digest.Digest { return digest.FromString(s) }

// reproducible is a verdict over two builds of a project.
func reproducible() *verdict.Verdict {
	start := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	same := func(build, name string, k verdict.Kind, size int64) verdict.Artefact {
		return verdict.Artefact{Name: name, Kind: k, Build: build, SizeA: size, SizeB: size, A: sum(name), B: sum(name), Same: true}
	}
	return &verdict.Verdict{
		Word: verdict.Reproducible, Class: verdict.ClassReproducible, Schema: verdict.Schema, Reached: start.Add(2 * time.Minute),
		Subject: verdict.Subject{Spec: ".", Name: "wave", Version: "1.2.0", Commit: strings.Repeat("ab", 20), Epoch: 1760000000, EpochFrom: "time of the commit",
			Triple: "x86_64-unknown-linux-gnu", Profile: "release", Features: []string{"simd"}},
		Inputs: verdict.Inputs{Crates: 56, GitCrates: 5, DebianPackages: 104, DebianSuite: "bookworm", Rustc: "1.95.0", Toolchain: sum("toolchain"),
			Builder: sum("builder"), Source: sum("source"), Vendor: sum("vendor"), Runtime: sum("runtime"), Lock: sum("lock"), Plan: sum("plan")},
		Artefacts: []verdict.Artefact{
			same("cpu", "cpu/bin/wave", verdict.Bin, 5557452), same("cpu", "cpu/rlib/liba.rlib", verdict.Rlib, 90000), same("cpu", "cpu/rlib/libb.rlib", verdict.Rlib, 123456),
			same("cpu", "image/cpu", verdict.Image, 10171187),
			same("gpu", "image/gpu", verdict.Image, 10171188), same("gpu", "gpu/bin/wave", verdict.Bin, 5557453), same("gpu", "gpu/rlib/liba.rlib", verdict.Rlib, 90000),
		},
		Builds: []verdict.Build{
			{Side: "A", Path: "/build/wave", Home: "/root", CargoHome: "/cargo", User: "root", TZ: "UTC0", Locale: "C.UTF-8", Umask: "0022", Host: "twice-a", Jobs: 2, Start: start, Seconds: 38.2},
			{Side: "B", Path: "/b/another/path/of/wave", UID: 4711, GID: 4711, Home: "/home/other", CargoHome: "/b/cargo", User: "other", TZ: "Asia/Kathmandu", Locale: "fr_CH.UTF-8", Umask: "0077", Host: "twice-b", Jobs: 3, Start: start.Add(time.Second), Seconds: 61.04},
		},
		Varied:    []verdict.Axis{{Name: "build-path", A: "/build/wave", B: "/b/another/path/of/wave"}, {Name: "jobs", A: "2", B: "3"}},
		NotVaried: []verdict.Axis{{Name: "date", Why: "both builds run today"}, {Name: "umask", Why: verdict.LeftOut}},
		Steps:     []verdict.Step{{Name: "inputs", Seconds: 2.1}, {Name: "builder", Seconds: 9.8, Cached: true}},
		Engine:    "embedded BuildKit v0.32.2, contained", Report: "twice-report/index.html", Twice: "v0.1.0",
	}
}

// mismatch has every kind of finding in it.
func mismatch() *verdict.Verdict {
	v := reproducible()
	v.Word, v.Class, v.Image, v.NotVaried = verdict.Mismatch, verdict.ClassBug, "", v.NotVaried[:1]
	v.Subject.Name, v.Subject.Version, v.Subject.Dirty, v.Subject.DirtyFiles = "stamp", "0.1.0", true, []string{"src/main.rs"}
	path := compare.Difference{Path: "bin/stamp:.rodata+0x1c41", Offset: 0x1c41, Length: 5, Before: 1, Count: 12, Section: ".rodata", Symbol: "STAMP+0x8",
		A: compare.Bytes("/build/wave/src/main.rs"), B: compare.Bytes("/b/another/path/of/wave/src/main.rs"), SizeA: 4000, SizeB: 4002}
	id := compare.Difference{Path: "bin/stamp:.note.gnu.build-id+0x10", Offset: 0x10, Length: 3, Count: 1,
		A: compare.Bytes("\x01\x02\x03 and more"), B: compare.Bytes("\x04\x02\x06 and more"), SizeA: 36, SizeB: 36}
	finding := &compare.Finding{Name: "bin/stamp", Kind: compare.ELF, SizeA: 300000, SizeB: 300002, More: 1, Parts: []*compare.Finding{
		{Name: ".rodata", Kind: compare.Section, SizeA: 4000, SizeB: 4002, Note: "its strings were compared", Ranges: []compare.Difference{path, path}},
		{Name: ".note.gnu.build-id", Kind: compare.Section, SizeA: 36, SizeB: 36, Ranges: []compare.Difference{id}},
	}}
	owner := &compare.Finding{Name: "stamp.tar", Kind: compare.Tar, SizeA: 10240, SizeB: 10240, Parts: []*compare.Finding{
		{Name: "README", Kind: compare.Raw, SizeA: 7, SizeB: 7, Note: "mode is 0644 in A, 0755 in B", Fields: []compare.Field{{Name: "mode", A: "0644", B: "0755"}}},
		{Name: "extra", Kind: compare.Raw, SizeA: 7, SizeB: -1, Note: "only in A", Ranges: []compare.Difference{{Path: "stamp.tar:extra", Count: 1, SizeA: 7, SizeB: -1, Note: "only in A"}}},
		{Name: "notes.txt", Kind: compare.Text, SizeA: 7, SizeB: 9, Ranges: []compare.Difference{{Path: "stamp.tar:notes.txt:3", Offset: 40, Length: 7, Count: 1,
			A: compare.Bytes("caf\u00e9 1\n"), B: compare.Bytes("caf\u00e9 two\n"), Before: 6, SizeA: 7, SizeB: 9}}},
	}}
	known := cause.Cause{Rule: "build-path", Title: "the path of the sources is in the output", Where: "crate stamp 0.1.0, src/main.rs:3",
		Proof: []string{"A holds /build/wave, B holds /b/another/path/of/wave"}, Fix: "remap it with --remap-path-prefix", Axis: "build-path", Path: path.Path, Known: true}
	unknown := cause.Cause{Rule: "unknown", Title: "no rule knows this difference", Path: "stamp.tar"}
	v.Artefacts = []verdict.Artefact{
		{Name: "bin/stamp", Kind: verdict.Bin, SizeA: 300000, SizeB: 300002, A: sum("1"), B: sum("2"), Difference: &path, Causes: []cause.Cause{known}, Finding: finding},
		{Name: "stamp.tar", Kind: verdict.Archive, SizeA: 10240, SizeB: 10240, A: sum("3"), B: sum("4"), Causes: []cause.Cause{unknown}, Finding: owner},
		{Name: "bin/first", Kind: verdict.Bin, SizeA: 300000, SizeB: 300000, A: sum("5"), B: sum("6"), Difference: &id, Causes: []cause.Cause{known}},
		{Name: "bin/extra", Kind: verdict.Bin, SizeA: 5, A: sum("extra")},
		{Name: "bin/other", Kind: verdict.Bin, SizeB: 5, B: sum("other")},
	}
	v.Warnings = []verdict.Warning{{Kind: "date", Artefact: "bin/stamp", Text: "holds the day of the build"}, {Kind: "dirty", Text: "the sources are not those of the commit"}}
	v.Attachments = []verdict.Attachment{{Name: Diffoscope, Text: "diffoscope 240"}}
	v.Bisection = &verdict.Bisection{Conclusion: bisect.Axes, Groups: [][]string{{"build-path"}}, A: sum("A"), B: sum("B"), Again: []verdict.Again{
		{Axes: []string{"build-path"}, Result: sum("B"), Start: v.Reached, Seconds: 20}, {Axes: []string{}, Result: sum("A"), Start: v.Reached, Seconds: 21}}}
	return v
}

func failed() *verdict.Verdict {
	v := reproducible()
	v.Word, v.Class, v.Image, v.Artefacts, v.Reason = verdict.NoVerdict, "", "", nil, "build B of wave: exit status 101"
	v.Builds[1].Log = []string{"   Compiling wave v1.2.0", "\x1b[31merror\x1b[0m: can't find crate <b>&amp;</b>"}
	return v
}

func fixtures() map[string]*verdict.Verdict {
	return map[string]*verdict.Verdict{
		"reproducible": reproducible(), "mismatch": mismatch(), "no-verdict": failed(),
		"reproduced":   against(compared("cpu/bin/wave", "cpu/bin/wave")),
		"bug":          against(compared("cpu/bin/wave", "other"), "wave.zip"),
		"compressor":   against(verdict.Compared{Name: "image/cpu", Ours: sum("image/cpu"), Theirs: sum("x"), SameContent: true, OursPacked: "gzip -9", TheirsPacked: "gzip by Go"}),
		"incident":     judged(&verdict.Reference{Path: "release", Kind: "directory", Incident: &verdict.Incident{What: "wave", By: "SHA256SUMS", Claimed: sum("a"), Found: sum("b")}}),
		"other-inputs": judged(&verdict.Reference{Path: "verdict.json", Kind: "verdict", Input: &verdict.Input{Name: "lock", Ours: "sha256:aa", Theirs: "sha256:bb"}}),
	}
}

// against is a reproducible verdict that was compared with a release.
func against(c verdict.Compared, missing ...string) *verdict.Verdict {
	v := reproducible()
	v.Reference = &verdict.Reference{Path: "v1.2.0", Kind: "directory", Artefacts: []verdict.Compared{c}, Missing: missing, Ignored: []string{"README"}}
	v.Settle()
	return v
}

// judged is a verdict that was reached without a build.
func judged(r *verdict.Reference) *verdict.Verdict {
	v := reproducible()
	v.Artefacts, v.Builds, v.Varied, v.NotVaried, v.Image, v.Reference = nil, nil, nil, nil, "", r
	v.Settle()
	return v
}

func compared(ours, theirs string) verdict.Compared {
	c := verdict.Compared{Name: ours, Ours: sum(ours), Theirs: sum(theirs), Same: ours == theirs}
	if !c.Same {
		c.Difference = &compare.Difference{Path: "cpu/bin/wave:.comment+0x0", Length: 2, A: compare.Bytes("14"), B: compare.Bytes("12"), Count: 1, SizeA: 2, SizeB: 2}
		c.Causes = []cause.Cause{{Rule: "compiler", Title: "another compiler", Path: "cpu/bin/wave:.comment+0x0", Known: true}}
	}
	return c
}

// render gives the files by name.
func render(t testing.TB, v *verdict.Verdict) map[string][]byte {
	t.Helper()
	files, err := Files(v)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		out[f.Name] = f.Data
	}
	return out
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

func TestFiles(t *testing.T) {
	for name, v := range fixtures() {
		t.Run(name, func(t *testing.T) {
			files := render(t, v)
			for file, data := range files {
				if file == Page { // the style has a golden file of its own: itself
					data = bytes.Replace(data, []byte(style), []byte("…"), 1)
					data = bytes.Replace(data, []byte(policy), []byte("…"), 1)
				}
				golden(t, name+"."+file, data)
			}
			check(t, files[Page])
			checkSummary(t, files[Summary])
			checkSARIF(t, files[SARIF])
			again, err := verdict.Parse(files[Verdict])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(files, render(t, again)); d != "" {
				t.Errorf("rendered again from its JSON it is another report:\n%s", d)
			}
			v.Report = "/somewhere/else/index.html"
			if d := cmp.Diff(files, render(t, v)); d != "" {
				t.Errorf("the report depends on where it is:\n%s", d)
			}
		})
	}
}

// What the template consists of.
var (
	elements   = strings.Fields("html head meta title style body header h1 h2 h3 p span dl dt dd main section div b i code pre mark table thead tbody tr th td details summary article a ul li footer br")
	attributes = strings.Fields("lang charset http-equiv content name id class href scope open aria-label")
)

// check reads a page as a browser does: nothing is in it that the template
// hasn't, and nothing points anywhere else.
func check(t testing.TB, page []byte) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var links []string
	for n := range root.Descendants() {
		switch n.Type {
		case html.CommentNode:
			t.Errorf("a comment: %q", n.Data)
		case html.TextNode:
			if n.Parent.Data != "style" && n.Parent.Data != "pre" && strings.ContainsFunc(n.Data, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }) {
				t.Errorf("a control character got through: %q", n.Data)
			}
		case html.ElementNode:
			if !slices.Contains(elements, n.Data) {
				t.Errorf("element %q", n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains(attributes, a.Key) {
					t.Errorf("attribute %q of %q", a.Key, n.Data)
				}
				switch a.Key {
				case "href":
					links = append(links, a.Val)
				case "id":
					if ids[a.Val] {
						t.Errorf("two elements are called %q", a.Val)
					}
					ids[a.Val] = true
				}
			}
		}
	}
	for _, l := range links {
		if inside, ok := strings.CutPrefix(l, "#"); ok && ids[inside] || l == Verdict || l == Diffoscope {
			continue
		}
		t.Errorf("a link to %q", l)
	}
	if bytes.Count(page, []byte(style)) != 1 {
		t.Error("the style is not in the page as it was hashed")
	}
	if bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Error("the template had to filter something")
	}
}

// checkSummary renders the Markdown as a code host does.
func checkSummary(t testing.TB, data []byte) {
	t.Helper()
	var page bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(unsafe.WithUnsafe())).Convert(data, &page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.CommentNode || n.Type == html.ElementNode && !slices.Contains(markdown, n.Data) {
			t.Errorf("%q in\n%s", n.Data, data)
		}
	}
}

// What the summary consists of.
var markdown = strings.Fields("html head body h2 p strong code pre ul li table thead tbody tr th td details summary")

// sarifSchema is the standard's, which the reader has in its sources.
var sarifSchema = sync.OnceValues(func() (*gojsonschema.Schema, error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		return nil, err
	}
	text := ""
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && len(l.Value) > len(text) {
			text = l.Value
		}
		return true
	})
	if text, err = strconv.Unquote(text); err != nil {
		return nil, err
	}
	return gojsonschema.NewSchema(gojsonschema.NewStringLoader(text))
})

// checkSARIF reads the file with somebody else's reader and validates it against
// the standard's schema.
func checkSARIF(t testing.TB, data []byte) {
	t.Helper()
	r, err := sarif.FromBytes(data, sarif.WithStrictValidation())
	if err != nil {
		t.Fatal(err)
	}
	schema, err := sarifSchema()
	if err != nil {
		t.Fatal(err)
	}
	result, err := schema.Validate(gojsonschema.NewBytesLoader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range result.Errors() {
		t.Errorf("%v", e)
	}
	for _, run := range r.Runs {
		for _, x := range run.Results {
			if len(x.Locations) != 1 || x.Locations[0].PhysicalLocation == nil {
				t.Fatal("a result without a file")
			}
			u, err := url.Parse(*x.Locations[0].PhysicalLocation.ArtifactLocation.URI)
			if err != nil || u.IsAbs() || u.Host != "" || !filepath.IsLocal(filepath.FromSlash(u.Path)) {
				t.Errorf("a result at %v: %v", u, err)
			}
			if run.Tool.Driver.Rules[x.RuleIndex].ID == nil || *run.Tool.Driver.Rules[x.RuleIndex].ID != *x.RuleID {
				t.Errorf("%v is not the rule of its number", x.RuleID)
			}
		}
	}
}

// The schema refuses what it should: it was really read.
func TestSARIFSchema(t *testing.T) {
	schema, err := sarifSchema()
	if err != nil {
		t.Fatal(err)
	}
	good := render(t, mismatch())[SARIF]
	for _, c := range [][2]string{{`"level": "error"`, `"level": "fatal"`}, {`"ruleId"`, `"rule"`}, {`"startLine": 1`, `"startLine": 0`}, {`"version": "2.1.0"`, `"version": "2.2"`}} {
		bad := bytes.Replace(good, []byte(c[0]), []byte(c[1]), 1)
		if r, err := schema.Validate(gojsonschema.NewBytesLoader(bad)); err != nil || r.Valid() || bytes.Equal(good, bad) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
}

// A result is where its cause says, in the repository.
func TestSARIFLocation(t *testing.T) {
	v := mismatch()
	v.Subject.Dir = "sub"
	v.Subject.Packages = []verdict.Package{{Name: "other", Version: "1.0.0", Dir: "sub/crates/other"}, {Name: "stamp", Version: "0.1.0", Dir: "sub/crates/my stamp"}}
	for where, want := range map[string]string{
		"crate stamp 0.1.0, src/main.rs:3":                                         "sub/crates/my stamp/src/main.rs:3",
		"build script of stamp 0.1.0, build.rs:12, by its dependency vergen 8.0.0": "sub/crates/my stamp/build.rs:12",
		"crate stamp 0.2.0, src/main.rs:3":                                         "sub/Cargo.toml:1",
		"crate ring 0.17.0, build.rs:3":                                            "sub/Cargo.toml:1",
		"crate stamp 0.1.0, ../../../etc/passwd:3":                                 "sub/Cargo.toml:1",
		"crate stamp 0.1.0, /etc/passwd:3":                                         "sub/Cargo.toml:1",
		"crate stamp 0.1.0, x:999999999999999999999":                               "sub/Cargo.toml:1",
		"crate stamp 0.1.0":                                                        "sub/Cargo.toml:1",
		"":                                                                         "sub/Cargo.toml:1",
	} {
		file, line := sourceOf(v, where)
		if got := fmt.Sprintf("%s:%d", file, line); got != want {
			t.Errorf("%q is at %s, want %s", where, got, want)
		}
	}
	v.Subject.Dir, v.Subject.Packages[1].Dir = "../x", "../../x"
	if file, line := sourceOf(v, "crate stamp 0.1.0, src/main.rs:3"); file != "Cargo.toml" || line != 1 {
		t.Errorf("%s:%d", file, line)
	}
}

// Alerts are told apart by what stays the same from run to run.
func TestSARIFFingerprints(t *testing.T) {
	prints := func(v *verdict.Verdict) (out []string) {
		r, err := sarif.FromBytes(render(t, v)[SARIF])
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.Runs[0].Results {
			out = append(out, x.PartialFingerprints["twice/v1"])
		}
		return out
	}
	a, b := mismatch(), mismatch()
	b.Artefacts[0].A, b.Artefacts[0].SizeA = sum("another build"), 7
	b.Artefacts[0].Causes[0].Path, b.Artefacts[0].Causes[0].Proof = "bin/stamp:.rodata+0x77", nil
	if d := cmp.Diff(prints(a), prints(b)); d != "" {
		t.Error(d)
	}
	seen := map[string]bool{}
	for _, p := range prints(a) {
		if seen[p] {
			t.Error("two results are one")
		}
		seen[p] = true
	}
}

func TestMarkdown(t *testing.T) {
	for in, want := range map[string]string{"a b": "`a b`", "": "", " ": "", "a`b": "``a`b``", "`a``": "``` `a`` ```", "a|b": "`a¦b`"} {
		if got := span(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := text("set `X` & <b>: www.e http://e"); got != "set \\`X\\` \\& \\<b\\>: www\\.e http\\://e" {
		t.Error(got)
	}
}

// hostile replaces every text in a verdict that comes from outside.
func hostile(s string) *verdict.Verdict {
	v := mismatch()
	texts := func(list ...*string) {
		for i, p := range list {
			*p = fmt.Sprint(s, i)
		}
	}
	bytesOf := func(d *compare.Difference) {
		texts(&d.Path, &d.Symbol, &d.Section, &d.Member, &d.Note)
		d.A, d.B, d.Before = compare.Bytes(s), compare.Bytes(s+"x"), 0
	}
	var walk func(f *compare.Finding)
	walk = func(f *compare.Finding) {
		if f == nil {
			return
		}
		texts(&f.Name, &f.Note, (*string)(&f.Kind))
		for i := range f.Fields {
			texts(&f.Fields[i].Name, &f.Fields[i].A, &f.Fields[i].B)
		}
		for i := range f.Ranges {
			bytesOf(&f.Ranges[i])
		}
		for _, p := range f.Parts {
			walk(p)
		}
	}
	for i := range v.Artefacts {
		a := &v.Artefacts[i]
		a.Name, a.Build, a.Kind = fmt.Sprint(s, i), s, verdict.Kind(s)
		if a.Difference != nil {
			d := *a.Difference
			a.Difference = &d
			bytesOf(&d)
		}
		for j := range a.Causes {
			c := &a.Causes[j]
			texts(&c.Rule, &c.Title, &c.Where, &c.Fix, &c.Axis, &c.Path)
			c.Proof = []string{s, s}
		}
		walk(a.Finding)
	}
	v.Reference = &verdict.Reference{Path: s, Kind: s, Missing: []string{s}, Ignored: []string{s}, Artefacts: []verdict.Compared{
		{Name: s, Ours: sum("1"), Theirs: sum("2"), Difference: v.Artefacts[0].Difference, Causes: v.Artefacts[0].Causes},
		{Name: s + "2", Ours: sum("1"), Theirs: sum("2"), SameContent: true, OursPacked: s, TheirsPacked: s}}}
	x := &v.Subject
	texts(&x.Spec, &x.Name, &x.Version, &x.Commit, &x.EpochFrom, &x.Triple, &x.Profile, &v.Engine, &v.Twice)
	x.Features = []string{s}
	for i := range v.Builds {
		b := &v.Builds[i]
		texts(&b.Side, &b.Path, &b.User, &b.Home, &b.CargoHome, &b.TZ, &b.Locale, &b.Umask, &b.Host, &b.Engine)
		b.Log = []string{s, s}
	}
	for _, list := range [][]verdict.Axis{v.Varied, v.NotVaried} {
		for i := range list {
			texts(&list[i].Name, &list[i].A, &list[i].B, &list[i].Why)
		}
	}
	for i := range v.Warnings {
		texts(&v.Warnings[i].Kind, &v.Warnings[i].Artefact, &v.Warnings[i].Text)
	}
	for i := range v.Steps {
		texts(&v.Steps[i].Name)
	}
	v.Attachments[0].Text = s
	v.Bisection.Groups, v.Bisection.Stopped, v.Bisection.Again[0].Axes = [][]string{{s}, {s, s}}, s, []string{s}
	texts(&v.Inputs.DebianSuite, &v.Inputs.Rustc)
	return v
}

var nasty = []string{
	"plain", "", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style><script>", "</code></pre></details></title>", "<!--", "-->", "]]>", "javascript:alert(1)",
	"\x1b[31mred\x1b]0;title\a", "\u202egnp.exe", "a\x00b", "\xff\xfe", "x' onload='x", "{{.}}", "&lt;b&gt;", "`|*_[x](http://e.example)\n# h\n\n<b>", "$(reboot)';reboot", "::error::x", "%0a",
}

func TestHostile(t *testing.T) {
	for _, s := range nasty {
		files := render(t, hostile(s))
		check(t, files[Page])
		checkSummary(t, files[Summary])
		checkSARIF(t, files[SARIF])
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := hostile(s)
		if _, err := v.JSON(); err != nil {
			t.Skip()
		}
		files, err := Files(v)
		if err != nil {
			t.Skip() // not UTF-8: two names become one
		}
		check(t, files[0].Data)
		checkSummary(t, files[2].Data)
		checkSARIF(t, files[3].Data)
	})
}

func TestBytes(t *testing.T) {
	show := func(list []segment) string {
		var out strings.Builder
		for _, s := range list {
			if s.Differs {
				out.WriteString("[" + s.Text + "]")
			} else {
				out.WriteString(s.Text)
			}
		}
		return out.String()
	}
	d := &compare.Difference{Path: "x:+0x20", Offset: 0x20, Before: 2, A: compare.Bytes("ab1234567z"), B: compare.Bytes("ab1934067z")}
	s := sides(d)
	if got := show(s[0].Text) + " " + show(s[1].Text); got != "ab1[2]34[5]67z ab1[9]34[0]67z" {
		t.Error(got)
	}
	if got := s[0].Hex[0].At + " " + show(s[0].Hex[0].Hex) + " " + show(s[0].Hex[0].Text); got != "0000001e 61 62 31 [32] 33 34 [35] 36 ab1[2]34[5]6" {
		t.Error(got)
	}
	if got := s[0].Hex[1].At + " " + show(s[0].Hex[1].Hex); got != "00000026 37 7a"+strings.Repeat("   ", 6) {
		t.Errorf("%q", got)
	}
	// Other lengths: all between the common start and end.
	d = &compare.Difference{Path: "x:3", A: compare.Bytes("/build/x/main.rs"), B: compare.Bytes("/b/other/x/main.rs")}
	s = sides(d)
	if got := show(s[0].Text) + " " + show(s[1].Text); got != "/b[uild]/x/main.rs /b[/other]/x/main.rs" {
		t.Error(got)
	}
	if s[0].Hex != nil || s[1].Hex != nil {
		t.Error("a line of text is shown as bytes")
	}
	d = &compare.Difference{A: nil, B: compare.Bytes("\x00\x01")}
	if s = sides(d); !s[0].None || s[1].Text != nil || show(s[1].Hex[0].Hex) != "[00 01]"+strings.Repeat("   ", 6) {
		t.Errorf("%+v", s)
	}
}

func TestReproduce(t *testing.T) {
	v := reproducible()
	v.Subject.Spec = "it's here; reboot"
	v.Subject.EpochFrom = "given"
	all := ""
	for _, c := range reproduce(v) {
		all += c.Text + "\n"
	}
	for _, want := range []string{
		"git checkout " + v.Subject.Commit + "\n",
		`twice verify --fresh --epoch 1760000000 --jobs 2 --vary build-path,jobs 'it'\''s here; reboot'` + "\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	v.Subject.Spec, v.NotVaried = "crate:ripgrep@15.1.0", nil
	if got := reproduce(v)[0].Text; got != "twice verify --fresh --epoch 1760000000 --jobs 2 crate:ripgrep@15.1.0" {
		t.Error(got)
	}
	v.Varied, v.NotVaried = nil, []verdict.Axis{{Name: "umask", Why: verdict.LeftOut}}
	if got := reproduce(v)[0].Text; !strings.Contains(got, "--vary none") {
		t.Error(got)
	}
}
