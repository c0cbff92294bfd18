package normalize

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

// A source is where blobs are. blob's error wraps fs.ErrNotExist for one that
// isn't there. Nothing is verified yet.
type source interface {
	blob(d digest.Digest) (*blob, error)
}

// A blob is an open blob, or any other part of a file.
type blob struct {
	*io.SectionReader
	close func() error // may be nil
}

func (b *blob) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

func fileBlob(f *os.File) (*blob, error) {
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &blob{io.NewSectionReader(f, 0, fi.Size()), f.Close}, nil
}

// dirSource is an OCI layout in a directory.
type dirSource string

func (s dirSource) blob(d digest.Digest) (*blob, error) {
	f, err := os.Open(filepath.Join(string(s), ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded()))
	if err != nil {
		return nil, err
	}
	return fileBlob(f)
}

// storeSource is a store.
type storeSource struct{ *store.Store }

func (s storeSource) blob(d digest.Digest) (*blob, error) {
	f, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	return fileBlob(f)
}

// mapSource is whatever was found to have a digest.
type mapSource map[digest.Digest]*io.SectionReader

func (s mapSource) blob(d digest.Digest) (*blob, error) {
	r, ok := s[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	}
	return &blob{io.NewSectionReader(r, 0, r.Size()), nil}, nil
}

func (s mapSource) add(b []byte) digest.Digest {
	d := digest.FromBytes(b)
	s[d] = io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
	return d
}

// sources are asked one after the other.
type sources []source

func (s sources) blob(d digest.Digest) (*blob, error) {
	err := fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	for _, src := range s {
		b, e := src.blob(d)
		if e == nil {
			return b, nil
		}
		if !errors.Is(e, fs.ErrNotExist) {
			return nil, e
		}
	}
	return nil, err
}

// documents reads the small blobs of a source whole.
type documents struct{ source }

func (s documents) ReadBytes(d digest.Digest, limit int64) ([]byte, error) {
	b, err := s.blob(d)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > limit {
		return nil, fmt.Errorf("blob %s: %d bytes, more than %d", d, b.Size(), limit)
	}
	content := make([]byte, b.Size())
	if _, err := io.ReadFull(b, content); err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	if got := digest.FromBytes(content); got != d {
		return nil, digestError(d, got)
	}
	return content, nil
}

func digestError(want, got digest.Digest) error {
	return fault.Hint(fmt.Errorf("blob %s: its content has the digest %s", want, got), "the image was damaged; get it again")
}

func hashSection(r *io.SectionReader) (digest.Digest, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return digest.NewDigest(digest.SHA256, h), nil
}
