package compare

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"slices"
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

// A zip may hold what its directory doesn't list: who reads it from the beginning finds it.
func TestHiddenInZip(t *testing.T) {
	files := []file2{{"README", "hello hello hello hello\n", 0}, {"bin/x", "the program the program", 0}}
	stored, deflated := zipOf(t, zip.Store, files...), zipOf(t, zip.Deflate, files...)
	// The entries of another zip go between the last entry and the directory.
	hidden := zipOf(t, zip.Store, file2{"bin/evil", "evil", 0})
	hidden = hidden[:bytes.Index(hidden, []byte("PK\x01\x02"))]
	at := bytes.Index(stored, []byte("PK\x01\x02"))
	with := slices.Concat(stored[:at], hidden, stored[at:])
	end := bytes.LastIndex(with, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(with[end+16:], uint32(at+len(hidden)))
	renamed := bytes.Replace(bytes.Clone(stored), []byte("bin/x"), []byte("bin/y"), 1) // in the local header
	for name, c := range map[string]struct {
		a, b []byte
		same bool
	}{
		"another compressor": {stored, deflated, true},
		"a hidden entry":     {deflated, with, false},
		"another name":       {deflated, renamed, false},
		"before it":          {deflated, append([]byte("#!/bin/sh\n"), stored...), false},
	} {
		f, err := Readers(t.Context(), "x.zip", bytes.NewReader(c.a), int64(len(c.a)), bytes.NewReader(c.b), int64(len(c.b)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if f.SameContent() != c.same {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
