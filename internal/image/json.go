package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What a document may be. Registries take manifests of 4 MiB at most.
const (
	MaxManifest = 4 << 20
	MaxConfig   = 8 << 20

	maxLayers    = 1024
	maxManifests = 4096
	maxBlob      = 1 << 40
)

// Marshal returns v as canonical JSON; see the package comment.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ParseManifest parses and checks the manifest of an image, OCI's or Docker's (schema 2).
func ParseManifest(b []byte) (ocispec.Manifest, error) {
	var m struct {
		ocispec.Manifest
		// What other documents have. One that can be read as two is refused.
		Manifests json.RawMessage `json:"manifests"`
		FSLayers  json.RawMessage `json:"fsLayers"`
	}
	if err := parse(b, MaxManifest, &m); err != nil {
		return ocispec.Manifest{}, fmt.Errorf("parsing manifest: %w", err)
	}
	if err := checkManifest(m.Manifest, m.Manifests != nil || m.FSLayers != nil); err != nil {
		return ocispec.Manifest{}, fmt.Errorf("parsing manifest: %w", err)
	}
	return m.Manifest, nil
}

func checkManifest(m ocispec.Manifest, mixed bool) error {
	switch {
	case mixed:
		return errors.New("it has the fields of an index or of a schema 1 manifest")
	case m.SchemaVersion != 2:
		return fmt.Errorf("schema version %d, not 2", m.SchemaVersion)
	case m.MediaType != "" && ociType(m.MediaType) != ocispec.MediaTypeImageManifest:
		return fmt.Errorf("media type %.100q", m.MediaType)
	case len(m.Layers) > maxLayers:
		return fmt.Errorf("%d layers, more than %d", len(m.Layers), maxLayers)
	}
	if err := CheckDescriptor(m.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for i, d := range m.Layers {
		if err := CheckDescriptor(d); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

// ParseIndex parses and checks an index, OCI's or Docker's (manifest list).
func ParseIndex(b []byte) (ocispec.Index, error) {
	var ix struct {
		ocispec.Index
		Config json.RawMessage `json:"config"`
		Layers json.RawMessage `json:"layers"`
	}
	if err := parse(b, MaxManifest, &ix); err != nil {
		return ocispec.Index{}, fmt.Errorf("parsing index: %w", err)
	}
	switch {
	case ix.Config != nil || ix.Layers != nil:
		return ocispec.Index{}, errors.New("parsing index: it has the fields of a manifest")
	case ix.SchemaVersion != 2:
		return ocispec.Index{}, fmt.Errorf("parsing index: schema version %d, not 2", ix.SchemaVersion)
	case ix.MediaType != "" && !IsIndex(ix.MediaType):
		return ocispec.Index{}, fmt.Errorf("parsing index: media type %.100q", ix.MediaType)
	case len(ix.Manifests) > maxManifests:
		return ocispec.Index{}, fmt.Errorf("parsing index: %d manifests, more than %d", len(ix.Manifests), maxManifests)
	}
	for i, d := range ix.Manifests {
		if err := CheckDescriptor(d); err != nil {
			return ocispec.Index{}, fmt.Errorf("parsing index: manifest %d: %w", i+1, err)
		}
	}
	return ix.Index, nil
}

// ParseConfig parses and checks the config of an image.
func ParseConfig(b []byte) (ocispec.Image, error) {
	var c ocispec.Image
	if err := parse(b, MaxConfig, &c); err != nil {
		return ocispec.Image{}, fmt.Errorf("parsing image config: %w", err)
	}
	if err := CheckConfig(c); err != nil {
		return ocispec.Image{}, fmt.Errorf("parsing image config: %w", err)
	}
	return c, nil
}

// CheckConfig checks what any reader of a config relies on.
func CheckConfig(c ocispec.Image) error {
	if c.RootFS.Type != "layers" {
		return fmt.Errorf("rootfs type %.100q, not layers", c.RootFS.Type)
	}
	if c.OS == "" || c.Architecture == "" {
		return errors.New("no platform")
	}
	if len(c.RootFS.DiffIDs) > maxLayers {
		return fmt.Errorf("%d layers, more than %d", len(c.RootFS.DiffIDs), maxLayers)
	}
	for i, d := range c.RootFS.DiffIDs {
		if err := checkDigest(d); err != nil {
			return fmt.Errorf("diff ID %d: %w", i+1, err)
		}
	}
	return nil
}

// CheckDescriptor checks digest, size and media type.
func CheckDescriptor(d ocispec.Descriptor) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 || d.Size > maxBlob {
		return fmt.Errorf("%s: size %d", d.Digest, d.Size)
	}
	if d.MediaType == "" {
		return fmt.Errorf("%s: no media type", d.Digest)
	}
	return nil
}

func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%.100q: %w", string(d), err)
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%s: only sha256 digests are handled", d)
	}
	return nil
}

func parse(b []byte, limit int, v any) error {
	if len(b) > limit {
		return fmt.Errorf("%d bytes, more than %d", len(b), limit)
	}
	return json.Unmarshal(b, v)
}
