// Package layer holds file trees in canonical form and writes them as layers.
//
// # Trees
//
// A Tree is a set of entries by path. Its canonical order is that of a walk
// which visits the names of each directory in bytewise order: paths compare
// bytewise, with "/" before every other byte. So a directory comes before what it
// holds and that before its next sibling ("a", "a/b", "a-b"). It is the order
// in which containerd, BuildKit, buildah and tar --sort=name write, which lets
// their layers be normalized in one pass. Directories that nobody added are
// supplied: mode 0755, owner 0:0, time 0. Of a group of hard links the
// first path is the file and the rest are links to it; a link has its file's
// mode, owner and time, since the inode is one. A symbolic link's mode is 0777.
//
// # Tar
//
// WriteTar writes one USTAR header an entry: directory names end in "/", ids
// are numbers and the name fields are empty, times are whole seconds from 0 to
// 2^33-1, device fields are zero. Only where a path, link, size or id doesn't fit (non-ASCII
// included) a PAX header precedes it, with the records path, linkpath, size,
// uid, gid and no others. The archive ends with two zero blocks and isn't
// padded any further (no 10 KiB records).
//
// # Compression
//
// The uncompressed stream is cut into blocks of a fixed size, counted from its
// start, that are compressed by themselves. So any number of processors can
// work on it, and the bytes are a function of the content alone. See
// compress.go for the two formats.
//
// # Tree digest
//
// TreeDigest covers path, type, executable bit, link target and content, and
// nothing else; treedigest.go has the encoding.
package layer

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/store"
)

// A Layer is a compressed tar in a store.
type Layer struct {
	Desc   ocispec.Descriptor // of the compressed bytes
	DiffID digest.Digest      // of the tar
}

// Write writes t into the store as a layer. Reading, both hashes and
// compression run concurrently; memory is bounded whatever the size of t.
func Write(ctx context.Context, st *store.Store, t *Tree, c Compression) (Layer, error) {
	w, err := st.Create(ctx)
	if err != nil {
		return Layer{}, fmt.Errorf("writing layer: %w", err)
	}
	defer w.Abort()
	enc, err := NewEncoder(w, c)
	if err != nil {
		return Layer{}, err
	}
	err = WriteTar(ctx, enc, t)
	if cerr := enc.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Layer{}, fmt.Errorf("writing layer: %w", err)
	}
	d, size, err := w.Commit("", -1)
	if err != nil {
		return Layer{}, fmt.Errorf("writing layer: %w", err)
	}
	return Layer{
		Desc:   ocispec.Descriptor{MediaType: c.MediaType(), Digest: d, Size: size},
		DiffID: enc.DiffID(),
	}, nil
}
