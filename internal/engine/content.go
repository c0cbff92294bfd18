package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/store"
)

// readOnly offers a store's blobs to an engine by digest. An engine can
// neither list what is there nor change anything.
type readOnly struct {
	st *store.Store
}

var _ content.Store = readOnly{}

var errReadOnly = fmt.Errorf("the store is read-only for engines: %w", errdefs.ErrPermissionDenied)

func (r readOnly) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	fi, err := r.stat(d)
	if err != nil {
		return content.Info{}, err
	}
	return content.Info{Digest: d, Size: fi.Size(), CreatedAt: fi.ModTime(), UpdatedAt: fi.ModTime()}, nil
}

func (r readOnly) ReaderAt(_ context.Context, desc ocispec.Descriptor) (content.ReaderAt, error) {
	if _, err := r.stat(desc.Digest); err != nil {
		return nil, err
	}
	f, err := r.st.Open(desc.Digest)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, blobError(desc.Digest, err)
	}
	return &blob{f, fi.Size()}, nil
}

// stat checks d before it becomes part of a path: it comes from the engine.
func (r readOnly) stat(d digest.Digest) (fs.FileInfo, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("blob %q: %w: %w", d, err, errdefs.ErrInvalidArgument)
	}
	fi, err := os.Stat(r.st.Path(d))
	if err != nil {
		return nil, blobError(d, err)
	}
	return fi, nil
}

func blobError(d digest.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob %s: %w", d, errdefs.ErrNotFound)
	}
	return fmt.Errorf("blob %s: %w", d, err)
}

func (readOnly) Update(context.Context, content.Info, ...string) (content.Info, error) {
	return content.Info{}, errReadOnly
}

func (readOnly) Walk(context.Context, content.WalkFunc, ...string) error { return errReadOnly }

func (readOnly) Delete(context.Context, digest.Digest) error { return errReadOnly }

func (readOnly) Status(context.Context, string) (content.Status, error) {
	return content.Status{}, errReadOnly
}

func (readOnly) ListStatuses(context.Context, ...string) ([]content.Status, error) {
	return nil, errReadOnly
}

func (readOnly) Abort(context.Context, string) error { return errReadOnly }

func (readOnly) Writer(context.Context, ...content.WriterOpt) (content.Writer, error) {
	return nil, errReadOnly
}

type blob struct {
	*os.File
	size int64
}

func (b *blob) Size() int64 { return b.size }
