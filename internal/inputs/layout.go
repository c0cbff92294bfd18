package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/store"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What index.json of a layout says of each image: which input it is ("builder",
// "runtime/" and a base's name in twice.toml), and of the git input which
// repositories it has.
const (
	annotationInput = "io.github.craton-co.twice.input"
	annotationGit   = "io.github.craton-co.twice.git"
	runtimePrefix   = "runtime/"
)

// Contexts are the inputs that a plan names, by these names.
func (s *Set) Contexts() map[string]ocispec.Descriptor {
	c := map[string]ocispec.Descriptor{"builder": s.Builder.Desc, "source": s.Source.Desc, "vendor": s.Vendor.Desc}
	if len(s.GitRepos) > 0 {
		c["git"], c["gitbuilder"] = s.Git.Desc, s.GitBuilder.Desc
	}
	if s.Repository.Desc.Digest != "" {
		c["repository"] = s.Repository.Desc
	}
	if s.Skeleton.Desc.Digest != "" {
		c["skeleton"] = s.Skeleton.Desc
	}
	if s.Deny.Desc.Digest != "" {
		c["deny"], c["advisories"] = s.Deny.Desc, s.Advisories.Desc
	}
	return c
}

// images are the images of the set by the name of the input, those left out
// that are not composed yet.
func (s *Set) images() map[string]*image.Image {
	all := map[string]*image.Image{
		"builder": &s.Builder, "source": &s.Source, "vendor": &s.Vendor, "git": &s.Git, "gitbuilder": &s.GitBuilder, "repository": &s.Repository,
	}
	for name, im := range s.Runtimes {
		all[runtimePrefix+name] = &im
	}
	maps.DeleteFunc(all, func(_ string, im *image.Image) bool { return im.Desc.Digest == "" })
	return all
}

// Images are the plan's inputs that are composed already, by name.
func (s *Set) Images() map[string]image.Image {
	out := map[string]image.Image{}
	for name, im := range s.images() {
		if !strings.HasPrefix(name, runtimePrefix) {
			out[name] = *im
		}
	}
	return out
}

// WriteLayout writes the set as an OCI layout into dir, which is made or must
// be empty.
func (s *Set) WriteLayout(ctx context.Context, st *store.Store, dir string) error {
	if err := s.unpackable(ctx, st); err != nil {
		return err
	}
	var roots []ocispec.Descriptor
	all := s.images()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d := all[name].Desc
		d.Annotations = maps.Clone(d.Annotations)
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		d.Annotations[annotationInput] = name
		if name == "git" {
			repos, err := json.Marshal(s.GitRepos)
			if err != nil {
				return err
			}
			d.Annotations[annotationGit] = string(repos)
		}
		roots = append(roots, d)
	}
	return image.WriteLayoutOf(ctx, st, roots, dir)
}

// unpackable refuses a builder on an image by digest that can't be unpacked layer
// over layer, as engines without named contexts do it. What Twice composes can.
func (s *Set) unpackable(ctx context.Context, st *store.Store) error {
	on := s.Builder.Manifest.Annotations[ocispec.AnnotationBaseImageDigest]
	if on == "" {
		return nil
	}
	name, err := image.Whiteouts(ctx, st, s.Builder)
	if err == nil && name != "" {
		err = fault.Hint(fmt.Errorf("a layer of it takes %s away, and engines without named contexts unpack layers one over the other", name),
			"build with the command's own engine or with BuildKit, or name a builder image without such layers")
	}
	if err != nil {
		return fmt.Errorf("the builder on %s: %w", on, err)
	}
	return nil
}

// Import brings what a layout has into st, all but the layers of the images that
// a plan names: an engine gets those from the layout itself. open opens a
// file of the layout by its name in it. Every blob is checked by its digest;
// counts are left at zero.
func Import(ctx context.Context, st *store.Store, open func(name string) (io.ReadCloser, error)) (*Set, error) {
	s, err := importSet(ctx, st, open)
	if err != nil {
		return nil, fmt.Errorf("reading inputs: %w", err)
	}
	return s, nil
}

func importSet(ctx context.Context, st *store.Store, open func(name string) (io.ReadCloser, error)) (*Set, error) {
	f, err := open(ocispec.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, image.MaxManifest+1))
	if err != nil {
		return nil, err
	}
	ix, err := image.ParseIndex(text)
	if err != nil {
		return nil, err
	}
	s := &Set{Runtimes: map[string]image.Image{}}
	l := imported{st, open}
	for _, d := range ix.Manifests {
		if err := s.add(ctx, l, d); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Annotations[annotationInput], err)
		}
	}
	return s, nil
}

// add adds the image that an entry of index.json names.
func (s *Set) add(ctx context.Context, l imported, d ocispec.Descriptor) error {
	name, repos := d.Annotations[annotationInput], d.Annotations[annotationGit]
	delete(d.Annotations, annotationInput)
	delete(d.Annotations, annotationGit)
	if len(d.Annotations) == 0 {
		d.Annotations = nil
	}
	im, err := l.image(ctx, d)
	if err != nil {
		return err
	}
	switch name {
	case "builder":
		s.Builder = im
	case "source":
		s.Source = im
	case "vendor":
		s.Vendor = im
	case "gitbuilder":
		s.GitBuilder = im
	case "repository":
		s.Repository = im
	case "git":
		s.Git = im
		if err := json.Unmarshal([]byte(repos), &s.GitRepos); err != nil {
			return fmt.Errorf("the list of repositories: %w", err)
		}
	default:
		base, ok := strings.CutPrefix(name, runtimePrefix)
		if !ok {
			return fmt.Errorf("no input is called %q", name)
		}
		for _, layer := range im.Manifest.Layers {
			if err := l.blob(ctx, layer); err != nil {
				return err
			}
		}
		s.Runtimes[base] = im
	}
	return nil
}

// imported is a layout whose blobs go to a store.
type imported struct {
	st   *store.Store
	open func(name string) (io.ReadCloser, error)
}

func (l imported) image(ctx context.Context, d ocispec.Descriptor) (image.Image, error) {
	if err := l.blob(ctx, d); err != nil {
		return image.Image{}, err
	}
	b, err := l.st.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return image.Image{}, err
	}
	m, err := image.ParseManifest(b)
	if err != nil {
		return image.Image{}, err
	}
	if err := l.blob(ctx, m.Config); err != nil {
		return image.Image{}, err
	}
	return image.Load(ctx, l.st, d)
}

func (l imported) blob(ctx context.Context, d ocispec.Descriptor) error {
	if err := image.CheckDescriptor(d); err != nil {
		return err
	}
	if l.st.Has(d.Digest) {
		return nil
	}
	f, err := l.open(image.BlobPath(d.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = l.st.Put(ctx, f, d.Digest, d.Size)
	return err
}
