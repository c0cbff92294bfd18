package image

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// AnnotationName is where containerd and Docker look for the whole name of an
// image in index.json; org.opencontainers.image.ref.name may be a tag only.
const AnnotationName = "io.containerd.image.name"

// WriteLayout writes what desc names as an OCI layout into dir, which is made
// or must be empty. name may be "".
func WriteLayout(ctx context.Context, st Blobs, desc ocispec.Descriptor, dir, name string) error {
	t, err := namedTree(st, desc, name, false)
	if err == nil {
		err = unpack(ctx, t, dir)
	}
	if err != nil {
		return fmt.Errorf("writing OCI layout: %w", err)
	}
	return nil
}

// WriteLayoutOf is WriteLayout for several images or indexes: index.json lists
// roots, annotations included, in that order.
func WriteLayoutOf(ctx context.Context, st Blobs, roots []ocispec.Descriptor, dir string) error {
	t, err := Tree(st, roots, nil, false)
	if err == nil {
		err = unpack(ctx, t, dir)
	}
	if err != nil {
		return fmt.Errorf("writing OCI layout: %w", err)
	}
	return nil
}

// WriteArchive writes what desc names as an archive; see the package comment.
// name may be "", or else is a reference such as "registry/name:tag".
func WriteArchive(ctx context.Context, st Blobs, desc ocispec.Descriptor, w io.Writer, name string) error {
	t, err := namedTree(st, desc, name, true)
	if err == nil {
		err = layer.WriteTar(ctx, w, t)
	}
	if err != nil {
		return fmt.Errorf("writing image archive: %w", err)
	}
	return nil
}

func namedTree(st Blobs, desc ocispec.Descriptor, name string, docker bool) (*layer.Tree, error) {
	desc.Annotations = nil
	if name != "" {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return nil, fault.Hint(fmt.Errorf("name %q: %w", name, err), "names look like registry/name:tag")
		}
		desc.Annotations = map[string]string{
			ocispec.AnnotationRefName: name,
			AnnotationName:            reference.TagNameOnly(ref).String(),
		}
	}
	return Tree(st, []ocispec.Descriptor{desc}, nil, docker)
}

// Tree returns the files of an OCI layout whose index.json holds roots, in
// that order: its blobs are all that roots and extra reach. With docker there is a
// manifest.json too, if every root is an image.
func Tree(st Blobs, roots []ocispec.Descriptor, extra []digest.Digest, docker bool) (*layer.Tree, error) {
	t := layer.NewTree()
	l := layoutTree{st: st, t: t, docker: docker}
	for _, d := range roots {
		if err := l.add(d, 0); err != nil {
			return nil, err
		}
	}
	for _, d := range extra {
		if err := l.blob(d, -1); err != nil {
			return nil, err
		}
	}
	index, err := Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: roots,
	})
	if err != nil {
		return nil, err
	}
	layout, err := Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	files := []layer.Entry{
		layer.File(ocispec.ImageIndexFile, 0o644, 0, index),
		layer.File(ocispec.ImageLayoutFile, 0o644, 0, layout),
	}
	if l.docker {
		manifest, err := Marshal(l.images)
		if err != nil {
			return nil, err
		}
		files = append(files, layer.File("manifest.json", 0o644, 0, manifest))
	}
	for _, f := range files {
		if err := t.Add(f); err != nil {
			return nil, err
		}
	}
	return t, nil
}

type layoutTree struct {
	st     Blobs
	t      *layer.Tree
	docker bool
	images []dockerImage
}

// dockerImage is an entry of manifest.json, as docker save writes it.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// maxNesting is how deep indexes may lie in indexes.
const maxNesting = 4

func (l *layoutTree) add(root ocispec.Descriptor, depth int) error {
	if !IsIndex(root.MediaType) {
		return l.image(root)
	}
	if _, ok := l.t.Get(BlobPath(root.Digest)); ok {
		return nil // with all it names
	}
	if depth == maxNesting {
		return fmt.Errorf("%s: more than %d levels of indexes", root.Digest, maxNesting)
	}
	l.docker = false
	ix, err := LoadIndex(l.st, root)
	if err != nil {
		return err
	}
	for _, d := range ix.Manifests {
		if err := l.add(d, depth+1); err != nil {
			return err
		}
	}
	return l.blob(root.Digest, root.Size)
}

func (l *layoutTree) image(desc ocispec.Descriptor) error {
	b, err := read(l.st, desc, MaxManifest)
	if err != nil {
		return err
	}
	m, err := ParseManifest(b)
	if err != nil {
		return err
	}
	d := dockerImage{Config: BlobPath(m.Config.Digest), Layers: []string{}}
	if tag := repoTag(desc); tag != "" {
		d.RepoTags = []string{tag}
	}
	for _, b := range m.Layers {
		d.Layers = append(d.Layers, BlobPath(b.Digest))
	}
	if i := slices.IndexFunc(l.images, func(o dockerImage) bool { return o.Config == d.Config }); i >= 0 {
		l.images[i].RepoTags = append(l.images[i].RepoTags, d.RepoTags...)
	} else {
		l.images = append(l.images, d)
	}
	for _, b := range append([]ocispec.Descriptor{desc, m.Config}, m.Layers...) {
		if err := l.blob(b.Digest, b.Size); err != nil {
			return err
		}
	}
	return nil
}

// repoTag is the name that docker load gives the image.
func repoTag(desc ocispec.Descriptor) string {
	ref, err := reference.ParseNormalizedNamed(desc.Annotations[AnnotationName])
	if err != nil {
		return ""
	}
	return reference.FamiliarString(reference.TagNameOnly(ref))
}

// blob adds a blob. size is -1 if no descriptor says it.
func (l *layoutTree) blob(d digest.Digest, size int64) error {
	f, err := l.st.Open(d)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	f.Close()
	if err != nil {
		return err
	}
	if size >= 0 && fi.Size() != size {
		return fmt.Errorf("%s: %d bytes, its descriptor says %d", d, fi.Size(), size)
	}
	return l.t.Add(layer.Entry{
		Path: BlobPath(d), Type: tar.TypeReg, Mode: 0o644, Size: fi.Size(),
		Open: func() (io.ReadCloser, error) { return openVerified(l.st, d) },
	})
}

// BlobPath is where a layout has a blob, with slashes.
func BlobPath(d digest.Digest) string {
	return strings.Join([]string{ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded()}, "/")
}
