package main

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

func normalizeTo(c layer.Compression) func(*bench) []line {
	return func(b *bench) []line { return b.normalize(c) }
}

func (b *bench) normalize(c layer.Compression) []line {
	b.once("making an image", b.makeImage)
	st := must(store.Open(b.path("image")))
	desc := must(st.Resolve("bench"))
	attrs := map[string]string{"compression": string(c), "force-compression": "true", "rewrite-timestamp": "true", "source-date-epoch": "0"}
	if c == layer.None {
		attrs["compression"] = "uncompressed"
	}
	var twice, alone, whole, imports, hash, bare []float64
	for range b.n {
		check(os.RemoveAll(b.path("normalized.tar")))
		twice = append(twice, b.timed(b.twice("normalize", st.Dir(), "-o", b.path("normalized.tar"), "--compression", string(c))))
		w, _ := b.export(st, desc, attrs, must(os.Create(b.path("exported.tar"))))
		_, i := b.export(st, desc, nil, discard{io.Discard})
		b.note("twice %.2f s, BuildKit %.2f s, import %.2f s", twice[len(twice)-1], w, i)
		whole, imports, alone = append(whole, w), append(imports, i), append(alone, w-i)
		hash = append(hash, b.pass(func() io.WriteCloser { return discard{sha256.New()} }))
		if c != layer.None {
			bare = append(bare, b.pass(func() io.WriteCloser { return must(layer.NewCompressor(io.Discard, c)) }))
		}
	}
	lines := []line{
		{What: "BuildKit's export alone ÷ normalize", Twice: twice, Other: alone, Faster: true, Goal: 3},
		{What: "BuildKit's whole solve ÷ normalize", Twice: twice, Other: whole, Faster: true},
		{What: "BuildKit's import", Other: imports},
		{What: "normalize ÷ SHA-256 in one thread", Twice: twice, Other: hash},
	}
	if c != layer.None {
		lines = append(lines, line{What: "normalize ÷ the bare compressor", Twice: twice, Other: bare})
	}
	return lines
}

// pass times a copy of each uncompressed layer to a writer of its own.
func (b *bench) pass(to func() io.WriteCloser) float64 {
	b.settle()
	buf := make([]byte, 1<<20)
	began := time.Now()
	for _, name := range must(filepath.Glob(b.path("plain-*.tar"))) {
		f := must(os.Open(name))
		w := to()
		must(io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, buf))
		check(errors.Join(w.Close(), f.Close()))
	}
	return time.Since(began).Seconds()
}

// makeImage makes the image to be normalized, in a store of its own, which is
// an OCI layout too: the layers of the builder, cut off at 1 GB, each entry
// with a time of its own in November 2026 and names of owners, as an engine
// that unpacked the files then would have written them.
func (b *bench) makeImage() {
	left := int64(1e9)
	if b.small {
		left = 1e8
	}
	builder, from := b.builder()
	var layers []layer.Layer
	st := must(store.Open(b.path("image")))
	for i, d := range builder.Manifest.Layers {
		blob := must(from.Open(d.Digest))
		in, _, err := layer.NewDecompressor(blob)
		check(err)
		plain := must(os.Create(b.path(fmt.Sprintf("plain-%d.tar", i))))
		layers = append(layers, b.putLayer(st, b.input, func(w io.Writer) {
			tr, tw := tar.NewReader(in), tar.NewWriter(io.MultiWriter(w, plain))
			for n := int64(0); left > 0; n++ {
				h, err := tr.Next()
				if err == io.EOF {
					break
				}
				check(err)
				h.ModTime, h.Uname, h.Gname = time.Unix(1793500000+n*7919%1000000, 0), "root", "root"
				check(tw.WriteHeader(h))
				must(io.Copy(tw, tr))
				left -= h.Size
			}
			check(tw.Close())
		}))
		check(errors.Join(in.Close(), blob.Close(), plain.Close()))
	}
	b.putImage(st, layers)
}

// putImage makes st an OCI layout of one image.
func (b *bench) putImage(st *store.Store, layers []layer.Layer) {
	cfg := image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
	check(st.Tag(b, "bench", must(image.Write(b, st, nil, layers, cfg)).Desc))
}

// putLayer puts what write writes into st as a layer.
func (b *bench) putLayer(st *store.Store, c layer.Compression, write func(io.Writer)) layer.Layer {
	w := must(st.Create(b))
	enc := must(layer.NewEncoder(w, c))
	write(enc)
	check(enc.Close())
	d, size, err := w.Commit("", -1)
	check(err)
	return layer.Layer{Desc: ocispec.Descriptor{MediaType: c.MediaType(), Digest: d, Size: size}, DiffID: enc.DiffID()}
}
