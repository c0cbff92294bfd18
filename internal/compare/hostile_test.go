package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
)

// Small files of the kinds that no tool at hand writes.

func wasmWith(s string) []byte {
	body := append([]byte{4}, "name"+s...)
	return append([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 0, byte(len(body))}, body...)
}

// fatbinWith has one PTX image.
func fatbinWith(s string) []byte {
	s += strings.Repeat(" ", (8-len(s)%8)%8)
	le := binary.LittleEndian
	e := make([]byte, 64)
	le.PutUint16(e, 1)
	le.PutUint32(e[4:], 64)
	le.PutUint64(e[8:], uint64(len(s)))
	le.PutUint32(e[28:], 80)
	h := le.AppendUint64([]byte(fatbinMagic+"\x01\x00\x10\x00"), uint64(64+len(s)))
	return append(append(h, e...), s...)
}

// peWith has one section.
func peWith(s string) []byte {
	le := binary.LittleEndian
	p := make([]byte, 0x200+len(s))
	copy(p, "MZ")
	le.PutUint32(p[60:], 0x40)
	copy(p[0x40:], "PE\x00\x00\x64\x86\x01\x00")
	le.PutUint16(p[0x54:], 112)
	sec := p[0x58+112:]
	copy(sec, ".rdata")
	le.PutUint32(sec[16:], uint32(len(s)))
	le.PutUint32(sec[20:], 0x200)
	copy(p[0x200:], s)
	return p
}

func pycWith(s string) []byte {
	return append([]byte("\xcb\x0d\r\n\x00\x00\x00\x00\x00\xf1\x53\x65\x0c\x00\x00\x00"), s...)
}

func rmetaWith(s string) []byte {
	return append([]byte("rust\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00#rustc 1.95.0 (59807616e 2026-04-14)\x00"), s...)
}

func dockerArchive(s string) []file2 {
	return []file2{{"manifest.json", `[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]`, 0}, {"c.json", `{"os":"linux"}`, 0},
		{"l/layer.tar", "a layer of " + s, 0}}
}

func TestOtherKinds(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []byte
		want string
		kind Kind
	}{
		{"wasm", wasmWith("one"), wasmWith("two"), `f:custom name+0x0 len 3 count 1 "one" "two" `, Wasm},
		{"fatbin", fatbinWith("one"), fatbinWith("two"), `f/compute_80.ptx:1 len 8 count 1 "one     " "two     " `, Fatbin},
		{"pe", peWith("\x00one"), peWith("\x00two"), `f:.rdata+0x1 len 3 count 1 "one" "two" `, PE},
		{"pyc", pycWith("one"), pycWith("two"), `f:+0x10 len 3 count 1 "one" "two" `, Pyc},
		{"rmeta", rmetaWith("one"), rmetaWith("two"), `f:+0x35 len 3 count 1 "one" "two" `, Rmeta},
		{"docker-archive", tarOf(t, dockerArchive("one")...), tarOf(t, dockerArchive("two")...), `f/layer[0]:1 len 14 count 1 "a layer of one" "a layer of two" `, Image},
	} {
		f := diffBytes(t, "f", c.a, c.b)
		if got := first(t, f); got != c.want || f.Kind != c.kind {
			t.Errorf("%s: %s\ngot  %s\nwant %s", c.name, f.Kind, got, c.want)
		}
	}
}

// A layout in a directory is compared with one in an archive.
func TestDirectoryAndArchive(t *testing.T) {
	one, other := layoutOf(t, "{}", gz(t, tarOf(t, file2{"x", "one", 0}), 6)), layoutOf(t, "{}", gz(t, tarOf(t, file2{"x", "two", 0}), 6))
	archive := filepath.Join(t.TempDir(), "x.tar")
	for _, c := range []struct {
		files []file2
		want  string
	}{{other, `i/layer[0]/x:1 len 3 count 1 "one" "two" `}, {one, "the images are the same; one is a directory, the other an archive"}} {
		if err := os.WriteFile(archive, tarOf(t, c.files...), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Paths(t.Context(), "i", dirOf(t, one...), archive, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := first(t, f); !strings.Contains(got, c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	f, err := Paths(t.Context(), "i", t.TempDir(), archive, Limits{})
	if err != nil || f.Note != "a directory in A, a file in B" {
		t.Errorf("%v %v", f, err)
	}
}

// bounded runs f and says how long it took and what it allocated at most
// at a time, roughly.
func bounded(t *testing.T, name string, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.Logf("%s: %v, %d MB", name, took, (after.TotalAlloc-before.TotalAlloc)>>20)
	if took > 20*time.Second {
		t.Errorf("%s took %v", name, took)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 700<<20 {
		t.Errorf("%s: %d MB were allocated", name, n>>20)
	}
}

// TestHostile: absurd sizes, containers in themselves, tables in tables.
func TestHostile(t *testing.T) {
	le := binary.LittleEndian
	absurdTar := tarOf(t, file2{"x", "one", 0})
	copy(absurdTar[124:136], "77777777777\x00") // 8 GiB
	fixSum(absurdTar)
	absurdFatbin := fatbinWith("one")
	le.PutUint64(absurdFatbin[24:], 1<<62)
	absurdLZ4 := fatbinWith("one")
	le.PutUint64(absurdLZ4[16+40:], 0x2000)
	le.PutUint64(absurdLZ4[16+56:], 1<<60)
	absurdWasm := append(wasmWith("one")[:8], 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
	object := cc(t, "int f(int x) { return x; }\nint main(void) { return f(1); }\n", "-g")
	for _, c := range []struct {
		name string
		a, b []byte
	}{
		{"a tar entry of 8 GiB", absurdTar, tarOf(t, file2{"x", "two", 0})},
		{"an image of 4 EiB", absurdFatbin, fatbinWith("two")},
		{"an LZ4 block of 1 EiB", absurdLZ4, fatbinWith("two")},
		{"a wasm section of 8 EiB", absurdWasm, wasmWith("two")},
		{"a PE header at the end", append([]byte("MZ"), bytes.Repeat([]byte{0xff}, 100)...), peWith("two")},
		{"DWARF units that share bytes of one table", manyUnits(object), object},
		{"a million brackets", []byte(strings.Repeat("[", 1<<20)), []byte(strings.Repeat("[", 1<<20) + "]")},
		{"words without end", bytes.Repeat([]byte("abcdef\x00"), 4<<20), append(bytes.Repeat([]byte("abcdeg\x00"), 4<<20), 0)},
	} {
		bounded(t, c.name, func() {
			f := diffBytes(t, "f", c.a, c.b)
			if f == nil || f.First() == nil {
				t.Errorf("%s: no difference", c.name)
			}
		})
	}
	// An index that points to itself: nothing checks its digest here.
	self := func(s string) []file2 {
		d := digest.FromString("anything")
		doc := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"%s","size":1,"annotations":{"x":%q}}]}`, d, s)
		return []file2{{"oci-layout", "{}", 0}, {"index.json", doc, 0}, {"blobs/sha256/" + d.Encoded(), doc, 0}}
	}
	other := self("b")
	d := digest.FromString("else")
	other[1].content = strings.Replace(other[1].content, digest.FromString("anything").String(), d.String(), 1)
	other[2] = file2{"blobs/sha256/" + d.Encoded(), other[1].content, 0}
	bounded(t, "an index in itself", func() {
		f := diffBytes(t, "f", tarOf(t, self("a")...), tarOf(t, other...))
		if f == nil || f.First() == nil {
			t.Error("no difference")
		}
	})
	// Links that go round.
	dir := t.TempDir()
	if err := os.Symlink(".", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if f, err := Paths(t.Context(), "f", dir, t.TempDir(), Limits{}); err != nil || f.First().Note != "only in A" {
		t.Errorf("%v, %v", f, err)
	}
}

// fixSum writes the checksum of a tar's first header.
func fixSum(p []byte) {
	copy(p[148:156], "        ")
	n := 0
	for _, c := range p[:512] {
		n += int(c)
	}
	copy(p[148:156], fmt.Sprintf("%06o\x00 ", n))
}

// manyUnits makes each unit's table of abbreviations start one byte later
// than the one before.
func manyUnits(p []byte) []byte {
	o, err := openELF(blob{bytes.NewReader(p), int64(len(p))})
	if err != nil {
		return p
	}
	out := bytes.Clone(p)
	for _, s := range o.file.Sections {
		if s.Name == ".debug_info" {
			for i := uint64(0); i+12 <= s.Size; i += 12 { // units of twelve bytes
				u := out[s.Offset+i:]
				copy(u, []byte{8, 0, 0, 0, 4, 0, byte(i), byte(i >> 8), 0, 0, 8, 0})
			}
		}
	}
	return out
}
