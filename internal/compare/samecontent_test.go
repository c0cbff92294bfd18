package compare

import (
	"bytes"
	"compress/gzip"
	"context"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The same content in two formats is told from other content in them.
func TestSameContentInTwoFormats(t *testing.T) {
	gzipped := func(s string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{"content": true, "Content": false} {
		a, b := gzipped("content"), w.EncodeAll([]byte(text), nil)
		for _, swap := range []bool{false, true} {
			if swap {
				a, b = b, a
			}
			f, err := Readers(context.Background(), "x", bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if f.Kind != Packed || f.SameContent() != same {
				t.Errorf("%s: %+v", text, f)
			}
		}
	}
	var none *Finding
	if none.SameContent() {
		t.Error("no difference is one of compression")
	}
}
