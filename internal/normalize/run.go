package normalize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
)

type normalizer struct {
	opt   Options
	in    *input
	out   *output
	res   Result
	bases []io.Closer

	roots []*rootTask
	tasks []*layerTask
	known map[layerKey]*layerTask
	extra []digest.Digest // blobs of bases that no root reaches

	copied map[digest.Digest]bool // documents of bases that stay, with all they name
}

type layerKey struct {
	digest, diffID digest.Digest
	how            treatment
}

// rootTask is what index.json names: one image or an index of several.
type rootTask struct {
	desc    ocispec.Descriptor
	names   []map[string]string // the annotations of each descriptor in index.json
	images  []*imageTask
	dropped []string
	keep    bool // it is a base: untouched
	seen    map[digest.Digest]bool
}

type imageTask struct {
	image.Image
	platform ocispec.Platform // with the variant that only an index may know
	base     *base
	layers   []*layerTask
	result   int // in Result.Images
}

func (n *normalizer) close() {
	for _, c := range n.bases {
		c.Close()
	}
}

func (n *normalizer) run(ctx context.Context) error {
	n.known = map[layerKey]*layerTask{}
	n.copied = map[digest.Digest]bool{}
	if err := n.loadRoots(ctx); err != nil {
		return err
	}
	if err := n.findBases(ctx); err != nil {
		return err
	}
	for _, r := range n.roots {
		if !r.keep {
			n.drop(r.dropped...)
		}
		for _, img := range r.images {
			n.plan(r, img)
		}
	}
	if err := n.doLayers(ctx); err != nil {
		return err
	}
	n.noteDropped()
	for _, r := range n.roots {
		after, err := n.writeRoot(ctx, r)
		if err != nil {
			return err
		}
		for _, names := range r.names {
			d := after
			d.Annotations = names
			if !slices.ContainsFunc(n.res.Roots, func(o ocispec.Descriptor) bool { return compareRoots(o, d) == 0 }) {
				n.res.Roots = append(n.res.Roots, d)
			}
		}
	}
	slices.SortFunc(n.res.Roots, compareRoots)
	return nil
}

// compareRoots is the order of index.json.
func compareRoots(a, b ocispec.Descriptor) int {
	var p, q ocispec.Platform
	if a.Platform != nil {
		p = *a.Platform
	}
	if b.Platform != nil {
		q = *b.Platform
	}
	return cmp.Or(
		cmp.Compare(a.Annotations[ocispec.AnnotationRefName], b.Annotations[ocispec.AnnotationRefName]),
		cmp.Compare(a.Annotations[image.AnnotationName], b.Annotations[image.AnnotationName]),
		image.ComparePlatforms(p, q),
		cmp.Compare(a.Digest, b.Digest),
	)
}

func (n *normalizer) drop(what ...string) {
	for _, s := range what {
		if !slices.Contains(n.res.Dropped, s) {
			n.res.Dropped = append(n.res.Dropped, s)
		}
	}
}

// nameAnnotations returns what index.json may say of a root: its names.
func nameAnnotations(d ocispec.Descriptor) map[string]string {
	a := map[string]string{}
	for _, k := range []string{ocispec.AnnotationRefName, image.AnnotationName} {
		if v := d.Annotations[k]; v != "" {
			a[k] = v
		}
	}
	return a
}

func (n *normalizer) loadRoots(ctx context.Context) error {
	for _, d := range n.in.roots {
		i := slices.IndexFunc(n.roots, func(r *rootTask) bool { return r.desc.Digest == d.Digest })
		if i < 0 {
			r := &rootTask{desc: d, seen: map[digest.Digest]bool{}}
			if err := n.loadRoot(ctx, r, d, 0); err != nil {
				return err
			}
			if len(r.images) == 0 {
				n.drop(r.dropped...)
				continue
			}
			i = len(n.roots)
			n.roots = append(n.roots, r)
		}
		n.roots[i].names = append(n.roots[i].names, nameAnnotations(d))
	}
	if len(n.roots) == 0 {
		return errors.New("it holds no image")
	}
	return nil
}

// maxNesting is how deep indexes may lie in indexes.
const maxNesting = 4

func (n *normalizer) loadRoot(ctx context.Context, r *rootTask, d ocispec.Descriptor, depth int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if image.IsAttestation(d) {
		r.dropped = append(r.dropped, fmt.Sprintf("attestation %s", d.Digest))
		return nil
	}
	if r.seen[d.Digest] { // else indexes could name each other without end
		return nil
	}
	r.seen[d.Digest] = true
	docs := documents{n.in}
	if image.IsIndex(d.MediaType) {
		if depth == maxNesting {
			return fmt.Errorf("index %s: more than %d levels of indexes", d.Digest, maxNesting)
		}
		ix, err := image.LoadIndex(docs, d)
		if err != nil {
			return fmt.Errorf("index %s: %w", d.Digest, err)
		}
		for _, m := range ix.Manifests {
			if err := n.loadRoot(ctx, r, m, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	img, err := image.Load(ctx, docs, d)
	if errors.Is(err, image.ErrNotImage) {
		r.dropped = append(r.dropped, fmt.Sprintf("%s, which is no image", d.Digest))
		return nil
	}
	if err != nil {
		return err
	}
	t, err := newImageTask(img, d.Platform)
	if err != nil {
		return fmt.Errorf("image %s: %w", d.Digest, err)
	}
	r.images = append(r.images, t)
	return nil
}

func newImageTask(img image.Image, hint *ocispec.Platform) (*imageTask, error) {
	t := &imageTask{Image: img, platform: img.Config.Platform}
	if t.platform.OS == "windows" {
		return nil, errors.New("an image for Windows, whose layers are of another kind")
	}
	if t.platform.Variant == "" && hint != nil && hint.Architecture == t.platform.Architecture {
		t.platform.Variant = hint.Variant
	}
	for _, l := range img.Manifest.Layers {
		if !image.IsLayer(l.MediaType) {
			return nil, fault.Hint(fmt.Errorf("layer %s: unknown media type %.100q", l.Digest, l.MediaType),
				"tar layers, uncompressed or compressed by gzip or zstd, can be normalized")
		}
	}
	return t, nil
}

// plan decides what is to be done with each layer of an image.
func (n *normalizer) plan(r *rootTask, img *imageTask) {
	res := Image{Platform: image.PlatformString(img.platform), Before: img.Desc.Digest}
	if n.in.docker {
		res.Before = img.Manifest.Config.Digest
	}
	if img.base != nil {
		res.Base = img.base.digest
	}
	for i, desc := range img.Manifest.Layers {
		t := &layerTask{desc: image.OCIDescriptor(desc), diffID: img.Config.RootFS.DiffIDs[i], from: n.in}
		if r.keep {
			t.desc, t.how = desc, copyBlob
		} else if img.base != nil && i < len(img.base.Config.RootFS.DiffIDs) {
			img.base.take(t, i, n.in.docker)
		}
		key := layerKey{t.desc.Digest, t.diffID, t.how}
		if have, ok := n.known[key]; ok {
			t = have
		} else {
			n.known[key] = t
			n.tasks = append(n.tasks, t)
		}
		img.layers = append(img.layers, t)
	}
	for _, a := range r.names {
		if name := cmp.Or(a[image.AnnotationName], a[ocispec.AnnotationRefName]); name != "" {
			res.Names = append(res.Names, name)
		}
	}
	img.result = len(n.res.Images)
	n.res.Images = append(n.res.Images, res)
}
