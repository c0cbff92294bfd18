package layer

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/store"
)

var compressions = []Compression{None, Gzip, Zstd}

// golden are the digests of the layers of goldenTree. They change when the
// format does, and then CompressorVersion or the package comment must too.
var golden = map[Compression]digest.Digest{
	None: "sha256:174b658cd7f222da8a069ee7041571d3ee3383d5c52070714e65eb265323ccb0",
	Gzip: "sha256:5617098765427a81a982b183ad41b9cd957298871c59929c952cf0c4c8e5b780",
	Zstd: "sha256:ec428d02b91cc59d3dc21048b53d591d4d2cd0f0dee1e016d9af8060534400be",
}

// sample returns n bytes that compress about as well as programs do: words of
// a small vocabulary between runs of noise and zeros.
func sample(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 500)
	for i := range words {
		words[i] = make([]byte, 3+r.IntN(20))
		for j := range words[i] {
			words[i][j] = byte('a' + r.IntN(26))
		}
	}
	var b bytes.Buffer
	for b.Len() < n {
		switch r.IntN(40) {
		case 0:
			for range r.IntN(200) {
				b.WriteByte(byte(r.Uint32()))
			}
		case 1:
			b.Write(make([]byte, r.IntN(2000)))
		default:
			b.Write(words[min(r.IntN(500), r.IntN(500))])
		}
	}
	return b.Bytes()[:n]
}

// goldenTree has every kind of entry and header, and content of several blocks.
func goldenTree(t testing.TB) *Tree {
	owned := File("home/user/.profile", 0o600, 1_600_000_000, []byte("export A=1\n"))
	owned.UID, owned.GID = 1000, 1000
	huge := text("home/huge-id", "")
	huge.GID = 3_000_000
	return build(t,
		File("usr/bin/tool", 0o755, 1_700_000_000, sample(1, 5<<20+12345)),
		File("usr/lib/libtool.so.1", 0o644, 1_700_000_001, sample(2, 1<<20)),
		Link("usr/bin/alias", "usr/bin/tool"),
		Symlink("lib", "usr/lib", 1_700_000_000),
		Dir("tmp", 0o1777, 0),
		File("empty", 0o644, 0, nil),
		text("usr/share/"+strings.Repeat("deep/", 60)+"file", "deep"),
		text("usr/share/ünï", "not ASCII"),
		Symlink("long", strings.Repeat("x/", 80), 0),
		owned, huge)
}

func TestGoldenDigests(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plain := tarOf(t, goldenTree(t))
	for _, c := range compressions {
		l, err := Write(t.Context(), st, goldenTree(t), c)
		if err != nil {
			t.Fatal(err)
		}
		if l.Desc.Digest != golden[c] {
			t.Errorf("%s: digest %s, want %s", c, l.Desc.Digest, golden[c])
		}
		if want := digest.FromBytes(plain); l.DiffID != want {
			t.Errorf("%s: diff ID %s, want %s", c, l.DiffID, want)
		}
		if l.Desc.MediaType != c.MediaType() {
			t.Errorf("%s: media type %s", c, l.Desc.MediaType)
		}
		b, err := st.ReadBytes(l.Desc.Digest, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) != l.Desc.Size {
			t.Errorf("%s: %d bytes, the descriptor says %d", c, len(b), l.Desc.Size)
		}
		if got := decompressed(t, c, b); !bytes.Equal(got, plain) {
			t.Errorf("%s: the content is not the tar", c)
		}
	}
}

// decompressed reads b as others do: Go's gzip, which Docker uses, and a
// streaming zstd decoder.
func decompressed(t testing.TB, c Compression, b []byte) []byte {
	t.Helper()
	r := io.Reader(bytes.NewReader(b))
	switch c {
	case Gzip:
		zr, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		if zr.Name != "" || !zr.ModTime.IsZero() || zr.OS != 255 || len(zr.Extra) > 0 || zr.Comment != "" {
			t.Errorf("gzip header %+v, want OS 255 and nothing else", zr.Header)
		}
		r = zr
	case Zstd:
		zr, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer zr.Close()
		r = zr
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	return content
}

func TestBytesDependOnContentOnly(t *testing.T) {
	content := sample(3, 6<<20+7)
	for _, c := range compressions {
		want := compressed(t, c, bytes.NewReader(content))
		for _, procs := range []int{1, 2, 8} {
			before := runtime.GOMAXPROCS(procs)
			for name, r := range map[string]io.Reader{
				"whole":     bytes.NewReader(content),
				"one byte":  iotest.OneByteReader(bytes.NewReader(content[:1<<17])),
				"odd sizes": &oddReader{r: bytes.NewReader(content)},
			} {
				expect := want
				if name == "one byte" {
					expect = compressed(t, c, bytes.NewReader(content[:1<<17]))
				}
				if got := compressed(t, c, r); !bytes.Equal(got, expect) {
					t.Errorf("%s, %d processors, %s: other bytes", c, procs, name)
				}
			}
			runtime.GOMAXPROCS(before)
		}
	}
}

type oddReader struct {
	r io.Reader
	n int
}

func (o *oddReader) Read(p []byte) (int, error) {
	o.n = o.n*7%99_991 + 1
	return o.r.Read(p[:min(len(p), o.n)])
}

func compressed(t testing.TB, c Compression, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewCompressor(&b, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{r}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A block's bytes don't depend on the blocks that its worker had before.
func TestWorkersHaveNoMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for name, newWorker := range map[string]func() blockFunc{"gzip": newDeflater, "zstd": newZstd} {
		used := newWorker()
		for i := range 60 {
			block := sample(uint64(i%7), 1+r.IntN(300_000))
			dict := sample(uint64(i%5), r.IntN(gzipDict+1))
			if i%9 == 0 {
				for j := range block {
					block[j] = byte(r.Uint32())
				}
			}
			got, err := used(nil, dict, block)
			if err != nil {
				t.Fatal(err)
			}
			want, err := newWorker()(nil, dict, block)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: block %d differs after other blocks", name, i)
			}
		}
	}
}

func TestSizesAroundABlock(t *testing.T) {
	content := sample(5, 2*gzipBlock+1)
	for _, c := range compressions {
		for _, n := range []int{0, 1, gzipBlock - 1, gzipBlock, gzipBlock + 1, 2 * gzipBlock, 2*gzipBlock + 1} {
			b := compressed(t, c, bytes.NewReader(content[:n]))
			if n == 0 && c != None && len(b) == 0 {
				t.Errorf("%s: nothing at all for empty content", c)
			}
			if got := decompressed(t, c, b); !bytes.Equal(got, content[:n]) {
				t.Errorf("%s: %d bytes don't come back", c, n)
			}
			r, found, err := NewDecompressor(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[:n]) {
				t.Errorf("%s: NewDecompressor: %d bytes, %v", c, len(got), err)
			}
			if found != c {
				t.Errorf("%s of %d bytes is taken for %s", c, n, found)
			}
		}
	}
}

func TestDecompressorRefuses(t *testing.T) {
	for _, s := range []string{"BZh91AY&SY", "\xfd7zXZ\x00\x00"} {
		if _, _, err := NewDecompressor(strings.NewReader(s)); err == nil {
			t.Errorf("%.4q is taken for a layer", s)
		}
	}
	for _, c := range []Compression{Gzip, Zstd} {
		b := compressed(t, c, bytes.NewReader(sample(1, 100_000)))
		r, _, err := NewDecompressor(bytes.NewReader(b[:len(b)-3]))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err == nil {
			t.Errorf("%s: cut off, and no error", c)
		}
	}
	// A frame that wants a window of 1 GiB.
	r, _, err := NewDecompressor(strings.NewReader("\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00"))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err == nil {
		t.Error("a window of 1 GiB is granted")
	}
}

func TestCompressorReportsItsWriter(t *testing.T) {
	content := sample(6, 8<<20)
	for _, c := range compressions {
		before := runtime.NumGoroutine()
		for _, full := range []int{0, 5, 100_000, 1_000_000} {
			w := limitedWriter(full)
			zw, err := NewCompressor(&w, c)
			if err != nil {
				t.Fatal(err)
			}
			_, werr := zw.Write(content)
			if err := zw.Close(); err != errFull {
				t.Errorf("%s, full after %d bytes: Close says %v (Write %v)", c, full, err, werr)
			}
			if _, err := zw.Write([]byte("x")); err == nil {
				t.Errorf("%s: Write after Close", c)
			}
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%s: %d goroutines before, %d after", c, before, after)
		}
	}
	if _, err := NewCompressor(io.Discard, "lzma"); err == nil {
		t.Error("lzma is known")
	}
}

func TestCompressorVersionIsTheModules(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/(klauspost/compress v\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod doesn't require klauspost/compress")
	}
	if !strings.HasPrefix(CompressorVersion, string(m[1])+";") {
		t.Errorf("CompressorVersion is %q, go.mod has %q", CompressorVersion, m[1])
	}
}
