package normalize

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/distribution/reference"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

const maxImages = 1024

// parseDocker parses the manifest.json of docker save.
func parseDocker(b []byte) ([]dockerImage, error) {
	var images []dockerImage
	if err := json.Unmarshal(b, &images); err != nil {
		return nil, fmt.Errorf("parsing manifest.json: %w", err)
	}
	if len(images) == 0 || len(images) > maxImages {
		return nil, fmt.Errorf("parsing manifest.json: %d images", len(images))
	}
	return images, nil
}

// openDocker makes the manifests that an archive of docker save lacks. Its
// layers are known by diff ID, which for an uncompressed layer is the digest.
func (in *input) openDocker(ix *tarIndex) error {
	in.docker = true
	b, err := ix.read("manifest.json", image.MaxManifest)
	if err != nil {
		return err
	}
	images, err := parseDocker(b)
	if err != nil {
		return err
	}
	blobs := mapSource{}
	in.sources = sources{blobs}
	for _, img := range images {
		desc, err := dockerManifest(ix, img, blobs)
		if err != nil {
			return fmt.Errorf("image %.100s: %w", img.Config, err)
		}
		if len(img.RepoTags) == 0 {
			in.roots = append(in.roots, desc)
		}
		for _, tag := range img.RepoTags {
			ref, err := reference.ParseNormalizedNamed(tag)
			if err != nil {
				return fmt.Errorf("name %.200q: %w", tag, err)
			}
			d := desc
			d.Annotations = map[string]string{
				ocispec.AnnotationRefName: tag,
				image.AnnotationName:      reference.TagNameOnly(ref).String(),
			}
			in.roots = append(in.roots, d)
		}
	}
	return nil
}

func dockerManifest(ix *tarIndex, img dockerImage, blobs mapSource) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	config, err := ix.read(img.Config, image.MaxConfig)
	if err != nil {
		return none, err
	}
	c, err := image.ParseConfig(config)
	if err != nil {
		return none, err
	}
	if len(c.RootFS.DiffIDs) != len(img.Layers) {
		return none, fmt.Errorf("%d layers, but its config has %d", len(img.Layers), len(c.RootFS.DiffIDs))
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: blobs.add(config), Size: int64(len(config))},
	}
	for i, name := range img.Layers {
		f, err := ix.file(name)
		if err != nil {
			return none, err
		}
		l := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: c.RootFS.DiffIDs[i], Size: f.Size()}
		compression, err := sniff(f)
		if err != nil {
			return none, err
		}
		if compression != layer.None {
			l.MediaType = compression.MediaType()
			if l.Digest, err = hashSection(f); err != nil {
				return none, err
			}
		}
		blobs[l.Digest] = f
		m.Layers = append(m.Layers, l)
	}
	manifest, err := image.Marshal(m)
	if err != nil {
		return none, err
	}
	if len(manifest) > image.MaxManifest {
		return none, errors.New("too many layers")
	}
	return ocispec.Descriptor{MediaType: m.MediaType, Digest: blobs.add(manifest), Size: int64(len(manifest))}, nil
}

// sniff tells how a section is compressed.
func sniff(f *io.SectionReader) (layer.Compression, error) {
	r, c, err := layer.NewDecompressor(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return "", err
	}
	return c, r.Close()
}
