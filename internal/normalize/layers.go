package normalize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// layerTask is one layer of the input. Equal layers of several images are done once.
type layerTask struct {
	desc   ocispec.Descriptor
	diffID digest.Digest
	how    treatment
	from   source // of the bytes

	out     layer.Layer
	dropped map[string]int
}

type treatment int

const (
	rewrite  treatment = iota
	copyBlob           // byte for byte
	compress           // same content, compressed again
)

// doLayers does all layers. Two stages overlap: unpacking and indexing, of
// which each layer uses little more than one processor, and writing, which
// uses all there are and is done for one layer at a time.
func (n *normalizer) doLayers() error {
	readers := min(runtime.GOMAXPROCS(0), 4)
	reading, writing := make(chan struct{}, readers), make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(n.ctx)
	g.SetLimit(readers + 1) // one more may wait for its turn to write
	for _, t := range n.tasks {
		g.Go(func() error {
			if err := n.doLayer(ctx, t, reading, writing); err != nil {
				return fmt.Errorf("layer %s: %w", t.desc.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// acquire takes one of the places of sem; give it back by receiving.
func acquire(ctx context.Context, sem chan struct{}) error {
	select {
	case sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *normalizer) doLayer(ctx context.Context, t *layerTask, reading, writing chan struct{}) error {
	b, err := t.from.blob(t.desc.Digest)
	if err != nil {
		return err
	}
	defer b.Close()
	if b.Size() != t.desc.Size {
		return fmt.Errorf("%d bytes, its descriptor says %d", b.Size(), t.desc.Size)
	}
	if t.how == copyBlob {
		return n.copyLayer(ctx, t, b.SectionReader)
	}
	if err := acquire(ctx, reading); err != nil {
		return err
	}
	u, err := n.unpack(ctx, t, b.SectionReader)
	<-reading
	if err != nil {
		return err
	}
	defer u.Close()
	if err := acquire(ctx, writing); err != nil {
		return err
	}
	defer func() { <-writing }()
	return n.writeLayer(t, func(w io.Writer) error {
		if t.how == compress {
			_, err := io.Copy(w, struct{ io.Reader }{u.tar})
			return err
		}
		return u.writeTar(ctx, w)
	})
}

// copyLayer copies a blob as it is and verifies it.
func (n *normalizer) copyLayer(ctx context.Context, t *layerTask, b *io.SectionReader) error {
	w, err := n.out.create(true)
	if err != nil {
		return err
	}
	defer w.abort()
	if err := layer.CopyExactly(ctx, w, b, b.Size(), make([]byte, 1<<20)); err != nil {
		return err
	}
	d, err := w.commit("")
	if err != nil {
		return err
	}
	if d != t.desc.Digest {
		return digestError(t.desc.Digest, d)
	}
	t.out = layer.Layer{Desc: t.desc, DiffID: t.diffID}
	return nil
}

// writeLayer writes a layer of what content writes.
func (n *normalizer) writeLayer(t *layerTask, content func(w io.Writer) error) error {
	c := n.opt.Compression
	w, err := n.out.create(c != layer.None)
	if err != nil {
		return err
	}
	defer w.abort()
	enc, err := layer.NewEncoder(w, c)
	if err != nil {
		return err
	}
	err = content(enc)
	if cerr := enc.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	t.out.DiffID = enc.DiffID()
	d, err := w.commit(t.out.DiffID)
	if err != nil {
		return err
	}
	t.out.Desc = ocispec.Descriptor{MediaType: c.MediaType(), Digest: d, Size: w.size}
	return nil
}

// unpacked is an uncompressed layer, indexed if it is to be rewritten.
type unpacked struct {
	*contents
	spool *spool
}

func (u *unpacked) Close() error {
	err := u.contents.Close()
	if u.spool != nil {
		err = errors.Join(err, u.spool.Close())
	}
	return err
}

// unpack decompresses and indexes a layer, and verifies digest and diff ID.
func (n *normalizer) unpack(ctx context.Context, t *layerTask, b *io.SectionReader) (*unpacked, error) {
	c, err := sniff(b)
	if err != nil {
		return nil, err
	}
	u := &unpacked{contents: &contents{tar: b}}
	var g errgroup.Group
	if c == layer.None {
		// Nothing to unpack: the blob is read where it is, while it is hashed.
		g.Go(func() error { return n.verifyPlain(t, b) })
	} else {
		if err := n.decompress(ctx, t, b, u); err != nil {
			u.Close()
			return nil, err
		}
	}
	if t.how == rewrite {
		var scanned *contents
		if scanned, err = scan(ctx, u.tar, n.opt.Epoch, n.out.tmp); err == nil {
			u.contents, t.dropped = scanned, scanned.dropped
		}
	}
	if err := errors.Join(err, g.Wait()); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

func (n *normalizer) verifyPlain(t *layerTask, b *io.SectionReader) error {
	got, err := hashSection(b)
	if err != nil {
		return err
	}
	if got != t.desc.Digest {
		return digestError(t.desc.Digest, got)
	}
	return checkDiffID(t, got)
}

// decompress writes the content of b to u's spool.
func (n *normalizer) decompress(ctx context.Context, t *layerTask, b *io.SectionReader, u *unpacked) error {
	var err error
	if u.spool, err = newSpool(n.out.tmp); err != nil {
		return err
	}
	blob := sha256.New()
	tee := io.TeeReader(contextReader{ctx, io.NewSectionReader(b, 0, b.Size())}, blob)
	content, _, err := layer.NewDecompressor(tee)
	if err != nil {
		return err
	}
	defer content.Close()
	enc, err := layer.NewEncoder(u.spool, layer.None) // for its concurrent hash and writer
	if err != nil {
		return err
	}
	_, err = io.Copy(enc, content)
	if cerr := enc.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return err
	}
	if got := digest.NewDigest(digest.SHA256, blob); got != t.desc.Digest {
		return digestError(t.desc.Digest, got)
	}
	u.tar = io.NewSectionReader(u.spool, 0, u.spool.size)
	return checkDiffID(t, enc.DiffID())
}

func checkDiffID(t *layerTask, got digest.Digest) error {
	if got == t.diffID {
		return nil
	}
	return fault.Hint(fmt.Errorf("its content has the digest %s, the config says %s", got, t.diffID),
		"the image was damaged or put together wrongly; get it again")
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// noteDropped lists the extended attributes that are gone.
func (n *normalizer) noteDropped() {
	total := map[string]int{}
	for _, t := range n.tasks {
		for name, count := range t.dropped {
			total[name] += count
		}
	}
	for _, name := range slices.Sorted(maps.Keys(total)) {
		n.drop(fmt.Sprintf("extended attribute %s of %d files", name, total[name]))
	}
}
