//go:build linux

package embedded

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	ctdmount "github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// oneOwner unpacks layers where there is one user only: all files are root's,
// whosever they are in the layer.
type oneOwner struct{ blobs content.Provider }

// Apply implements diff.Applier.
func (a oneOwner) Apply(ctx context.Context, desc ocispec.Descriptor, mounts []ctdmount.Mount, _ ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	ra, err := a.blobs.ReaderAt(ctx, desc)
	if err != nil {
		return none, fmt.Errorf("reading layer %s: %w", desc.Digest, err)
	}
	defer ra.Close()
	var stream diff.StreamProcessor = diff.NewProcessorChain(desc.MediaType, content.NewReader(ra))
	for stream.MediaType() != ocispec.MediaTypeImageLayer {
		if stream, err = diff.GetProcessor(ctx, stream, nil); err != nil {
			return none, fmt.Errorf("reading layer %s of type %s: %w", desc.Digest, desc.MediaType, err)
		}
		defer stream.Close()
	}
	sum := digest.Canonical.Digester()
	count := &byteCount{}
	r := io.TeeReader(stream, io.MultiWriter(sum.Hash(), count))
	err = ctdmount.WithTempMount(ctx, mounts, func(root string) error {
		if _, err := archive.Apply(ctx, root, r, archive.WithNoSameOwner()); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, r) // what follows the archive's end
		return err
	})
	if err != nil {
		return none, fmt.Errorf("unpacking layer %s: %w", desc.Digest, err)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: sum.Digest(), Size: count.n}, nil
}

type byteCount struct{ n int64 }

func (c *byteCount) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
