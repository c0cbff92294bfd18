package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout gives the files of an OCI image layout by name. Who opens one releases
// it.
type layout interface {
	open(name string) (blob, error)
}

// dirLayout is a layout in a directory.
type dirLayout string

func (d dirLayout) is() bool {
	for _, f := range []string{"oci-layout", "index.json"} {
		if i, err := os.Lstat(filepath.Join(string(d), f)); err != nil || !i.Mode().IsRegular() {
			return false
		}
	}
	return true
}

func (d dirLayout) open(name string) (blob, error) {
	return openBlob(filepath.Join(string(d), filepath.FromSlash(name)))
}

// tarLayout is a layout in an uncompressed tar.
type tarLayout struct {
	tar   blob
	index []entry
}

func isLayout(index []entry) bool {
	n := 0
	for _, e := range index {
		if e.off >= 0 && e.nth == 0 && (e.name == "oci-layout" || e.name == "index.json") {
			n++
		}
	}
	return n == 2
}

func (t tarLayout) open(name string) (blob, error) {
	for _, e := range t.index {
		if e.name == name && e.off >= 0 {
			return t.tar.part(e.off, e.size), nil
		}
	}
	return blob{}, fmt.Errorf("no %s in the layout", name)
}

// layouts compares the images of two layouts.
func (c *run) layouts(f *Finding, path string, a, b layout, depth int) error {
	ia, err := a.open("index.json")
	if err != nil {
		return err
	}
	defer release(ia)
	ib, err := b.open("index.json")
	if err != nil {
		return err
	}
	defer release(ib)
	return c.indexes(f, path, "index", a, b, ia, ib, depth)
}

// release closes the file under a blob, if there is one.
func release(b blob) {
	if f, ok := b.r.(io.Closer); ok {
		f.Close()
	}
}

// indexes compares two indexes: first what they point to, in their order, then
// the documents themselves.
func (c *run) indexes(f *Finding, path, name string, a, b layout, ia, ib blob, depth int) error {
	if depth >= c.lim.Depth {
		return errors.New("nested too deeply")
	}
	var xa, xb ocispec.Index
	if err := decode(ia, &xa); err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	if err := decode(ib, &xb); err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	for i := range min(len(xa.Manifests), len(xb.Manifests), c.lim.Findings) {
		sub := path
		if len(xa.Manifests) > 1 {
			sub = fmt.Sprintf("%s/image[%d]", path, i)
		}
		da, db := xa.Manifests[i], xb.Manifests[i]
		if da.Digest == db.Digest {
			continue
		}
		if err := c.manifests(f, sub, a, b, da, db, depth); err != nil {
			return err
		}
	}
	return c.document(f, path, name, ia, ib, depth)
}

// document adds the difference of two JSON documents, if there is one.
func (c *run) document(f *Finding, path, name string, a, b blob, depth int) error {
	p, err := c.blobs(name, join(path, name), a, b, depth+1)
	if p != nil {
		f.Parts = append(f.Parts, p)
	}
	return err
}

func (c *run) manifests(f *Finding, path string, a, b layout, da, db ocispec.Descriptor, depth int) error {
	ma, err := openDigest(a, da.Digest)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	defer release(ma)
	mb, err := openDigest(b, db.Digest)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	defer release(mb)
	if da.MediaType == ocispec.MediaTypeImageIndex && db.MediaType == ocispec.MediaTypeImageIndex {
		return c.indexes(f, path, "index", a, b, ma, mb, depth+1)
	}
	var xa, xb ocispec.Manifest
	if err := decode(ma, &xa); err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	if err := decode(mb, &xb); err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	for i := range min(len(xa.Layers), len(xb.Layers)) {
		if len(f.Parts) >= c.lim.Findings {
			f.More++
			continue
		}
		if err := c.byDigest(f, path, fmt.Sprintf("layer[%d]", i), a, b, xa.Layers[i].Digest, xb.Layers[i].Digest, depth); err != nil {
			return err
		}
	}
	if err := c.byDigest(f, path, "config", a, b, xa.Config.Digest, xb.Config.Digest, depth); err != nil {
		return err
	}
	return c.document(f, path, "manifest", ma, mb, depth)
}

func (c *run) byDigest(f *Finding, path, name string, a, b layout, da, db digest.Digest, depth int) error {
	if da == db {
		return nil
	}
	ba, err := openDigest(a, da)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	defer release(ba)
	bb, err := openDigest(b, db)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	defer release(bb)
	return c.document(f, path, name, ba, bb, depth)
}

// openDigest validates the digest, which becomes a path.
func openDigest(l layout, d digest.Digest) (blob, error) {
	if err := d.Validate(); err != nil {
		return blob{}, fmt.Errorf("digest %.100q: %w", string(d), err)
	}
	return l.open("blobs/" + d.Algorithm().String() + "/" + d.Encoded())
}

func decode(b blob, v any) error {
	if b.size > maxManifest {
		return fmt.Errorf("a manifest of %d bytes", b.size)
	}
	p, err := io.ReadAll(b.reader())
	if err != nil {
		return err
	}
	return json.Unmarshal(p, v)
}
