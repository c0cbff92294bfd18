package compare

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/mutate"
)

func TestLimits(t *testing.T) {
	bomb := func(last byte) []byte { // many zeros and a byte
		return append(make([]byte, 4<<20), last)
	}
	var many, other []file2
	for i := range 100 {
		n := string(rune('a'+i/10)) + string(rune('a'+i%10))
		many, other = append(many, file2{n, "x", 0}), append(other, file2{n, "y", 0})
	}
	nested := func(s string) []byte {
		p := []byte(s)
		for range 20 {
			p = gz(t, p, 1)
		}
		return p
	}
	for _, c := range []struct {
		name string
		a, b []byte
		lim  Limits
		note string
	}{
		{"a gzip bomb", gz(t, bomb(1), 9), gz(t, bomb(2), 9), Limits{Expand: 1 << 20}, "compared as bytes, not as gzip: side A: more content than the limit allows"},
		{"a zstd bomb", zst(t, bomb(1)), zst(t, bomb(2)), Limits{Expand: 1 << 20}, "compared as bytes, not as zstd: side A: more content than the limit allows"},
		{"a zip bomb", zipOf(t, zip.Deflate, file2{"x", string(bomb(1)), 0}), zipOf(t, zip.Deflate, file2{"x", string(bomb(2)), 0}), Limits{Expand: 1 << 20},
			"compared as bytes, not as zip: side A: more content than the limit allows"},
		{"many entries", tarOf(t, many...), tarOf(t, other...), Limits{Entries: 50}, "compared as bytes, not as tar: side A: too many entries"},
		{"many zip entries", zipOf(t, zip.Store, many...), zipOf(t, zip.Store, other...), Limits{Entries: 50}, "compared as bytes, not as zip: side A: too many entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Readers(t.Context(), "f", bytes.NewReader(c.a), int64(len(c.a)), bytes.NewReader(c.b), int64(len(c.b)), c.lim)
			if err != nil {
				t.Fatal(err)
			}
			if f.Note != c.note {
				t.Errorf("got  %s\nwant %s", f.Note, c.note)
			}
		})
	}
	f := diffBytes(t, "f", nested("a"), nested("b"))
	for len(f.Parts) > 0 {
		f = f.Parts[0]
	}
	if f.Note != "not looked into: nested too deeply" {
		t.Errorf("nested: %s", f.Note)
	}
	if f := diffBytes(t, "f", tarOf(t, many...), tarOf(t, other...)); len(f.Parts) != 20 || f.More != 80 {
		t.Errorf("%d parts and %d more", len(f.Parts), f.More)
	}
}

// TestBomb: a file of 12 MB that holds 12 GB costs what 1 GB does, with the default limits.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 2 GB: left out of the short form")
	}
	member := gz(t, make([]byte, 16<<20), 9)
	bomb := func(last string) string {
		name := filepath.Join(t.TempDir(), "bomb.gz")
		if err := os.WriteFile(name, append(bytes.Repeat(member, 750), gz(t, []byte(last), 9)...), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b := bomb("a"), bomb("b")
	bounded(t, "a bomb", func() {
		f, err := Paths(t.Context(), "f", a, b, Limits{})
		if err != nil || f == nil || !strings.HasSuffix(f.Note, "more content than the limit allows") {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// TestBrokenELF cuts and damages a program in many ways: each is compared, as
// bytes if need be.
func TestBrokenELF(t *testing.T) {
	good := cc(t, strings.ReplaceAll(program, "%s", "1"))
	for n := 0; n < len(good); n += 97 {
		if f := diffBytes(t, "f", good, good[:n]); f.First() == nil {
			t.Errorf("cut at %d: no difference", n)
		}
	}
	for at := range 64 { // the header
		bad := bytes.Clone(good)
		bad[at] ^= 0xff
		if f := diffBytes(t, "f", good, bad); f.First() == nil {
			t.Errorf("byte %d: no difference", at)
		}
	}
}

// Memory does not grow with two programs of 27 MB that differ in many places; how long
// that takes the row diff-27mb of scripts/bench measures.
func TestLarge(t *testing.T) {
	big := cc(t, "char data[27000000] = {1};\n"+strings.ReplaceAll(program, "%s", "1"))
	other := bytes.Clone(big)
	for i := 20_000; i < 26_000_000; i += 1000 {
		other[i]++
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f := diffBytes(t, "f", big, other)
	runtime.ReadMemStats(&after)
	if d := f.First(); d == nil || d.Section != ".data" || d.Count != maxCount {
		t.Errorf("%+v", d)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func FuzzReaders(f *testing.F) {
	one, other := []file2{{"a", "hello", 0}, {"b", "\x7fELF", 1}}, []file2{{"a", "hullo", 0}, {"b", "\x7fELF", 2}}
	mutate.Add(f, tarOf(f, one...), tarOf(f, other...))
	mutate.Add(f, gz(f, tarOf(f, one...), 6), gz(f, tarOf(f, other...), 6))
	mutate.Add(f, zst(f, []byte("hello")), zst(f, []byte("hullo")))
	mutate.Add(f, zipOf(f, zip.Deflate, one...), zipOf(f, zip.Deflate, other...))
	mutate.Add(f, tarOf(f, layoutOf(f, `{"a":1}`, []byte("x"))...), tarOf(f, layoutOf(f, `{"a":2}`, []byte("y"))...))
	mutate.Add(f, []byte("!<arch>\n"+arMember("x/", "0", "abc")), []byte("!<arch>\n"+arMember("x/", "0", "abd")))
	mutate.Add(f, []byte(`{"a":[1,2]}`), []byte(`{"a":[1,3]}`))
	for _, k := range []func(string) []byte{wasmWith, fatbinWith, peWith, pycWith, rmetaWith} {
		mutate.Add(f, k("one"), k("two"))
	}
	mutate.Add(f, tarOf(f, dockerArchive("one")...), tarOf(f, dockerArchive("two")...))
	object := cc(f, "int f(int x) { return x; }\n", "-c", "-g")
	mutate.Add(f, object, bytes.Replace(object, []byte("main.c"), []byte("mine.c"), -1))
	lim := Limits{Expand: 1 << 20, Entries: 1000}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		got, err := Readers(t.Context(), "f", bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), lim)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) != (got == nil) {
			t.Fatalf("equal: %v, finding: %+v", bytes.Equal(a, b), got)
		}
		if got == nil {
			return
		}
		for _, d := range got.Differences(1000) {
			if len(d.A) > maxShown || len(d.B) > maxShown || d.Before > len(d.A) || d.Before > len(d.B) || !bytes.Equal(d.A[:d.Before], d.B[:d.Before]) || d.Offset < 0 || d.Length < 0 || d.Count < 1 {
				t.Fatalf("%+v", d)
			}
		}
		if got.First() == nil {
			t.Fatalf("no difference in %+v", got)
		}
	})
}
