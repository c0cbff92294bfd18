package compare

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func diffBytes(t *testing.T, name string, a, b []byte) *Finding {
	t.Helper()
	f, err := Readers(t.Context(), name, bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// first is the first difference in one line.
func first(t *testing.T, f *Finding) string {
	t.Helper()
	d := f.First()
	if d == nil {
		return "same"
	}
	return fmt.Sprintf("%s len %d count %d %q %q %s", d.Path, d.Length, d.Count, d.A, d.B, d.Note)
}

func TestBytes(t *testing.T) {
	zeros := bytes.Repeat([]byte{0}, 3*chunk)
	with := func(off int, s string) []byte {
		p := bytes.Clone(zeros)
		copy(p[off:], s)
		return p
	}
	for _, c := range []struct {
		name string
		a, b []byte
		want string
	}{
		{"equal", zeros, bytes.Clone(zeros), "same"},
		{"both empty", nil, nil, "same"},
		{"one byte", with(5, "x"), with(5, "y"), `f:+0x5 len 1 count 1 "x" "y" `},
		{"the last byte", with(3*chunk-1, "x"), with(3*chunk-1, "y"), `f:+0xbffff len 1 count 1 "x" "y" `},
		{"across a chunk boundary", with(chunk-2, "abcd"), with(chunk-2, "wxyz"), `f:+0x3fffe len 4 count 1 "abcd" "wxyz" `},
		{"the word around it", with(9, "built 1763766123 ok"), with(9, "built 1763766161 ok"),
			`f:+0x17 len 2 count 1 "1763766123" "1763766161" `},
		{"near ranges are one", with(9, "a12345b"), with(9, "x12345y"), `f:+0x9 len 7 count 1 "a12345b" "x12345y" `},
		{"far ranges are two", append(with(9, "a"), 1), append(with(9, "x"), 2), `f:+0x9 len 1 count 2 "a" "x" `},
		{"another length", []byte("\x00/build/rg/x.rs\x00tail"), []byte("\x00/b/other/rg/x.rs\x00tail"),
			`f:+0x3 len 4 count 1 "/build/rg/x.rs" "/b/other/rg/x.rs" `},
		{"A is a start of B", []byte("\x00\x01\x02"), []byte("\x00\x01\x02\x03"), `f:+0x3 len 0 count 1 "" "\x03" `},
		{"only B has bytes", nil, []byte("\x00x"), `f:+0x0 len 0 count 1 "" "\x00x" `},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := first(t, diffBytes(t, "f", c.a, c.b)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBoundsOfWhatIsShown(t *testing.T) {
	a, b := bytes.Repeat([]byte("\x00abcdefghijklmnop"), 4000), bytes.Repeat([]byte("\x00abcdefghijklmno\x01"), 4000)
	f := diffBytes(t, "f", a, b)
	if n := len(f.Ranges); n != 8 {
		t.Errorf("%d ranges, want 8", n)
	}
	if d := f.First(); d.Count != maxCount {
		t.Errorf("count %d, want %d", d.Count, maxCount)
	}
	long := diffBytes(t, "f", append([]byte{0}, bytes.Repeat([]byte("a"), 999)...), append([]byte{0}, bytes.Repeat([]byte("b"), 999)...))
	if d := long.First(); len(d.A) != maxShown || len(d.B) != maxShown || d.Length != 999 {
		t.Errorf("%d and %d bytes shown of %d", len(d.A), len(d.B), d.Length)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ name, a, b, want string }{
		{"one line", "x\ny\nz\n", "x\nyy\nz\n", `f:2 len 2 count 1 "y\n" "yy\n" `},
		{"two lines", "a\nx\nb\n", "c\nx\nd\n", `f:1 len 2 count 2 "a\n" "c\n" `},
		{"a line more", "x\nz\n", "x\ny\nz\n", `f:2 len 0 count 1 "" "y\n" `},
		{"the last line feed", "x\n", "x", `f:1 len 2 count 1 "x\n" "x" `},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := diffBytes(t, "f", []byte(c.a), []byte(c.b))
			if got := first(t, f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct{ name, a, b, want string }{
		{"a member", `{"a":1,"b":{"c":[1,2]}}`, `{"a":1,"b":{"c":[1,3]}}`, `f:/b/c/1 len 1 count 1 "2" "3" `},
		{"a member more", `{"a":1}`, `{"a":1,"x/y":"<z>"}`, `f:/x~1y len 0 count 1 "" "\"<z>\"" only in B`},
		{"order", `{"a":1,"b":2}`, `{"b":2,"a":1}`, `f:+0x2 len 10 count 1 "{\"a\":1,\"b\":2}" "{\"b\":2,\"a\":1}" the values are equal; their order or spacing differs`},
		{"not JSON after all", "{a\n", "{b\n", `f:1 len 3 count 1 "{a\n" "{b\n" `},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := first(t, diffBytes(t, "f", []byte(c.a), []byte(c.b))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// cc compiles a C program (or with -c a file) and returns the result.
func cc(t testing.TB, source string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	src, out := filepath.Join(dir, "main.c"), filepath.Join(dir, "out")
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", append([]string{"-Wl,--build-id=sha1", "-o", out, "main.c"}, args...)...)
	cmd.Dir = dir
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, msg)
	}
	p, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const program = `
#include <stdio.h>
const char stamp[] = "built at %s";
int twice(int x) { return %s * x; }
int main(void) { puts(stamp); return twice(1); }
`

func TestELF(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "1763766123", "2"))
	b := cc(t, fmt.Sprintf(program, "1763766161", "2"))
	f := diffBytes(t, "bin/stamp", a, b)
	d := f.First()
	if d.Section != ".rodata" || !strings.HasPrefix(d.Path, "bin/stamp:.rodata+0x") {
		t.Errorf("the place is %s, in section %s", d.Path, d.Section)
	}
	if !strings.HasPrefix(d.Symbol, "stamp+0x") {
		t.Errorf("the symbol is %q", d.Symbol)
	}
	if string(d.A) != "1763766123" || string(d.B) != "1763766161" {
		t.Errorf("the values are %q and %q", d.A, d.B)
	}
	if f.Kind != ELF || len(f.Parts) != 2 || f.Parts[1].Name != ".note.gnu.build-id" {
		t.Errorf("parts: %v", names(f))
	}
}

func TestELFWhoseDataMoved(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "/build/stamp", "2"))
	b := cc(t, fmt.Sprintf(program, "/b/other/stamp", "2"))
	d := diffBytes(t, "bin/stamp", a, b).First()
	if d.Section != ".rodata" || string(d.A) != "built at /build/stamp" || string(d.B) != "built at /b/other/stamp" {
		t.Errorf("%s: %q, %q", d.Path, d.A, d.B)
	}
}

func TestELFCode(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "x", "1000"))
	b := cc(t, fmt.Sprintf(program, "x", "1001"))
	if d := diffBytes(t, "p", a, b).First(); d.Section != ".text" || !strings.HasPrefix(d.Symbol, "twice+") {
		t.Errorf("%s in %q", d.Path, d.Symbol)
	}
}

func TestELFObject(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "x", "1000"), "-c", "-ffunction-sections")
	b := cc(t, fmt.Sprintf(program, "x", "1001"), "-c", "-ffunction-sections")
	if d := diffBytes(t, "p", a, b).First(); d.Section != ".text.twice" || !strings.HasPrefix(d.Symbol, "twice+") {
		t.Errorf("%s in %q", d.Path, d.Symbol)
	}
}

func TestBuildIDOnly(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "x", "2"))
	b := cc(t, fmt.Sprintf(program, "x", "2"), "-Wl,--build-id=0x0102030405060708090a0b0c0d0e0f1011121314")
	if d := diffBytes(t, "p", a, b).First(); d.Section != ".note.gnu.build-id" {
		t.Errorf("%s", d.Path)
	}
}

func TestSectionOnOneSide(t *testing.T) {
	a := cc(t, fmt.Sprintf(program, "x", "2"), "-Wl,--build-id=none")
	b := cc(t, fmt.Sprintf(program, "x", "2"))
	f := diffBytes(t, "p", a, b)
	for _, d := range f.Differences(100) {
		if d.Section == ".note.gnu.build-id" && d.Note == "only in B" && d.SizeA == -1 && d.SizeB > 0 {
			return
		}
	}
	t.Errorf("not found in %v", names(f))
}

// TestNamesWithHashes: a compiler's hash in a name does not hide what the part
// is.
func TestNamesWithHashes(t *testing.T) {
	archive := func(hash, content string) []byte {
		return []byte("!<arch>\n" + arMember("//", "", "x."+hash+"-cgu.0.o/\nx."+hash+"-cgu.1.o/\n") +
			arMember("/0", "0", content) + arMember("/28", "0", "same"))
	}
	f := diffBytes(t, "l.rlib", archive("0123456789abcdef", "one"), archive("fedcba9876543210", "two"))
	want := `l.rlib:x.0123456789abcdef-cgu.0.o:1 len 3 count 1 "one" "two" `
	if got := first(t, f); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i, want := range []string{"called x.0123456789abcdef-cgu.0.o in A, x.fedcba9876543210-cgu.0.o in B",
		"called x.0123456789abcdef-cgu.1.o in A, x.fedcba9876543210-cgu.1.o in B"} {
		if got := f.Parts[i].Note; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestStringsThatMoved: a longer string moves all others; only those that changed are shown.
func TestStringsThatMoved(t *testing.T) {
	source := func(path, stamp string) string {
		return fmt.Sprintf("const char *const all[] = {%q, \"unchanged one\", %q, \"unchanged two\"};\nint main(void) { return all[0] == all[1]; }\n", path, stamp)
	}
	a, b := cc(t, source("/build/x.c", "at 1763766123")), cc(t, source("/b/other/x.c", "at 1763766161"))
	f := diffBytes(t, "p", a, b)
	var got []string
	for _, d := range f.Parts[0].Ranges {
		got = append(got, fmt.Sprintf("%s %q %q", d.Section, d.A, d.B))
	}
	want := []string{`.rodata "/build/x.c" "/b/other/x.c"`, `.rodata "at 1763766123" "at 1763766161"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func names(f *Finding) []string {
	var out []string
	for _, p := range f.Parts {
		out = append(out, p.Name)
	}
	return out
}

// arMember writes a member in the GNU form.
func arMember(name, mtime, content string) string {
	pad := ""
	if len(content)%2 == 1 {
		pad = "\n"
	}
	return fmt.Sprintf("%-16s%-12s%-6s%-6s%-8s%-10d`\n%s%s", name, mtime, "0", "0", "100644", len(content), content, pad)
}

func TestAr(t *testing.T) {
	const magic = "!<arch>\n"
	long := arMember("//", "", "a_very_long_member_name.o/\nanother_very_long_one.rmeta/\n")
	base := magic + long + arMember("/0", "0", "abc") + arMember("/27", "0", "metadata") + arMember("x.o/", "0", "odd")
	for _, c := range []struct{ name, b, want string }{
		{"content", strings.Replace(base, "metadata", "metadatA", 1),
			`l.rlib:another_very_long_one.rmeta:1 len 8 count 1 "metadata" "metadatA" `},
		{"mtime", magic + long + arMember("/0", "0", "abc") + arMember("/27", "0", "metadata") + arMember("x.o/", "176", "odd"),
			`l.rlib:x.o len 0 count 1 "" "" mtime is 0 in A, 176 in B`},
		{"order", magic + long + arMember("/27", "0", "metadata") + arMember("/0", "0", "abc") + arMember("x.o/", "0", "odd"),
			`l.rlib len 0 count 1 "" "" the order differs: part 1 is a_very_long_member_name.o in A, another_very_long_one.rmeta in B`},
		{"only in A", magic + long + arMember("/0", "0", "abc") + arMember("/27", "0", "metadata"), `l.rlib:x.o len 0 count 1 "" "" only in A`},
		{"only in B", base + arMember("#1/8", "0", "y.o\x00\x00\x00\x00\x00BSD"), `l.rlib:y.o len 0 count 1 "" "" only in B`},
		{"truncated", base[:len(base)-3], `l.rlib:+0x13d len 3 count 1 "odd\n" "o" compared as bytes, not as ar: side B: member at 0x100 reaches past the end`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := diffBytes(t, "l.rlib", []byte(base), []byte(c.b))
			if got := first(t, f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	changed := strings.Replace(base, "metadata", "metadatA", 1)
	if d := diffBytes(t, "l.rlib", []byte(base), []byte(changed)).First(); d.Member != "another_very_long_one.rmeta" {
		t.Errorf("member %q", d.Member)
	}
}

type file2 struct {
	name, content string
	mtime         int64
}

func tarOf(t testing.TB, files ...file2) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content)), ModTime: time.Unix(f.mtime, 0), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gz(t testing.TB, p []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, p []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(p, nil)
}

func zipOf(t testing.TB, method uint16, files ...file2) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		e, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method, Modified: time.Unix(f.mtime, 0).UTC()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestArchives(t *testing.T) {
	big := strings.Repeat("0123456789abcdef\n", 250_000) // above what is kept in memory
	one := []file2{{"README", "hello\n", 0}, {"bin/x", big, 0}, {"z", "z", 7}}
	other := []file2{{"README", "hello\n", 0}, {"bin/x", big[:len(big)-2] + "F\n", 0}, {"z", "z", 7}}
	dated := []file2{{"README", "hello\n", 0}, {"bin/x", big, 0}, {"z", "z", 8}}
	swapped := []file2{one[1], one[0], one[2]}
	tarOne, tarOther, tarDated := tarOf(t, one...), tarOf(t, other...), tarOf(t, dated...)
	gzOne, gzOther := gz(t, tarOne, 1), gz(t, tarOther, 1)
	noise := []byte(strings.Repeat("some text that compresses\n", 1000))
	for _, c := range []struct {
		name string
		a, b []byte
		want string
	}{
		{"tar entry", tarOne, tarOther, `f/bin/x:250000 len 17 count 1 "0123456789abcdef\n" "0123456789abcdeF\n" `},
		{"tar mtime", tarOne, tarOf(t, dated...), `f/z len 0 count 1 "" "" mtime is 1970-01-01T00:00:07Z in A, 1970-01-01T00:00:08Z in B`},
		{"tar order", tarOne, tarOf(t, swapped...), `f len 0 count 1 "" "" the order differs: part 1 is README in A, bin/x in B`},
		{"tar entry more", tarOf(t, one[:2]...), tarOne, `f/z len 0 count 1 "" "" only in B`},
		{"tar padding", tarOne, append(tarOne, make([]byte, 512)...),
			fmt.Sprintf(`f:+%#x len 0 count 1 "" %q every entry is the same; the tar's headers or padding differ`, len(tarOne), make([]byte, 96))},
		{"tar.gz entry", gzOne, gzOther, `f/bin/x:250000 len 17 count 1 "0123456789abcdef\n" "0123456789abcdeF\n" `},
		{"tar.zst entry", zst(t, tarOne), zst(t, tarOther), `f/bin/x:250000 len 17 count 1 "0123456789abcdef\n" "0123456789abcdeF\n" `},
		{"tar.gz mtime", gzOne, gz(t, tarDated, 1), `f/z len 0 count 1 "" "" mtime is 1970-01-01T00:00:07Z in A, 1970-01-01T00:00:08Z in B`},
		{"gzip of text", gz(t, []byte("a\nb\n"), 6), gz(t, []byte("a\nc\n"), 6), `f:2 len 2 count 1 "b\n" "c\n" `},
		{"zip entry", zipOf(t, zip.Deflate, one...), zipOf(t, zip.Deflate, other...), `f/bin/x:250000 len 17 count 1 "0123456789abcdef\n" "0123456789abcdeF\n" `},
		{"zip mtime", zipOf(t, zip.Deflate, one...), zipOf(t, zip.Deflate, dated...), `f/z len 0 count 1 "" "" mtime is 1970-01-01T00:00:07Z in A, 1970-01-01T00:00:08Z in B`},
		{"a tar in a tar.gz in a zip", zipOf(t, zip.Store, file2{"x.tgz", string(gz(t, tarOf(t, file2{"t", string(tarOne), 0}), 6)), 0}),
			zipOf(t, zip.Store, file2{"x.tgz", string(gz(t, tarOf(t, file2{"t", string(tarOther), 0}), 6)), 0}),
			`f/x.tgz/t/bin/x:250000 len 17 count 1 "0123456789abcdef\n" "0123456789abcdeF\n" `},
		{"a cut gzip", gz(t, noise, 6), gz(t, noise, 6)[:100], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := first(t, diffBytes(t, "f", c.a, c.b))
			if c.want == "" {
				if !strings.Contains(got, "compared as bytes, not as gzip: side B: unexpected EOF") {
					t.Errorf("got %s", got)
				}
				return
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	for name, pair := range map[string][2][]byte{
		"gzip":   {gz(t, noise, 1), gz(t, noise, 9)},
		"tar.gz": {gzOne, gz(t, tarOne, 2)},
	} {
		f := diffBytes(t, "f", pair[0], pair[1])
		if !strings.HasPrefix(f.Note, sameContents) || !strings.HasPrefix(f.First().Path, "f:+0x") {
			t.Errorf("%s: %s at %s", name, f.Note, f.First().Path)
		}
	}
	f := diffBytes(t, "f", zipOf(t, zip.Deflate, one...), zipOf(t, zip.Store, one...))
	if f.Note != "every entry is the same; the compression or the zip's headers differ" {
		t.Errorf("zip: %s", f.Note)
	}
}

func TestOneWithOneWithout(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "x")
	if err := os.WriteFile(there, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Paths(t.Context(), "bin/x", there, filepath.Join(dir, "y"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Difference{Path: "bin/x", Count: 1, SizeA: 1, SizeB: -1, Note: "only in A"}
	if d := cmp.Diff(want, f.First()); d != "" {
		t.Error(d)
	}
	if _, err := Paths(t.Context(), "bin/x", "", "", Limits{}); err == nil {
		t.Error("nothing was compared with nothing")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := tarOf(t, file2{"a", "b", 0})
	q := tarOf(t, file2{"a", "c", 0})
	if _, err := Readers(ctx, "f", bytes.NewReader(p), int64(len(p)), bytes.NewReader(q), int64(len(q)), Limits{}); err == nil {
		t.Error("no error")
	}
}
