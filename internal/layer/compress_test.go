package layer

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestBytesDependOnContentOnly(t *testing.T) {
	content := sample(3, 3<<20+7)
	for _, c := range compressions {
		want := compressed(t, c, bytes.NewReader(content))
		for _, procs := range []int{1, 2, 8} {
			before := runtime.GOMAXPROCS(procs)
			for name, r := range map[string]io.Reader{
				"whole":     bytes.NewReader(content),
				"one byte":  iotest.OneByteReader(bytes.NewReader(content[:1<<14])),
				"odd sizes": &oddReader{r: bytes.NewReader(content)},
			} {
				expect := want
				if name == "one byte" {
					expect = compressed(t, c, bytes.NewReader(content[:1<<14]))
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
		for i := range 30 {
			block := sample(uint64(i%7), 1+r.IntN(200_000))
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
	content := sample(6, 4<<20)
	for _, c := range compressions {
		before := runtime.NumGoroutine()
		for _, full := range []int{0, 5, 100_000, 500_000} {
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
		// A goroutine that has said it is done may not have ended yet.
		for wait := time.Now(); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Since(wait) > 10*time.Second {
				t.Fatalf("%s: %d goroutines before, %d after", c, before, runtime.NumGoroutine())
			}
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

func BenchmarkCompress(b *testing.B) {
	content := sample(7, 32<<20)
	for _, c := range compressions {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				enc, err := NewEncoder(io.Discard, c)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := enc.Write(content); err != nil {
					b.Fatal(err)
				}
				if err := enc.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
