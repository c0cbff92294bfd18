package normalize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// output is an OCI layout that is made beside out and takes its place at the end.
type output struct {
	documents
	out   string
	tmp   string // a directory for everything, next to out
	blobs string // tmp/layout/blobs/sha256
}

func createOutput(out string) (*output, error) {
	out = filepath.Clean(out)
	if have, err := os.ReadDir(out); err == nil && len(have) > 0 {
		return nil, fault.Hint(fmt.Errorf("%s: %w and not empty", out, fs.ErrExist), "remove it or name another directory")
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".tmp-")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(tmp, "layout")
	o := &output{
		documents: documents{dirSource(dir)},
		out:       out, tmp: tmp, blobs: filepath.Join(dir, ocispec.ImageBlobsDir, "sha256"),
	}
	if err := os.MkdirAll(o.blobs, 0o755); err != nil {
		o.remove()
		return nil, err
	}
	return o, nil
}

// remove removes all that is not in its place yet.
func (o *output) remove() { os.RemoveAll(o.tmp) }

// Open makes an output an image.Blobs.
func (o *output) Open(d digest.Digest) (*os.File, error) {
	return os.Open(filepath.Join(o.blobs, d.Encoded()))
}

func (o *output) put(b []byte) (digest.Digest, error) {
	d := digest.FromBytes(b)
	return d, os.WriteFile(filepath.Join(o.blobs, d.Encoded()), b, 0o644)
}

// A blobWriter writes a blob whose digest isn't known yet.
type blobWriter struct {
	f    *os.File
	dir  string
	h    hash.Hash // nil: somebody else hashes
	size int64
}

func (o *output) create(hashed bool) (*blobWriter, error) {
	f, err := os.CreateTemp(o.tmp, "blob-")
	if err != nil {
		return nil, err
	}
	w := &blobWriter{f: f, dir: o.blobs}
	if hashed {
		w.h = sha256.New()
	}
	return w, nil
}

func (w *blobWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.size += int64(n)
	if w.h != nil {
		w.h.Write(p[:n])
	}
	return n, err
}

// commit gives the blob its name. d is its digest, if w doesn't hash.
func (w *blobWriter) commit(d digest.Digest) (digest.Digest, error) {
	if w.h != nil {
		d = digest.NewDigest(digest.SHA256, w.h)
	}
	err := errors.Join(w.f.Chmod(0o644), w.f.Close())
	if err == nil {
		err = os.Rename(w.f.Name(), filepath.Join(w.dir, d.Encoded()))
	}
	return d, err
}

// abort throws the blob away; after commit it does nothing.
func (w *blobWriter) abort() {
	w.f.Close()
	os.Remove(w.f.Name())
}

// finish writes what is missing and moves the output to its place.
func (o *output) finish(ctx context.Context, kind Kind, roots []ocispec.Descriptor, extra []digest.Digest) error {
	t, err := image.Tree(o, roots, extra, kind == Archive)
	if err != nil {
		return err
	}
	if kind == Archive {
		return o.finishArchive(ctx, t)
	}
	dir := filepath.Join(o.tmp, "layout")
	for _, name := range []string{ocispec.ImageIndexFile, ocispec.ImageLayoutFile} {
		e, _ := t.Get(name)
		if err := writeSmall(filepath.Join(dir, name), e); err != nil {
			return err
		}
	}
	if err := os.Remove(o.out); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(dir, o.out)
}

func writeSmall(name string, e layer.Entry) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(r)
	return errors.Join(err, f.Close())
}

func (o *output) finishArchive(ctx context.Context, t *layer.Tree) error {
	if isDir(o.out) {
		return fault.Hint(fmt.Errorf("%s: a directory, and the output is an archive", o.out), "name a file")
	}
	f, err := os.CreateTemp(o.tmp, "archive-")
	if err != nil {
		return err
	}
	for _, e := range t.Entries() {
		if path.Dir(e.Path) != ocispec.ImageBlobsDir+"/sha256" {
			continue
		}
		// What was hashed as it was written needn't be verified again.
		name := filepath.Join(o.blobs, path.Base(e.Path))
		e.Open = func() (io.ReadCloser, error) { return os.Open(name) }
		if err := t.Add(e); err != nil {
			return err
		}
	}
	err = layer.WriteTar(ctx, f, t)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), o.out)
}
