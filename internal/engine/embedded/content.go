//go:build linux

package embedded

import (
	"context"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// forgetful is a content store that forgets a blob whose content was not what
// it should be. Containerd's own keeps it as a complete download: from then on
// it does not read the blob again, and each try ends in the same error.
type forgetful struct {
	content.Store
}

func (s forgetful) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	w, err := s.Store.Writer(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return &forgetfulWriter{w, s.Store, o.Ref}, nil
}

type forgetfulWriter struct {
	content.Writer
	store content.Store
	ref   string
}

func (w *forgetfulWriter) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	err := w.Writer.Commit(ctx, size, expected, opts...)
	if errdefs.IsFailedPrecondition(err) {
		w.Writer.Close()
		_ = w.store.Abort(ctx, w.ref) // the error that matters is err
	}
	return err
}
