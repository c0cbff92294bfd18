package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// verified fails at the end of a blob that isn't what its digest says.
type verified struct {
	*os.File
	h hash.Hash
	d digest.Digest
}

func openVerified(st Blobs, d digest.Digest) (io.ReadCloser, error) {
	f, err := st.Open(d)
	if err != nil {
		return nil, err
	}
	return &verified{f, sha256.New(), d}, nil
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.File.Read(p)
	v.h.Write(p[:n])
	if err == io.EOF {
		if got := digest.NewDigest(digest.SHA256, v.h); got != v.d {
			return n, fault.Hint(fmt.Errorf("blob %s: its content has the digest %s", v.d, got), "remove the blob and fetch it again")
		}
	}
	return n, err
}

// WriteTo would pass the hash by.
func (v *verified) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{v})
}

// unpack writes the files of t, which has no links, into dir, which is made or
// must be empty.
func unpack(ctx context.Context, t *layer.Tree, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	have, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(have) > 0 {
		return fault.Hint(fmt.Errorf("%s: %w and not empty", dir, fs.ErrExist), "remove it or name another directory")
	}
	buf := make([]byte, 256<<10)
	for _, e := range t.Entries() {
		name := filepath.Join(dir, filepath.FromSlash(e.Path))
		switch e.Type {
		case tar.TypeDir:
			err = os.Mkdir(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(ctx, name, e, buf)
		default:
			err = fmt.Errorf("%s: a link", e.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(ctx context.Context, name string, e layer.Entry, buf []byte) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(layer.CopyExactly(ctx, f, r, e.Size, buf), f.Close())
}
