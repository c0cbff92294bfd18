package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// diffoci is the peer's version, which Go builds in a module of its own.
const diffoci = "v0.1.8"

// diffImages measures how long it takes to say where two images of 1 GB differ:
// in one byte of one file.
func diffImages(b *bench) []line {
	b.once("making an image", b.makeImage)
	names := b.twoImages()
	peer, cache := b.diffoci(), b.path("diffoci-cache")
	args := []string{"--backend", "local", "--local-cache", cache}
	for _, n := range names {
		b.once("diffoci load "+n, func() { b.output(b.command(nil, peer, append(args, "load", "--input", b.path(n+".tar"))...)) })
	}
	var ours, others []float64
	for range b.n {
		out, took := b.differing(b.twice("diff", b.path(names[0]+".tar"), b.path(names[1]+".tar")))
		if !strings.Contains(out, "   1 byte") {
			check(fmt.Errorf("twice diff did not find one byte:\n%s", out))
		}
		ours = append(ours, took)
		out, took = b.differing(b.command(nil, peer, append(args, "diff", "--pull", "never", "bench/"+names[0]+":1", "bench/"+names[1]+":1")...))
		if !strings.Contains(out, "File ") {
			check(fmt.Errorf("diffoci found no file:\n%s", out))
		}
		others = append(others, took)
		b.note("twice diff %.2f s, diffoci %.1f s", ours[len(ours)-1], others[len(others)-1])
	}
	return []line{{What: "two images of 1 GB that differ in a byte: diffoci ÷ twice diff", Twice: ours, Other: others, Faster: true, Goal: 10}}
}

// twoImages writes the image that is to be normalized, with gzip layers as
// registries have them, and the same with another byte in the middle of its largest file.
func (b *bench) twoImages() []string {
	plain := must(filepath.Glob(b.path("plain-*.tar")))
	largest, size := "", int64(0)
	for _, name := range plain {
		f := must(os.Open(name))
		for r := tar.NewReader(f); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			check(err)
			if h.Size > size {
				largest, size = name+"\x00"+h.Name, h.Size
			}
		}
		check(f.Close())
	}
	names := []string{"first", "second"}
	for i, n := range names {
		b.once("making the image "+n, func() {
			st := must(store.Open(b.path("image-" + n)))
			var layers []layer.Layer
			for _, name := range plain {
				layers = append(layers, b.putLayer(st, layer.Gzip, func(w io.Writer) {
					f := must(os.Open(name))
					tw := tar.NewWriter(w)
					for r := tar.NewReader(f); ; {
						h, err := r.Next()
						if err == io.EOF {
							break
						}
						check(err)
						check(tw.WriteHeader(h))
						if i == 1 && name+"\x00"+h.Name == largest {
							must(io.CopyN(tw, r, h.Size/2))
							var one [1]byte
							must(io.ReadFull(r, one[:]))
							one[0] ^= 1
							must(tw.Write(one[:]))
						}
						must(io.Copy(tw, r))
					}
					check(errors.Join(tw.Close(), f.Close()))
				}))
			}
			b.putImage(st, layers)
			out := must(os.Create(b.path(n + ".tar")))
			check(image.WriteArchive(b, st, must(st.Resolve("bench")), out, "bench/"+n+":1"))
			check(out.Close())
		})
	}
	return names
}

// diffoci installs the peer.
func (b *bench) diffoci() string {
	dir := b.path("diffoci")
	program := filepath.Join(dir, "diffoci")
	b.once("building diffoci "+diffoci, func() {
		check(os.MkdirAll(dir, 0o755))
		check(os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module peer\n\ngo 1.24\n"), 0o644))
		const pkg = "github.com/reproducible-containers/diffoci/cmd/diffoci"
		for _, args := range [][]string{{"get", "-tool", pkg + "@" + diffoci}, {"build", "-o", program, pkg}} {
			c := b.command([]string{"GOFLAGS=-mod=mod", "GOWORK=off"}, "go", args...)
			c.Dir = dir
			b.output(c)
		}
	})
	return program
}
