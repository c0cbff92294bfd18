package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
)

func blob(b []byte) Blob { return Blob{bytes.NewReader(b), int64(len(b))} }

// text is content that compresses as programs do: words, runs, numbers.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 300)
	for i := range words {
		words[i] = make([]byte, 1+r.IntN(24))
		for j := range words[i] {
			words[i][j] = byte(r.IntN(1 + r.IntN(256)))
		}
	}
	out := make([]byte, 0, n+400)
	for len(out) < n {
		switch r.IntN(12) {
		case 0:
			out = append(out, bytes.Repeat([]byte{byte(r.IntN(3))}, r.IntN(400))...)
		case 1:
			out = binary.LittleEndian.AppendUint64(out, r.Uint64())
		case 2:
			if len(out) > 40<<10 { // far back
				at := len(out) - 30<<10 - r.IntN(4<<10)
				out = append(out, out[at:at+r.IntN(300)]...)
			}
		default:
			out = append(out, words[r.IntN(1+r.IntN(len(words)))]...)
		}
	}
	return out[:n]
}

var writers = map[string]func(io.Writer) io.WriteCloser{
	"layer": func(w io.Writer) io.WriteCloser { return must(layer.NewCompressor(w, layer.Gzip)) },
	"named": func(w io.Writer) io.WriteCloser {
		zw := stdgzip.NewWriter(w)
		zw.Name, zw.Comment, zw.Extra = "layer.tar", "of a build", []byte("x")
		return zw
	},
	"flushed": func(w io.Writer) io.WriteCloser { return &flusher{must(gzip.NewWriterLevel(w, 6)), 100_000, 0} },
	"often":   func(w io.Writer) io.WriteCloser { return &flusher{must(gzip.NewWriterLevel(w, 6)), 701, 0} },
	"stored":  func(w io.Writer) io.WriteCloser { return must(gzip.NewWriterLevel(w, gzip.NoCompression)) },
	"huffman": func(w io.Writer) io.WriteCloser { return must(gzip.NewWriterLevel(w, gzip.HuffmanOnly)) },
	"go1":     func(w io.Writer) io.WriteCloser { return must(stdgzip.NewWriterLevel(w, 1)) },
	"go6":     func(w io.Writer) io.WriteCloser { return must(stdgzip.NewWriterLevel(w, 6)) },
	"go9":     func(w io.Writer) io.WriteCloser { return must(stdgzip.NewWriterLevel(w, 9)) },
	"fast":    func(w io.Writer) io.WriteCloser { return must(gzip.NewWriterLevel(w, 1)) },
}

// flusher ends a block every so many bytes, as pigz and others do.
type flusher struct {
	*gzip.Writer
	every, n int
}

func (f *flusher) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		m := min(len(p)-i, f.every-f.n)
		if _, err := f.Writer.Write(p[i : i+m]); err != nil {
			return i, err
		}
		i += m
		if f.n += m; f.n == f.every {
			f.n = 0
			if err := f.Flush(); err != nil {
				return i, err
			}
		}
	}
	return len(p), nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pack(writer string, content []byte) []byte {
	var out bytes.Buffer
	w := writers[writer](&out)
	must(w.Write(content))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// seen is what a pair gave.
type seen struct {
	a, b   bytes.Buffer
	shared int64 // bytes that were decompressed once
	rest   bool  // it ended with "the rest is the same"
}

// walk reads a pair; if skip, only as far as needed.
func walk(a, b []byte, skip bool) (*seen, error) {
	p, err := NewPair(blob(a), blob(b))
	if err != nil {
		return nil, err
	}
	s := &seen{}
	for {
		if skip && p.RestIsSame() {
			s.rest = true
			return s, p.CheckRest()
		}
		part, err := p.Next()
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if part.Same {
			if !bytes.Equal(part.A, part.B) {
				return s, errors.New("the same, and not the same")
			}
			s.shared += int64(len(part.A))
		}
		s.a.Write(part.A)
		s.b.Write(part.B)
	}
}

// Whatever writer made the two streams, and wherever they differ, the contents come out.
func TestPair(t *testing.T) {
	size := 1200 << 10
	if testing.Short() {
		size /= 4
	}
	content := text(7, size)
	edits := map[string]func([]byte) []byte{
		"nothing":     func(b []byte) []byte { return b },
		"first byte":  func(b []byte) []byte { b[0] ^= 1; return b },
		"middle byte": func(b []byte) []byte { b[size/2] ^= 1; return b },
		"last byte":   func(b []byte) []byte { b[size-1] ^= 1; return b },
		"far apart":   func(b []byte) []byte { b[size/12] ^= 1; b[size-size/12] ^= 1; return b },
		"inserted":    func(b []byte) []byte { return append(b[:size/2:size/2], append([]byte("more"), b[size/2:]...)...) },
		"cut":         func(b []byte) []byte { return b[:size/2] },
		"other":       func([]byte) []byte { return text(8, size) },
	}
	for w := range writers {
		a := pack(w, content)
		for name, edit := range edits {
			t.Run(w+"/"+name, func(t *testing.T) {
				other := edit(bytes.Clone(content))
				b := pack(w, other)
				s, err := walk(a, b, false)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(s.a.Bytes(), content) || !bytes.Equal(s.b.Bytes(), other) {
					t.Fatal("the contents are others")
				}
				if name == "nothing" && s.shared < int64(size)*90/100 {
					t.Errorf("of the same %d bytes only %d were decompressed once", size, s.shared)
				}
			})
		}
	}
	t.Run("two writers", func(t *testing.T) {
		s, err := walk(pack("go6", content), pack("named", content), false)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.a.Bytes(), content) || !bytes.Equal(s.b.Bytes(), content) {
			t.Fatal("the contents are others")
		}
	})
}

// Our own layers, and those of others who write blocks, are decompressed once before and
// not at all behind a byte that differs.
func TestSkips(t *testing.T) {
	const size = 12 << 20
	content := text(3, size)
	for _, w := range []string{"layer", "flushed"} {
		t.Run(w, func(t *testing.T) {
			other := bytes.Clone(content)
			other[size/4] ^= 0x40
			other[size/3] ^= 0x40
			a, b := pack(w, content), pack(w, other)
			s, err := walk(a, b, true)
			if err != nil {
				t.Fatal(err)
			}
			if !s.rest {
				t.Fatal("the rest was decompressed")
			}
			n := s.a.Len()
			if !bytes.Equal(s.a.Bytes(), content[:n]) || !bytes.Equal(s.b.Bytes(), other[:n]) || n < size/3 {
				t.Fatalf("the contents are others, or too short: %d bytes", n)
			}
			if n > size/3+3<<20 || s.shared < size/5 {
				t.Errorf("%d bytes were decompressed, %d of them once", n, s.shared)
			}
			for _, at := range []int{len(a) - 8, len(a) - 5, len(a) - 4} { // a checksum, or the size
				bad := bytes.Clone(b)
				bad[at+len(b)-len(a)] ^= 1
				if _, err := walk(a, bad, true); err == nil {
					t.Errorf("a wrong trailer (byte %d) passed", at-len(a))
				}
				if _, err := walk(a, bad, false); err == nil {
					t.Errorf("a wrong trailer (byte %d) passed, all decompressed", at-len(a))
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	content := text(5, 200_000)
	good := pack("go6", content)
	half := good[:len(good)/2]
	for name, bad := range map[string][]byte{
		"nothing":           {},
		"no gzip":           content[:100],
		"cut":               half,
		"cut in its header": pack("named", content)[:14],
		"no trailer":        good[:len(good)-8],
		"two members":       append(bytes.Clone(good), good...),
		"something behind":  append(bytes.Clone(good), 0),
		"header checksum":   slices.Concat(good[:3], []byte{2}, good[4:10], []byte{0, 0}, good[10:]),
		"long name":         slices.Concat(good[:3], []byte{8}, good[4:10], bytes.Repeat([]byte("n"), maxName), []byte{0}, good[10:]),
	} {
		for _, pair := range [][2][]byte{{good, bad}, {bad, good}, {bad, bad}} {
			if s, err := walk(pair[0], pair[1], false); err == nil {
				t.Errorf("%s: no error, %d and %d bytes", name, s.a.Len(), s.b.Len())
			}
		}
	}
}

// What is given without an error is what another decompressor gives.
func FuzzPair(f *testing.F) {
	small := text(9, 5000)
	for w := range writers {
		a := pack(w, small)
		mutate.Add(f, string(a), string(a))
		other := bytes.Clone(small)
		other[2500] ^= 1
		mutate.Add(f, string(a), string(pack(w, other)))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		s, err := walk([]byte(a), []byte(b), false)
		if err != nil {
			return
		}
		for side, got := range map[string]*bytes.Buffer{a: &s.a, b: &s.b} {
			r, err := gzip.NewReader(bytes.NewReader([]byte(side)))
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(io.LimitReader(r, 64<<20))
			if err != nil {
				t.Fatalf("another decompressor: %v", err)
			}
			if !bytes.Equal(want, got.Bytes()) {
				t.Fatal("another decompressor gives something else")
			}
			if a == b {
				break
			}
		}
	})
}

func BenchmarkPair(b *testing.B) {
	content := text(11, 32<<20)
	packed := pack("layer", content)
	b.Run("once", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for range b.N {
			p := must(NewPair(blob(packed), blob(packed)))
			for {
				if _, err := p.Next(); err != nil {
					break
				}
			}
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for range b.N {
			must(io.Copy(io.Discard, must(gzip.NewReader(bytes.NewReader(packed)))))
		}
	})
}

func TestWithZeros(t *testing.T) {
	a, b := text(1, 1000), text(2, 1000)
	for _, n := range []int{0, 1, 7, 8, 1000, 70_000} {
		zeros := make([]byte, n)
		before := sum(a) ^ sum(b)
		if got, want := withZeros(before, uint64(n)), sum(append(bytes.Clone(a), zeros...))^sum(append(bytes.Clone(b), zeros...)); got != want {
			t.Errorf("%s: %08x, want %08x", fmt.Sprint(n, " zeros"), got, want)
		}
	}
}

func sum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// More of the input is read at any place of a stream: what waits in bits, and is
// given back for a stored block, isn't lost.
func TestReadsAnywhere(t *testing.T) {
	content := text(4, 8*inSize)
	packed := pack("often", content)
	packed[3] |= 4 // with an extra field
	for n := 0; n < 720; n += 23 {
		longer := slices.Concat(packed[:10], []byte{byte(n), byte(n >> 8)}, make([]byte, n), packed[10:])
		s, err := walk(longer, longer, false)
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if !bytes.Equal(s.a.Bytes(), content) {
			t.Fatalf("after %d bytes: the content is another", n)
		}
	}
}

// Blocks without content come in steps as others do: who reads can stop.
func TestEmptyBlocks(t *testing.T) {
	empty := func(n int) []byte { // blocks of the fixed codes, 10 bits each
		out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
		bits, have := uint64(0), 0
		for i := range n + 1 {
			head := uint64(0b010)
			if i == n {
				head = 0b011
			}
			bits |= head << have
			for have += 10; have >= 8; have -= 8 {
				out = append(out, byte(bits))
				bits >>= 8
			}
		}
		return append(out, byte(bits), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for name, pair := range map[string][2][]byte{"the same": {empty(50*maxMarks + 2), empty(50*maxMarks + 2)}, "not the same": {empty(50*maxMarks + 2), empty(30*maxMarks + 6)}} {
		p := must(NewPair(blob(pair[0]), blob(pair[1])))
		steps := 0
		for {
			part, err := p.Next()
			if err == io.EOF {
				break
			}
			if err != nil || len(part.A)+len(part.B) > 0 {
				t.Fatal(name, err, part)
			}
			steps++
		}
		if steps < 50 {
			t.Errorf("%s: %d steps", name, steps)
		}
	}
}
