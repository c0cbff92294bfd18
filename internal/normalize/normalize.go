// Package normalize brings any OCI image to the one form that Twice writes.
//
// # Input and output
//
// In is an OCI layout (a directory, or a tar of one), or what docker save wrote,
// with or without an OCI layout in it; tars may be compressed by gzip or zstd. Out is an OCI layout or an
// archive of one that docker load takes. Both hold the same images under the
// same names. What is no image (attestations, signatures, artifacts) is left
// out and listed in the Result, since it speaks of digests that are no more.
// An index that is left with one image becomes that image, others are ordered
// by platform. Windows images are refused.
//
// # Layers
//
// Entries come in the order of package layer, and one path comes once, as it
// was after unpacking: later entries win, a file replaces a directory and all in
// it, and a path through a symbolic link of the same layer is where that leads. Of a group of hard
// links the first in order is the file; a link to a file of a layer below stays,
// but is refused if the layer replaces or hides that file too. Kept are type, permission bits, numeric
// owner, link target, device numbers and the extended attribute
// security.capability. Times are whole seconds, no later than the epoch and no
// earlier than 1970; without an epoch they are 0. User and group names, access
// and change times and other extended attributes go. Sparse files get their
// holes filled. Whiteouts are empty files with mode, owner and time 0; one for
// a file that the same layer has goes, one for a directory becomes that
// directory's opaque marker. The compression is that of package layer.
//
// # JSON
//
// Manifests, configs and indexes are those of package image: created is the
// epoch or absent, history, author and everything that neither OCI nor Docker's
// image format knows (container, docker_version, Hostname, …) go. Of a manifest's annotations
// org.opencontainers.image.base.digest and base.name stay, of a name in
// index.json org.opencontainers.image.ref.name and io.containerd.image.name. User
// data (labels, environment, …) stays as it is.
//
// # Base
//
// The layers of an image's base stay as they are, byte for byte. The base is
// Options.Base or what the image's base.digest annotation names, if that is in the input or
// in Options.Store. A base that is in the input under a name of its own stays
// as it is altogether. The base's manifest and config are copied along with
// the image, so that the output can be normalized again. docker save has lost
// the compressed form of layers: there, a base layer is the base's blob if the
// base is an OCI image, else it is compressed again and the promise is equal diff IDs.
//
// # Resources
//
// A layer is read, rewritten and compressed in one pass, with a few blocks in
// flight, as long as its entries come in canonical order; most tools write them so.
// One whose entries turn out to be in another order is read again: if it is
// compressed it is unpacked to a nameless file next to out, and then written with
// names and offsets in memory (some 400 bytes an entry) and content on disk.
// Two layers are in work at a time.
package normalize

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// Options says how to normalize. The zero value is usable.
type Options struct {
	Base        string            // path of a layout or archive, or digest of a manifest in the input or Store; "": by annotation
	Compression layer.Compression // of layers; "": gzip
	Epoch       int64             // seconds since 1970; 0: none
	Kind        Kind              // "": by the name of out, else what the input is
	Store       *store.Store      // where else a base may be; may be nil
}

// Kind is a form of output.
type Kind string

const (
	Layout  Kind = "layout"  // a directory
	Archive Kind = "archive" // a tar of it
)

// Result is what was done.
type Result struct {
	Kind    Kind
	Roots   []ocispec.Descriptor // what index.json names, in its order
	Images  []Image              // in the order of the input
	Dropped []string             // what the output doesn't have
}

// Image is an image before and after.
type Image struct {
	Names         []string
	Platform      string
	Before, After digest.Digest // of the manifest; docker save has none: Before is that of its config
	Base          digest.Digest // of the base's manifest; "": no base known
	Layers        []Layer
}

// Layer is a layer before and after.
type Layer struct {
	Before, After ocispec.Descriptor
	DiffID        digest.Digest // after
	Base          bool          // untouched
}

// Normalize reads in and writes out. Nothing is left of out after an error.
func Normalize(ctx context.Context, in, out string, opt Options) (Result, error) {
	if opt.Compression == "" {
		opt.Compression = layer.Gzip
	}
	if opt.Epoch < 0 {
		return Result{}, fmt.Errorf("normalizing: epoch %d is before 1970", opt.Epoch)
	}
	res, err := normalize(ctx, in, out, opt)
	if errors.Is(err, syscall.ENOSPC) {
		err = fault.Hint(err, "a layer whose entries are out of order is unpacked beside the output; free some space there")
	}
	if err != nil {
		return Result{}, fault.Hint(fmt.Errorf("normalizing %s: %w", in, err), "give an OCI layout, an OCI archive or what docker save wrote")
	}
	return res, nil
}

func normalize(ctx context.Context, in, out string, opt Options) (Result, error) {
	dst, err := createOutput(out)
	if err != nil {
		return Result{}, err
	}
	defer dst.remove()
	src, err := openInput(ctx, in, dst.tmp)
	if err != nil {
		return Result{}, err
	}
	defer src.Close()
	kind, err := outputKind(out, opt.Kind, src.kind)
	if err != nil {
		return Result{}, err
	}
	n := &normalizer{opt: opt, in: src, out: dst, res: Result{Kind: kind}}
	defer n.close()
	if err := n.run(ctx); err != nil {
		return Result{}, err
	}
	if err := dst.finish(ctx, kind, n.res.Roots, n.extra); err != nil {
		return Result{}, err
	}
	return n.res, nil
}

// outputKind decides what out is to be.
func outputKind(out string, asked, in Kind) (Kind, error) {
	name := filepath.Base(out)
	switch {
	case asked == Layout || asked == Archive:
		return asked, nil
	case asked != "":
		return "", fmt.Errorf("unknown kind of output %q", string(asked))
	case strings.HasSuffix(name, ".tar"):
		return Archive, nil
	case strings.Contains(name, ".tar.") || strings.HasSuffix(name, ".tgz"):
		return "", fault.Hint(fmt.Errorf("%s: archives are written uncompressed, as their layers are compressed", out), "name it .tar")
	case isDir(out) || strings.HasSuffix(out, "/"):
		return Layout, nil
	}
	return in, nil
}
