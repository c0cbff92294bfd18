package verdict

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/bisect"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/mutate"
)

var update = flag.Bool("update", false, "write the golden files")

func sum(s string) digest.Digest { return digest.FromString(s) }

func same(name string, k Kind, size int64) Artefact {
	return Artefact{Name: name, Kind: k, SizeA: size, SizeB: size, A: sum(name), B: sum(name), Same: true}
}

func differs(name string, k Kind, size int64, d *compare.Difference) Artefact {
	return Artefact{Name: name, Kind: k, SizeA: size, SizeB: size, A: sum(name + "A"), B: sum(name + "B"), Difference: d}
}

// reproducible is a verdict with everything in it.
func reproducible() *Verdict {
	start := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	return &Verdict{
		Word: Reproducible, Class: ClassReproducible, Schema: Schema, Reached: start.Add(2 * time.Minute),
		Subject: Subject{Spec: "crate:ripgrep@15.1.0", Name: "ripgrep", Version: "15.1.0", Commit: strings.Repeat("ab", 20),
			Epoch: 1760000000, EpochFrom: "the newest file in the crate", Triple: "x86_64-unknown-linux-gnu", Profile: "release"},
		Inputs: Inputs{Crates: 56, DebianPackages: 41, DebianSuite: "bookworm", Rustc: "1.95.0", Toolchain: sum("toolchain"),
			Builder: sum("builder"), Source: sum("source"), Vendor: sum("vendor"), Runtime: sum("runtime"), Lock: sum("lock"), Plan: sum("plan")},
		Artefacts: []Artefact{same("bin/rg", Bin, 5557452), same("lib/libgrep.rlib", Rlib, 90000), same("lib/libignore.rlib", Rlib, 123456),
			same("ripgrep-15.1.0-x86_64-unknown-linux-gnu.tar.gz", Archive, 2202009), same("image", Image, 10171187)},
		Image: sum("image"),
		Builds: []Build{
			{Side: "A", Path: "/build/ripgrep", Home: "/root", CargoHome: "/cargo", User: "root", TZ: "UTC0", Locale: "C.UTF-8", Umask: "0022", Host: "twice-a", Jobs: 2, Start: start, Seconds: 38.2},
			{Side: "B", Path: "/b/other/ripgrep", UID: 4711, GID: 4711, Home: "/home/other", CargoHome: "/b/cargo", User: "other", TZ: "<+1345>-13:45", Locale: "fr_CH.UTF-8", Umask: "0077", Host: "twice-b", Jobs: 1, Start: start.Add(time.Second), Seconds: 61.04},
		},
		Varied:    []Axis{{Name: "path", A: "/build/ripgrep", B: "/b/other/ripgrep"}, {Name: "jobs", A: "2", B: "1"}},
		NotVaried: []Axis{{Name: "date", Why: "both builds run today"}, {Name: "cpu", Why: "both builds run on this processor"}},
		Steps:     []Step{{Name: "inputs", Seconds: 2.1}, {Name: "builder", Seconds: 9.8, Cached: true}},
		Engine:    "embedded BuildKit v0.32.2", Report: "twice-report/index.html", Twice: "v0.1.0",
	}
}

func mismatch() *Verdict {
	v := reproducible()
	v.Word, v.Class, v.Image = Mismatch, ClassBug, ""
	v.Subject.Name, v.Subject.Version = "stamp", "0.1.0"
	v.Builds[0].Path, v.Builds[1].Path = "/build/stamp", "/b/other/stamp"
	v.Artefacts = []Artefact{
		differs("bin/stamp", Bin, 300000, &compare.Difference{Path: "bin/stamp:.rodata+0x1c40", Offset: 0x1c40, Length: 2, Before: 8,
			A: compare.Bytes("1795309203"), B: compare.Bytes("1795309221"), Count: 1, Section: ".rodata", Symbol: "STAMP+0x8", SizeA: 4000, SizeB: 4000}),
		differs("bin/where", Bin, 300000, &compare.Difference{Path: "bin/where:.rodata+0x40", Offset: 0x40, Length: 5, Before: 2,
			A: compare.Bytes("/build/stamp/src/main.rs"), B: compare.Bytes("/b/other/stamp/src/main.rs"), Count: 3, Section: ".rodata", SizeA: 4000, SizeB: 4002}),
		differs("bin/code", Bin, 300000, &compare.Difference{Path: "bin/code:.text+0x10", Offset: 0x10, Length: 3, Before: 1,
			A: compare.Bytes("U\x48\x89\xe5"), B: compare.Bytes("U\x90\x1b\x5b"), Count: 1, Section: ".text", SizeA: 4000, SizeB: 4000}),
		differs("bin/id", Bin, 300000, &compare.Difference{Path: "bin/id:.note.gnu.build-id+0x10", Offset: 0x10, Length: 20,
			A: compare.Bytes("\x01\x02\x03"), B: compare.Bytes("\x04\x05\x06"), Count: 1, Section: ".note.gnu.build-id", SizeA: 36, SizeB: 36}),
		differs("stamp.tar.gz", Archive, 100000, &compare.Difference{Path: "stamp.tar.gz:+0x9", Offset: 9, Length: 1, A: compare.Bytes{0xff}, B: compare.Bytes{3},
			Count: 1, SizeA: 100000, SizeB: 100000, Note: "the contents are the same; the compression differs"}),
		differs("notes.tar.gz", Archive, 100000, &compare.Difference{Path: "notes.tar.gz:README", Count: 1, SizeA: 10, SizeB: 10,
			Note: "mtime is 1970-01-01T00:00:07Z in A, 1970-01-01T00:00:08Z in B"}),
		{Name: "bin/extra", Kind: Bin, SizeA: 5, A: sum("extra")},
		same("lib/liba.rlib", Rlib, 1000), same("lib/libb.rlib", Rlib, 1000), differs("lib/libc.rlib", Rlib, 1000, nil), same("lib/libd.rlib", Rlib, 1000),
	}
	v.Artefacts[0].Causes = []cause.Cause{{Rule: "time", Title: "the time of the build is in the output", Where: "crate stamp 0.1.0, build.rs:3",
		Proof: []string{"each value lies between that build's own start and end"}, Fix: "read SOURCE_DATE_EPOCH in build.rs, or drop the constant",
		Path: "bin/stamp:.rodata+0x1c40", Known: true}}
	v.Artefacts[1].Causes = []cause.Cause{{Rule: "build-path", Title: "the path of the sources is in the output", Axis: "build-path",
		Proof: []string{"A holds /build/stamp", "B holds /b/other/stamp"}, Fix: "remap it", Path: "bin/where:.rodata+0x40", Known: true},
		{Rule: "a", Title: "another", Known: true}, {Rule: "b", Title: "one more", Known: true}, {Rule: "c", Title: "not shown", Known: true}}
	v.Artefacts[4].Causes = v.Artefacts[0].Causes
	v.Artefacts[2].Causes = []cause.Cause{{Rule: cause.Unknown, Title: "no rule knows this difference", Path: "bin/code:.text+0x10"}}
	return v
}

func TestTextOfTarballs(t *testing.T) {
	v := reproducible()
	v.Inputs.Toolchain, v.Inputs.RustcFrom = "", "by its tarballs"
	var b bytes.Buffer
	if err := v.Text(&b, TextOptions{}); err != nil || !strings.Contains(b.String(), " · rust 1.95.0 (by its tarballs) · ") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestText(t *testing.T) {
	stored := reproducible()
	stored.FromCache = &stored.Reached
	dirty := reproducible()
	dirty.Subject.Dirty = true
	dirty.Warnings = []Warning{{Kind: "dirty", Text: "the sources are not those of commit abababababab: src/main.rs"},
		{Kind: "date", Artefact: "bin/rg", Text: `holds the build's date "2026-11-22" at 0x1c40: a build on another day will differ`}}
	tried := reproducible()
	tried.Builds[0].NetworkTries, tried.Builds[1].NetworkTries = 12, 14
	failed := &Verdict{Word: NoVerdict, Schema: Schema, Reached: stored.Reached, Reason: "build B failed:\nexit status 101", Subject: stored.Subject, Twice: "v0.1.0"}
	many := mismatch()
	many.Artefacts = nil
	for i := range 12 {
		many.Artefacts = append(many.Artefacts, differs("lib/lib"+string(rune('a'+i))+".rlib", Rlib, 10, nil))
	}
	hostile := reproducible()
	hostile.Word, hostile.Image = Mismatch, ""
	hostile.Artefacts = []Artefact{differs("bin/\x1b]0;x\a\n", Bin, 10, &compare.Difference{Path: "bin/\x1b[2J:+0x0", Length: 4,
		A: compare.Bytes("\x1b[2J"), B: compare.Bytes("\xff\xfe\u202e"), Count: 1, SizeA: 10, SizeB: 10, Note: "\x1b[31m"})}
	hostile.Artefacts[0].Causes = []cause.Cause{{Rule: "x", Title: "\x1b[1m", Where: "a\nb", Proof: []string{"\x1b]0;"}, Fix: "\a"}}
	for _, c := range []struct {
		name string
		v    *Verdict
		o    TextOptions
	}{
		{"reproducible", reproducible(), TextOptions{}},
		{"narrow", reproducible(), TextOptions{Width: 60}},
		{"verbose", reproducible(), TextOptions{Verbose: true}},
		{"quiet", reproducible(), TextOptions{Quiet: true}},
		{"color", reproducible(), TextOptions{Color: true}},
		{"stored", stored, TextOptions{}},
		{"tried", tried, TextOptions{}},
		{"dirty", dirty, TextOptions{}},
		{"dirty-quiet", dirty, TextOptions{Quiet: true}},
		{"mismatch", mismatch(), TextOptions{}},
		{"mismatch-quiet", mismatch(), TextOptions{Quiet: true}},
		{"mismatch-many", many, TextOptions{}},
		{"bisected", bisected(&Bisection{Conclusion: bisect.Axes, Groups: [][]string{{"build-path"}}}), TextOptions{}},
		{"bisected-verbose", bisected(&Bisection{Conclusion: bisect.Axes, Groups: [][]string{{"build-path"}}}), TextOptions{Verbose: true}},
		{"bisected-partly", bisected(&Bisection{Conclusion: bisect.Unfinished, Stopped: "interrupted", Candidates: []string{"home", "user"}}), TextOptions{}},
		{"no-verdict", failed, TextOptions{}},
		{"hostile", hostile, TextOptions{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := c.v.Text(&out, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+".txt", out.Bytes())
			if !c.o.Color && bytes.ContainsRune(out.Bytes(), 0x1b) {
				t.Error("an escape sequence got through")
			}
		})
	}
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

// TestStoredIsTheSameWords: but for the line that says so, a stored verdict
// reads like a fresh one.
func TestStoredIsTheSameWords(t *testing.T) {
	var fresh, stored bytes.Buffer
	v := reproducible()
	if err := v.Text(&fresh, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	v.FromCache = &v.Reached
	if err := v.Text(&stored, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	var rest []string
	for l := range strings.Lines(stored.String()) {
		if !strings.HasPrefix(l, "reached ") {
			rest = append(rest, l)
		}
	}
	if d := cmp.Diff(fresh.String(), strings.Join(rest, "")); d != "" {
		t.Error(d)
	}
}

func TestJSON(t *testing.T) {
	for name, v := range map[string]*Verdict{"reproducible": reproducible(), "mismatch": mismatch()} {
		data, err := v.JSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", data)
		if !bytes.HasPrefix(data, []byte("{\n  \"verdict\": \"")) {
			t.Errorf("%s does not start with its verdict", name)
		}
		back, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, back); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestJSONIsCanonical(t *testing.T) {
	v, w := reproducible(), reproducible()
	zone := time.FixedZone("x", 3600)
	w.Reached, w.Builds[0].Start, w.Builds[1].Seconds = w.Reached.In(zone), w.Builds[0].Start.In(zone), 61.04000001
	a, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("one verdict, two spellings")
	}
}

// Archives hold names that are no UTF-8.
func TestJSONOfAnyName(t *testing.T) {
	v := mismatch()
	v.Artefacts[0].Difference.Path = "stamp.tar:\xff\xfe \\ufffd"
	data, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); err != nil {
		t.Error(err)
	}
}

func TestParseRefuses(t *testing.T) {
	data, err := reproducible().JSON()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for _, c := range []struct{ name, old, new, want string }{
		{"another schema", `"schema": 1`, `"schema": 2`, "schema 2, this program reads 1"},
		{"an unknown member", `"twice": "v0.1.0"`, `"twice": "v0.1.0", "x": 1`, "unknown field"},
		{"an unknown word", "REPRODUCIBLE", "OK", `"OK" is not a verdict`},
		{"a word that the artefacts contradict", "REPRODUCIBLE", "MISMATCH", "it says MISMATCH, its artefacts say REPRODUCIBLE"},
		{"another digest", `"b": "` + string(sum("bin/rg")), `"b": "` + string(sum("x")), "contradict"},
		{"a broken digest", `"image": "` + string(sum("image")), `"image": "sha256:../../x`, "digest"},
		{"a member twice", `"schema": 1`, "\"schema\": 1,\n  \"schema\": 1", "canonical"},
		{"a member in upper case", `"inputs"`, `"INPUTS"`, "canonical"},
		{"something after it", "\n}\n", "\n}\n{}", ""},
		{"a cut", good[len(good)-40:], "", ""},
		{"negative size", `"size_a": 5557452`, `"size_a": -1`, "impossible"},
		{"an artefact twice", `"lib/libgrep.rlib"`, `"bin/rg"`, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("%s is not in the verdict", c.old)
			}
			_, err := Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	none := &Verdict{Word: NoVerdict}
	if _, err := none.JSON(); err == nil {
		t.Error("no verdict without a reason was written")
	}
}

func TestDecide(t *testing.T) {
	resized := same("x", Bin, 1)
	resized.SizeB = 2
	for _, c := range []struct {
		name string
		list []Artefact
		want Word
		exit int
	}{
		{"nothing", nil, NoVerdict, 2},
		{"all same", []Artefact{same("a", Bin, 1), same("b", Rlib, 1)}, Reproducible, 0},
		{"one differs", []Artefact{same("a", Bin, 1), differs("b", Rlib, 1, nil)}, Mismatch, 1},
		{"only in A", []Artefact{{Name: "a", A: sum("a"), SizeA: 1}}, Mismatch, 1},
		{"only in B", []Artefact{{Name: "a", B: sum("a"), SizeB: 1}}, Mismatch, 1},
		{"in neither, though it says same", []Artefact{{Name: "a", Same: true}}, Mismatch, 1},
		{"another size", []Artefact{resized}, Mismatch, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &Verdict{Word: Decide(c.list)}
			if v.Word != c.want || v.ExitCode() != c.exit {
				t.Errorf("%s, exit %d; want %s, exit %d", v.Word, v.ExitCode(), c.want, c.exit)
			}
		})
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1.0 KiB", 5557452: "5.3 MiB", 1<<20 - 1: "1.0 MiB", 3 << 40: "3.0 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{0.04: "0.0 s", 38.24: "38.2 s", 119.9: "119.9 s", 120: "2 min 00 s", 7199: "119 min 59 s", 7200: "2 h 00 min"} {
		if got := Duration(s); got != want {
			t.Errorf("Duration(%v) = %s, want %s", s, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range []*Verdict{reproducible(), mismatch()} {
		data, err := v.JSON()
		if err != nil {
			f.Fatal(err)
		}
		mutate.Add(f, data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			return
		}
		again, err := v.JSON()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%v\n%s\n%s", err, data, again)
		}
		var out bytes.Buffer
		if err := v.Text(&out, TextOptions{Verbose: true}); err != nil {
			t.Error(err)
		}
		if bytes.ContainsRune(out.Bytes(), 0x1b) {
			t.Error("an escape sequence got through")
		}
	})
}
