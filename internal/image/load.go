package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
)

// ErrNotImage says that a manifest is that of another kind of artifact.
var ErrNotImage = errors.New("not an image")

// Load reads the manifest and config of the image that desc names, and
// verifies both. Where desc names an index, it is the image for desc.Platform,
// or the only one. Layers are not looked at.
func Load(ctx context.Context, st Documents, desc ocispec.Descriptor) (Image, error) {
	if err := ctx.Err(); err != nil {
		return Image{}, context.Cause(ctx)
	}
	img, err := load(st, desc)
	if err != nil {
		return Image{}, fmt.Errorf("loading image %s: %w", desc.Digest, err)
	}
	return img, nil
}

func load(st Documents, desc ocispec.Descriptor) (Image, error) {
	if IsIndex(desc.MediaType) {
		ix, err := LoadIndex(st, desc)
		if err != nil {
			return Image{}, err
		}
		name := desc.Annotations[ocispec.AnnotationRefName]
		if desc, err = choose(ix, desc.Platform); err != nil {
			return Image{}, err
		}
		if name != "" {
			desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		}
	}
	b, err := read(st, desc, MaxManifest)
	if err != nil {
		return Image{}, err
	}
	img := Image{Desc: desc}
	if img.Manifest, err = ParseManifest(b); err != nil {
		return Image{}, err
	}
	if t := img.Manifest.Config.MediaType; ociType(t) != ocispec.MediaTypeImageConfig {
		return Image{}, fmt.Errorf("its config is a %.100s: %w", t, ErrNotImage)
	}
	if kind, ok := foreign(img.Manifest); ok {
		return Image{}, fmt.Errorf("its layers are %.100s: %w", kind, ErrNotImage)
	}
	if b, err = read(st, img.Manifest.Config, MaxConfig); err != nil {
		return Image{}, fmt.Errorf("config: %w", err)
	}
	if img.Config, err = ParseConfig(b); err != nil {
		return Image{}, err
	}
	if l, d := len(img.Manifest.Layers), len(img.Config.RootFS.DiffIDs); l != d {
		return Image{}, fmt.Errorf("%d layers, but its config has %d", l, d)
	}
	p := img.Config.Platform
	img.Desc.Platform = &p
	return img, nil
}

// foreign tells whether a manifest only looks like an image's, as cosign's
// signatures do, and what its layers are instead.
func foreign(m ocispec.Manifest) (string, bool) {
	for _, l := range m.Layers {
		if strings.HasPrefix(l.MediaType, ociLayers) ||
			strings.HasPrefix(l.MediaType, dockerLayers) {
			return "", false
		}
	}
	if len(m.Layers) == 0 {
		return "", false
	}
	return m.Layers[0].MediaType, true
}

// LoadIndex reads the index that desc names, and verifies it.
func LoadIndex(st Documents, desc ocispec.Descriptor) (ocispec.Index, error) {
	b, err := read(st, desc, MaxManifest)
	if err != nil {
		return ocispec.Index{}, err
	}
	return ParseIndex(b)
}

// IsAttestation tells whether desc, in an index, is what BuildKit attaches to
// another manifest of it: provenance or an SBOM.
func IsAttestation(desc ocispec.Descriptor) bool {
	return desc.Annotations["vnd.docker.reference.type"] != "" ||
		desc.Platform != nil && desc.Platform.OS == "unknown" && desc.Platform.Architecture == "unknown"
}

func choose(ix ocispec.Index, want *ocispec.Platform) (ocispec.Descriptor, error) {
	var found []ocispec.Descriptor
	var have []string
	for _, d := range ix.Manifests {
		if IsAttestation(d) || IsIndex(d.MediaType) {
			continue
		}
		p := ocispec.Platform{}
		if d.Platform != nil {
			p = *d.Platform
		}
		have = append(have, PlatformString(p))
		if want == nil || want.OS == p.OS && want.Architecture == p.Architecture && (want.Variant == "" || want.Variant == p.Variant) {
			found = append(found, d)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	err := fmt.Errorf("an index of %d images, %d of them for the platform", len(have), len(found))
	return ocispec.Descriptor{}, fault.Hintf(err, "it has %s; give the digest of one", strings.Join(have, ", "))
}

func read(st Documents, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if err := CheckDescriptor(desc); err != nil {
		return nil, err
	}
	if desc.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than %d", desc.Digest, desc.Size, limit)
	}
	b, err := st.ReadBytes(desc.Digest, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != desc.Size {
		return nil, fmt.Errorf("%s: %d bytes, its descriptor says %d", desc.Digest, len(b), desc.Size)
	}
	return b, nil
}
