package compare

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/inflate"
	"github.com/craton-co/twice/internal/layer"
)

// tarFile is an entry of a tar that a test writes.
type tarFile struct {
	h       tar.Header
	content []byte
}

func (f tarFile) with(edit func(*tarFile)) tarFile {
	f.content = bytes.Clone(f.content)
	edit(&f)
	return f
}

func writeTar(t testing.TB, files []tarFile) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := f.h
		h.Size = int64(len(f.content))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// gzips are two ways to compress: in blocks of their own, as Twice does, and in
// one go.
var gzips = map[string]func(io.Writer) (io.WriteCloser, error){
	"blocks": func(w io.Writer) (io.WriteCloser, error) { return layer.NewCompressor(w, layer.Gzip) },
	"one go": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 1) },
}

func gzipBy(t testing.TB, how string, content []byte) blob {
	t.Helper()
	var out bytes.Buffer
	w, err := gzips[how](&out)
	if err == nil {
		_, err = w.Write(content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return blob{bytes.NewReader(out.Bytes()), int64(out.Len())}
}

// someFiles are the same ones each time; who changes one has it by with.
func someFiles() []tarFile { return slices.Clone(theFiles()) }

var theFiles = sync.OnceValue(func() []tarFile {
	r := rand.New(rand.NewPCG(4, 2))
	fill := func(n int) []byte {
		b := make([]byte, n)
		var eight [8]byte
		for i := range b {
			if i%8 == 0 {
				binary.LittleEndian.PutUint64(eight[:], r.Uint64()&0x0f3f071f00ff0103)
			}
			b[i] = eight[i%8]
		}
		return b
	}
	files := []tarFile{
		{h: tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{h: tar.Header{Name: "etc/twice"}, content: fill(1500 << 10)},
		{h: tar.Header{Name: "etc/link", Typeflag: tar.TypeSymlink, Linkname: "twice"}},
		{h: tar.Header{Name: "etc/" + strings.Repeat("long/", 40) + "name", Format: tar.FormatPAX}, content: fill(7000)},
		{h: tar.Header{Name: "etc/" + strings.Repeat("lang/", 40) + "name", Format: tar.FormatGNU}, content: fill(512)},
		{h: tar.Header{Name: "usr/lib/big"}, content: fill(4200 << 10)},
		{h: tar.Header{Name: "usr/lib/empty"}},
		{h: tar.Header{Name: "usr/lib/hard", Typeflag: tar.TypeLink, Linkname: "usr/lib/big"}},
	}
	for i := range 40 {
		files = append(files, tarFile{h: tar.Header{Name: fmt.Sprintf("usr/share/%d", i)}, content: fill(r.IntN(60_000))})
	}
	return append(files, tarFile{h: tar.Header{Name: "etc/twice"}, content: fill(3000)}, // once more
		tarFile{h: tar.Header{Name: "var/last"}, content: fill(1000)})
})

// Going in step finds what the general way finds, and where the names are the same it is the
// way that is gone.
func TestInStep(t *testing.T) {
	flip := func(at int) func(*tarFile) { return func(f *tarFile) { f.content[at] ^= 8 } }
	cases := map[string]struct {
		edit    func([]tarFile) []tarFile
		general bool // it isn't compared in step
	}{
		"a byte":              {edit: func(f []tarFile) []tarFile { f[1] = f[1].with(flip(1 << 19)); return f }},
		"the first byte":      {edit: func(f []tarFile) []tarFile { f[1] = f[1].with(flip(0)); return f }},
		"the last byte":       {edit: func(f []tarFile) []tarFile { f[len(f)-1] = f[len(f)-1].with(flip(999)); return f }},
		"a byte of a big one": {edit: func(f []tarFile) []tarFile { f[5] = f[5].with(flip(3 << 20)); return f }},
		"bytes all over a big one": {edit: func(f []tarFile) []tarFile {
			f[5] = f[5].with(func(f *tarFile) {
				for at := 7; at < len(f.content); at += 300 << 10 {
					f.content[at] ^= 2
				}
			})
			return f
		}},
		"two far apart": {edit: func(f []tarFile) []tarFile {
			f[1], f[44] = f[1].with(flip(5)), f[44].with(flip(0))
			return f
		}},
		"of two with one name": {edit: func(f []tarFile) []tarFile { n := len(f) - 2; f[n] = f[n].with(flip(7)); return f }},
		"every one": {edit: func(f []tarFile) []tarFile {
			for i := range f {
				if len(f[i].content) > 0 {
					f[i] = f[i].with(flip(0))
				}
			}
			return f
		}},
		"a time": {edit: func(f []tarFile) []tarFile {
			f[3] = f[3].with(func(f *tarFile) { f.h.ModTime = time.Unix(1_700_000_000, 0) })
			return f
		}},
		"a fraction of a second": {edit: func(f []tarFile) []tarFile {
			f[5] = f[5].with(func(f *tarFile) { f.h.ModTime, f.h.Format = time.Unix(1_700_000_000, 5e8), tar.FormatPAX })
			return f
		}},
		"every time": {edit: func(f []tarFile) []tarFile {
			for i := range f {
				f[i] = f[i].with(func(f *tarFile) { f.h.ModTime = time.Unix(1_600_000_000, 0) })
			}
			return f
		}},
		"mode and content": {edit: func(f []tarFile) []tarFile {
			f[6] = f[6].with(func(f *tarFile) { f.h.Mode, f.content = 0o755, []byte("x") })
			return f
		}},
		"a longer one": {edit: func(f []tarFile) []tarFile {
			f[5] = f[5].with(func(f *tarFile) { f.content = append(f.content, "more"...) })
			return f
		}},
		"a shorter one": {edit: func(f []tarFile) []tarFile {
			f[1] = f[1].with(func(f *tarFile) { f.content = f.content[:1<<19] })
			return f
		}},
		"a target":    {edit: func(f []tarFile) []tarFile { f[2].h.Linkname = "other"; return f }},
		"one missing": {edit: func(f []tarFile) []tarFile { return append(f[:4:4], f[5:]...) }, general: true},
		"one more": {edit: func(f []tarFile) []tarFile {
			return append(f, tarFile{h: tar.Header{Name: "z"}, content: []byte("z")})
		}, general: true},
		"a name":         {edit: func(f []tarFile) []tarFile { f[9].h.Name = "usr/share/z"; return f }, general: true},
		"another order":  {edit: func(f []tarFile) []tarFile { f[9], f[10] = f[10], f[9]; return f }, general: true},
		"a last one cut": {edit: func(f []tarFile) []tarFile { return f[:len(f)-1] }, general: true},
	}
	for how := range gzips {
		a := gzipBy(t, how, writeTar(t, someFiles()))
		for name, tt := range cases {
			t.Run(how+"/"+name, func(t *testing.T) {
				if testing.Short() && !slices.Contains(inShort[how], name) {
					t.Skip("one of many: the long form has all")
				}
				b := gzipBy(t, how, writeTar(t, tt.edit(someFiles())))
				checkInStep(t, a, b, tt.general)
			})
		}
	}
	one, blocks := gzipBy(t, "one go", writeTar(t, someFiles())), gzipBy(t, "blocks", writeTar(t, someFiles()))
	t.Run("only the compression", func(t *testing.T) { checkInStep(t, one, blocks, false) })
	t.Run("only the header", func(t *testing.T) { checkInStep(t, blocks, withTime(blocks), false) })
}

// withTime is a gzip stream whose header says when it was written.
func withTime(b blob) blob {
	p, err := io.ReadAll(b.reader())
	if err != nil {
		panic(err)
	}
	p[4] = 1
	return blob{bytes.NewReader(p), b.size}
}

// inShort are the cases that the short form has.
var inShort = map[string][]string{
	"blocks": {"a byte", "a byte of a big one", "two far apart", "of two with one name", "a time", "one missing"},
	"one go": {"a byte", "mode and content"},
}

func checkInStep(t *testing.T, a, b blob, general bool) {
	t.Helper()
	c := newRun(t.Context(), Limits{})
	defer c.close()
	want := &Finding{Fields: gzipFields(a, b)}
	if err := c.compressed(want, "layer", a.gunzip(), b.gunzip(), 1); err != nil {
		t.Fatal(err)
	}
	got := &Finding{Fields: gzipFields(a, b)}
	err := c.inStep(got, "layer", a, b, 1)
	if general {
		if !errors.Is(err, errNotInStep) {
			t.Errorf("in step: %v, want that it isn't", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-general +in step):\n%s", diff)
	}
	if len(got.Parts) == 0 && got.Note == "" {
		t.Error("nothing found")
	}
}

// Behind the last difference nothing is decompressed, before it one side only.
func TestInStepReadsLittle(t *testing.T) {
	files := someFiles()
	a := gzipBy(t, "blocks", writeTar(t, files))
	files[1] = files[1].with(func(f *tarFile) { f.content[1<<19] ^= 1 })
	b := gzipBy(t, "blocks", writeTar(t, files))
	c := newRun(t.Context(), Limits{})
	defer c.close()
	f := &Finding{}
	if err := c.inStep(f, "layer", a, b, 1); err != nil || len(f.Parts) != 1 {
		t.Fatalf("%v, %d parts", err, len(f.Parts))
	}
	if spent := c.spent.Load(); spent > 5<<20 {
		t.Errorf("%d bytes were decompressed to find one in the first MiB of 7", spent)
	}
	before := c.spent.Load()
	if err := c.inStep(&Finding{}, "layer", a, withTime(a), 1); err != nil || c.spent.Load()-before > 1<<20 {
		t.Errorf("%v, and %d bytes were decompressed of two that are the same but for their headers", err, c.spent.Load()-before)
	}
}

// What going in step decompressed in vain is not missing to the general way, again and
// again neither.
func TestInStepInVain(t *testing.T) {
	some := someFiles()[1:5]
	a := gzipBy(t, "one go", writeTar(t, some))
	b := gzipBy(t, "one go", writeTar(t, append(slices.Clone(some), tarFile{h: tar.Header{Name: "z"}, content: []byte("z")})))
	general := newRun(t.Context(), Limits{})
	defer general.close()
	want := &Finding{Fields: gzipFields(a, b)}
	if err := general.compressed(want, "layer", a.gunzip(), b.gunzip(), 1); err != nil {
		t.Fatal(err)
	}
	c := newRun(t.Context(), Limits{Expand: general.spent.Load() + 1<<20})
	defer c.close()
	got := &Finding{}
	if err := c.gzip(got, "layer", a, b, 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-general +in step):\n%s", diff)
	}
	for range 2 {
		if err := c.inStep(&Finding{}, "layer", a, b, 1); err == nil {
			t.Fatal("in step")
		}
	}
	if given := c.given.Load(); given > c.lim.Expand {
		t.Errorf("%d bytes given back of %d", given, c.lim.Expand)
	}
}

// What one side has after the end of the other isn't held, nor the names of more entries
// than may be.
func TestInStepHoldsLittle(t *testing.T) {
	content := writeTar(t, someFiles()[:2])
	a := gzipBy(t, "one go", content)
	b := gzipBy(t, "one go", append(bytes.Clone(content), make([]byte, 24<<20)...))
	c := newRun(t.Context(), Limits{})
	defer c.close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := c.inStep(&Finding{}, "layer", a, b, 1)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errNotInStep) || n > 20<<20 {
		t.Errorf("%v, %d bytes were allocated", err, n)
	}
	s := &stepper{c: c}
	s.a.walker, s.b.walker = newWalker(s.keep), newWalker(s.keep)
	if err := s.spend(inflate.Part{}); err != nil {
		t.Error(err)
	}
	for _, w := range []*walker{s.a.walker, s.b.walker} {
		w.names = maxNameBytes + 1
		if err := s.spend(inflate.Part{}); !errors.Is(err, errNotInStep) {
			t.Error("too many names pass")
		}
		w.names = 0
	}
	s.apart = true
	if _, err := s.keep(maxApart + 1); !errors.Is(err, errNotInStep) {
		t.Error("an entry of any size is kept on both sides")
	}
}
