//go:build linux

package embedded

import (
	"archive/tar"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkImport measures how fast an engine takes an input that it has not
// seen: 1 GB in 12,000 files, as a builder image with a toolchain has them.
func BenchmarkImport(b *testing.B) {
	for _, kind := range []string{"none", "zstd"} {
		b.Run(kind, func(b *testing.B) {
			bn := newBench(b)
			const files = 12000
			var total int64
			write := func(tw *tar.Writer) {
				total = 0
				r := rand.New(rand.NewPCG(1, 2))
				data := make([]byte, 4<<20)
				for i := range data {
					data[i] = byte(r.ExpFloat64() * 20) // compressible to about 2/3
				}
				for i := range files {
					size := int(r.ExpFloat64() * 90000)
					if i%400 == 0 {
						size = 3 << 20 // some libraries
					}
					size = min(size, len(data)-4096)
					off := r.IntN(len(data) - size)
					bn.add(tw, fmt.Sprintf("d%d/f%d", i%100, i), data[off:off+size])
					total += int64(size)
				}
			}
			var img ocispec.Descriptor
			if kind == "none" {
				img = bn.image(write)
			} else {
				img = bn.zstdImage(write)
			}
			for b.Loop() {
				b.StopTimer()
				e := bn.start(Options{StateDir: filepath.Join(b.TempDir(), "state"), RootDir: needRoot(b)})
				j := bn.text("A", "FROM builder AS build\nSHELL [\"/probe\"]\nRUN --network=none --mount=type=bind,from=big,target=/in echo x\nFROM scratch AS out\n")
				j.Inputs["big"] = img
				j.Dockerfile = append(j.Dockerfile, "COPY --from=build /probe /probe\n"...)
				b.StartTimer()
				began := time.Now()
				mustRun(b, e, j)
				took := time.Since(began)
				b.StopTimer()
				b.ReportMetric(float64(total)/1e6/took.Seconds(), "MB/s")
				j.Out += "2"
				began = time.Now()
				mustRun(b, e, j)
				b.Logf("%s: %d MB in %v; again %v", kind, total/1e6, took, time.Since(began))
				e.Close()
				b.StartTimer()
			}
		})
	}
}

// zstdImage is image with a compressed layer.
func (b *bench) zstdImage(fill func(tw *tar.Writer)) ocispec.Descriptor {
	plain := b.image(fill)
	var m ocispec.Manifest
	b.unjson(plain, &m)
	in, err := b.store.Open(m.Layers[0].Digest)
	if err != nil {
		b.t.Fatal(err)
	}
	defer in.Close()
	w, err := b.store.Create(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	z, err := zstd.NewWriter(w)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := io.Copy(z, in); err != nil {
		b.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.t.Fatal(err)
	}
	d, size, err := w.Commit("", -1)
	if err != nil {
		b.t.Fatal(err)
	}
	m.Layers[0] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: d, Size: size}
	return b.json(ocispec.MediaTypeImageManifest, m)
}
