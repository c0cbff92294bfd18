package layer

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

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
