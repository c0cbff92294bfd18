package reference

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/verdict"
)

func isLayoutDir(dir string) bool {
	for _, f := range []string{"oci-layout", "index.json"} {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// imageOf says whether a path is an image in an OCI layout or a
// docker-archive, and gives the digest of its manifest if it has one only.
// Every blob is held to its name, and a layout to what its index names.
func imageOf(ctx context.Context, name string) (manifest digest.Digest, is bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", false, err
	}
	l := &layout{}
	if info.IsDir() {
		err = l.readDir(ctx, name)
	} else {
		is, err = l.readTar(ctx, name, info.Size())
		if err != nil || !is || l.index == nil {
			return "", is, err
		}
	}
	if err != nil {
		return "", false, err
	}
	ix, err := image.ParseIndex(l.index)
	if err != nil {
		return "", false, err
	}
	if err := l.whole(ix.Manifests); err != nil {
		return "", false, err
	}
	if len(ix.Manifests) == 1 {
		manifest = ix.Manifests[0].Digest
	}
	return manifest, true, nil
}

// layout is what there is of an OCI image layout.
type layout struct {
	index  []byte
	docker []byte // manifest.json, by which docker load and others go
	blobs  map[digest.Digest]func() ([]byte, error)
}

// readDir checks the blobs of a layout.
func (l *layout) readDir(ctx context.Context, dir string) error {
	l.blobs = map[digest.Digest]func() ([]byte, error){}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		return err
	}
	for _, b := range blobs {
		name := filepath.Join(dir, "blobs", "sha256", b.Name())
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		d, err := blob(ctx, b.Name(), f)
		_ = f.Close()
		if err != nil {
			return err
		}
		l.blobs[d] = func() ([]byte, error) { return readSmall(name) }
	}
	if l.docker, err = readSmall(filepath.Join(dir, "manifest.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l.index, err = readSmall(filepath.Join(dir, "index.json"))
	return err
}

// readTar does the same for an archive. Without an error and an index it is
// no image, or, if is is set, a docker-archive. Programs don't agree on which of two
// files of one name counts, nor on what a link is: a layout has neither.
func (l *layout) readTar(ctx context.Context, name string, size int64) (is bool, err error) {
	l.blobs = map[digest.Digest]func() ([]byte, error){}
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	t := tar.NewReader(bufio.NewReaderSize(f, 1<<20))
	seen, odd, held := map[string]bool{}, "", int64(0)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			if l.index != nil && odd != "" {
				return false, fault.Hint(fmt.Errorf("%.100q in it can be taken in two ways", odd), "pack it again, without links: tar -xf IMAGE.tar -C NEW, then tar -cf IMAGE.tar -C NEW .")
			}
			return l.index != nil || l.docker != nil, nil
		}
		if err != nil {
			if l.index == nil && l.docker == nil {
				return false, nil // no tar
			}
			return false, err
		}
		if n > maxFiles*10 {
			return false, errors.New("too many entries")
		}
		at := path.Clean(h.Name)
		switch {
		case h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader:
			continue
		case h.Typeflag != tar.TypeReg || seen[at] || path.IsAbs(at) || at == ".." || strings.HasPrefix(at, "../"):
			odd = h.Name
			continue
		}
		seen[at] = true
		if h.Size > size { // a sparse file
			return false, fmt.Errorf("%.100q is larger than what it is in", h.Name)
		}
		switch dir, base := path.Split(at); {
		case dir == "blobs/sha256/":
			var small bytes.Buffer
			content := io.Reader(t)
			keep := h.Size <= maxDocument && held < maxDocuments
			if keep {
				content = io.TeeReader(t, &small)
			}
			d, err := blob(ctx, base, content)
			if err != nil {
				return false, err
			}
			l.blobs[d] = func() ([]byte, error) { return nil, fmt.Errorf("%s is no manifest, or too large for one", d) }
			if text := small.Bytes(); keep && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
				held += h.Size
				l.blobs[d] = func() ([]byte, error) { return text, nil }
			}
		case at == "index.json":
			l.index, err = l.text(h, t)
		case at == "manifest.json":
			l.docker, err = l.text(h, t)
		}
		if err != nil {
			return false, err
		}
	}
}

func (*layout) text(h *tar.Header, r io.Reader) ([]byte, error) {
	if h.Size > maxSmall {
		return nil, fmt.Errorf("its %s has %d bytes", path.Base(h.Name), h.Size)
	}
	return io.ReadAll(r)
}

const (
	maxDocument  = 4 << 20  // bytes of a manifest or an index, as registries have it
	maxDocuments = 64 << 20 // of all of them
)

// whole says what is missing of what an index names, and whether manifest.json names another
// image. Of an image for several platforms, some of which were not copied, one has to be there:
// its index has the digest of each.
func (l *layout) whole(manifests []ocispec.Descriptor) error {
	images := map[string]bool{} // what manifest.json may say
	var lacks error             // what an index of several platforms lacks: some were not copied
	seen := map[digest.Digest]bool{}
	var walk func(list []ocispec.Descriptor, depth int) error
	walk = func(list []ocispec.Descriptor, depth int) error {
		if depth > 4 || len(list) > maxFiles {
			return errors.New("its index has too many images")
		}
		for _, d := range list {
			if seen[d.Digest] {
				continue
			}
			seen[d.Digest] = true
			read, err := l.reader(d)
			if errors.Is(err, errMissing) && depth > 0 {
				lacks = err
				continue
			}
			if err != nil {
				return err
			}
			text, err := read()
			if err != nil {
				return err
			}
			var m struct {
				Manifests []ocispec.Descriptor
				Config    *ocispec.Descriptor
				Layers    []ocispec.Descriptor
			}
			if err := json.Unmarshal(text, &m); err != nil {
				return fmt.Errorf("parsing %s: %w", d.Digest, err)
			}
			if err := walk(m.Manifests, depth+1); err != nil {
				return err
			}
			if m.Config == nil {
				continue
			}
			parts := append([]ocispec.Descriptor{*m.Config}, m.Layers...)
			if err = l.have(parts); errors.Is(err, errMissing) && depth > 0 {
				lacks = err
				continue
			}
			if err != nil {
				return err
			}
			images[blobNames(parts)] = true
		}
		return nil
	}
	if err := walk(manifests, 0); err != nil {
		return err
	}
	if len(images) == 0 && lacks != nil {
		return lacks
	}
	if l.docker == nil {
		return nil
	}
	var entries []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(l.docker, &entries); err != nil {
		return fmt.Errorf("parsing its manifest.json: %w", err)
	}
	for _, e := range entries {
		if !images[strings.Join(append([]string{e.Config}, e.Layers...), "\n")] {
			return &verdict.Incident{What: "manifest.json", By: "index.json", Why: "who loads the image by the former has another one than by the latter"}
		}
	}
	return nil
}

// reader is what reads a blob that an index needs.
func (l *layout) reader(d ocispec.Descriptor) (func() ([]byte, error), error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%.100q in its index: %w", d.Digest, err)
	}
	read, ok := l.blobs[d.Digest]
	if !ok {
		return nil, fault.Hint(fmt.Errorf("%s, which its index needs, %w", image.BlobPath(d.Digest), errMissing), "copy all of the image")
	}
	return read, nil
}

var errMissing = errors.New("is missing in it")

// have says whether all of some blobs are there.
func (l *layout) have(list []ocispec.Descriptor) error {
	for _, d := range list {
		if _, err := l.reader(d); err != nil {
			return err
		}
	}
	return nil
}

// blobNames are the names of blobs in a layout, a line each.
func blobNames(list []ocispec.Descriptor) string {
	var names []string
	for _, d := range list {
		names = append(names, image.BlobPath(d.Digest))
	}
	return strings.Join(names, "\n")
}

// blob holds content to the digest that it is named by, which is "" for a file of
// another kind.
func blob(ctx context.Context, name string, r io.Reader) (digest.Digest, error) {
	claimed := digest.NewDigestFromEncoded(digest.SHA256, name)
	if err := claimed.Validate(); err != nil {
		return "", nil
	}
	found, err := hashOf(ctx, r)
	if err != nil {
		return "", err
	}
	if found != claimed {
		return "", &verdict.Incident{What: "blobs/sha256/" + name, By: "its name", Claimed: claimed, Found: found}
	}
	return claimed, nil
}
