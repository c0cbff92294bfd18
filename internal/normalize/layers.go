package normalize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

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

// atOnce is how many layers are in work at a time. Each has its own pipeline of
// decompressing, hashing, rewriting and compressing; two of them fill what the
// slowest stage of one leaves idle.
const atOnce = 2

func (n *normalizer) doLayers(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, t := range n.tasks {
		g.Go(func() error {
			if err := n.doLayer(ctx, t); err != nil {
				return fmt.Errorf("layer %s: %w", t.desc.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (n *normalizer) doLayer(ctx context.Context, t *layerTask) error {
	b, err := t.from.blob(t.desc.Digest)
	if err != nil {
		return err
	}
	defer b.Close()
	if b.Size() != t.desc.Size {
		return fmt.Errorf("%d bytes, its descriptor says %d", b.Size(), t.desc.Size)
	}
	switch t.how {
	case copyBlob:
		return n.copyLayer(ctx, t, b.SectionReader)
	case compress:
		err = n.streamLayer(ctx, t, b.SectionReader, func(w io.Writer, r io.Reader) error {
			_, err := io.Copy(w, r)
			return err
		})
	case rewrite:
		err = n.streamLayer(ctx, t, b.SectionReader, func(w io.Writer, r io.Reader) (err error) {
			t.dropped, err = rewriteStream(ctx, w, r, n.opt.Epoch)
			return err
		})
		if errors.Is(err, errUnordered) {
			err = n.sortLayer(ctx, t, b.SectionReader)
		}
	}
	if err != nil && ctx.Err() == nil {
		// A layer that is damaged fails anywhere; say that it is.
		if got, herr := hashSection(b.SectionReader); herr == nil && got != t.desc.Digest {
			return digestError(t.desc.Digest, got)
		}
	}
	return err
}

// streamLayer writes a layer in one pass. It is in its place only if it
// turns out to be what its digests say.
func (n *normalizer) streamLayer(ctx context.Context, t *layerTask, b *io.SectionReader, content func(w io.Writer, r io.Reader) error) error {
	p, err := newPump(ctx, t, b)
	if err != nil {
		return err
	}
	defer p.close()
	return n.writeLayer(t, func(w io.Writer) error {
		if err := content(w, p); err != nil {
			return err
		}
		return p.finish()
	})
}

// sortLayer writes a layer whose entries are in any order: it has to be read
// to its end, and then anywhere.
func (n *normalizer) sortLayer(ctx context.Context, t *layerTask, b *io.SectionReader) error {
	p, err := newPump(ctx, t, b)
	if err != nil {
		return err
	}
	defer p.close()
	if !p.plain {
		s, err := newSpool(n.out.tmp)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := io.CopyBuffer(s, struct{ io.Reader }{p}, make([]byte, chunkSize)); err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		b = io.NewSectionReader(s, 0, s.size)
	}
	if err := p.finish(); err != nil {
		return err
	}
	c, err := scan(ctx, b, n.opt.Epoch, n.out.tmp)
	if err != nil {
		return err
	}
	defer c.Close()
	t.dropped = c.dropped
	return n.writeLayer(t, func(w io.Writer) error { return c.writeTar(ctx, w) })
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
