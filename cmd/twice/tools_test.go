package main

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/pe"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// testTools are programs that scripts need and that machines lack, from
// Debian's archive as it is now.
const testTools = `
name         = "test-tools"
description  = ""
suite        = "bookworm"
component    = "main"
architecture = "amd64"
packages     = ["binutils-mingw-w64-x86-64", "qemu-user-static"]
drop         = ["usr/bin/qemu-*", "usr/share"]
keep         = ["usr/bin/qemu-aarch64-static"]
database     = "none"
compression  = "none"
`

// tools DIR composes a folder with the test's tools; it is kept beside the store.
func cmdTools(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: tools")
	}
	ctx := context.Background()
	dir := filepath.Join(ts.Getenv("TWICE_CACHE"), "test-tools")
	ts.Setenv("TOOLS", dir)
	if _, err := os.Stat(dir); err == nil {
		return // by another script
	}
	st, err := store.Open(filepath.Join(ts.Getenv("TWICE_CACHE"), "store"))
	ts.Check(err)
	r, err := address.New(address.Mirrors{}, os.Getenv)
	ts.Check(err)
	f := &fetch.Fetcher{Store: st, Client: r.HTTPClient()}
	def, err := images.Parse([]byte(testTools), nil)
	ts.Check(err)
	def.Lock, err = compose.Lock(ctx, f, r, def, compose.LockOptions{})
	ts.Check(err)
	ts.Check(f.Fetch(ctx, compose.Items(def, r)))
	ts.Check(compose.EngineRoot(ctx, st, def, dir))
}

// pe-checksum FILE fails unless a program has the checksum that we compute.
func cmdPEChecksum(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pe-checksum FILE")
	}
	data := []byte(ts.ReadFile(args[0]))
	at := int(binary.LittleEndian.Uint32(data[0x3c:])) + 24 + 64
	if got, want := pe.Checksum(data, at), binary.LittleEndian.Uint32(data[at:]); got != want || want == 0 {
		ts.Fatalf("%#x, the file has %#x", got, want)
	}
}

// index-digest FILE.tar ARCHITECTURE puts the digest of an image of an index,
// which is in canonical order, into $IMAGE.
func cmdIndexDigest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: index-digest FILE.tar ARCHITECTURE")
	}
	blobs := map[string][]byte{}
	r := tar.NewReader(strings.NewReader(ts.ReadFile(args[0])))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		blobs[h.Name] = data
	}
	var top, ix ocispec.Index
	ts.Check(json.Unmarshal(blobs["index.json"], &top))
	ts.Check(json.Unmarshal(blobs[image.BlobPath(top.Manifests[0].Digest)], &ix))
	var order []string
	for _, m := range ix.Manifests {
		order = append(order, image.PlatformString(*m.Platform))
		if m.Platform.Architecture == args[1] {
			ts.Setenv("IMAGE", m.Digest.String())
		}
	}
	if want := []string{"linux/amd64", "linux/arm64/v8"}; !slices.Equal(order, want) {
		ts.Fatalf("the index has %v, want %v", order, want)
	}
}

// image-root DIGEST DIR unpacks an image of the store.
func cmdImageRoot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: image-root DIGEST DIR")
	}
	st, err := store.Open(filepath.Join(ts.Getenv("TWICE_CACHE"), "store"))
	ts.Check(err)
	d := digest.Digest(args[0])
	size, err := st.Size(d)
	ts.Check(err)
	im, err := image.Load(context.Background(), st, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size})
	ts.Check(err)
	dir := ts.MkAbs(args[1])
	ts.Check(image.Files(context.Background(), st, im, func(h *tar.Header, r io.Reader) error {
		to := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			return os.Symlink(h.Linkname, to)
		case tar.TypeReg:
			f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(h.Mode)&0o777)
			if err != nil {
				return err
			}
			if _, err = io.Copy(f, r); err != nil {
				return err
			}
			return f.Close()
		}
		return nil
	}))
}
