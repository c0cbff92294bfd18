// Package referrer attaches documents to an image in a registry, and finds and
// reads what others attached.
//
// A document is an OCI image manifest whose subject is the image (or index),
// with an artifact type, OCI's empty config, and one layer of the same media
// type, whose name is its annotation org.opencontainers.image.title. Nothing in
// it depends on who pushes or when: the same document is the same digest.
//
// Registries with OCI's referrers API (distribution specification, v1.1) list
// what refers to an image themselves. For others there is the tag of the
// specification's fallback, sha256-HEX, an index that whoever pushes keeps. Two
// who write that tag at once may lose an entry: it is read again after each
// write, and written again.
//
// What is read is checked by digest, and its size limited. Who wrote it is not
// known: a referrer is anybody's claim, until its signature says more.
package referrer

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What can be attached: artifact types, which are the layers' media types too.
const (
	SBOM      = "application/vnd.cyclonedx+json"
	Statement = "application/vnd.in-toto+json"                  // bare: nobody signed it
	Bundle    = "application/vnd.dev.sigstore.bundle.v0.3+json" // a signed statement
	Verdict   = "application/vnd.craton.twice.verdict.v1+json"
)

// Annotations of a bundle, as cosign writes and looks for them.
const (
	AnnotationContent   = "dev.sigstore.bundle.content"
	AnnotationPredicate = "dev.sigstore.bundle.predicateType"
	ContentDSSE         = "dsse-envelope"
)

// MaxManifest is the size in bytes that every manifest and fallback index must
// stay below; registries have the same limit.
const MaxManifest = 4 << 20

// Errors of reading.
var (
	ErrCorrupt  = errors.New("it is not what its digest says")
	ErrTooLarge = errors.New("it is too large")
)

// Referrer is a document that is attached to an image.
type Referrer struct {
	Type        string            // one of the constants, or another media type
	Title       string            // a file's name; may be empty
	Annotations map[string]string // of the manifest
	Data        []byte
}

// OfBundle is a signed statement about a predicate of that type.
func OfBundle(bundle []byte, predicateType string) Referrer {
	return Referrer{Type: Bundle, Data: bundle, Annotations: map[string]string{AnnotationContent: ContentDSSE, AnnotationPredicate: predicateType}}
}

// emptyConfig is OCI's config of what has none.
var emptyConfig = ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: ocispec.DescriptorEmptyJSON.Digest, Size: 2}

// Manifest is the referrer's manifest and its descriptor, as the referrers API
// lists it. Of subject only media type, digest and size count.
func (r Referrer) Manifest(subject ocispec.Descriptor) ([]byte, ocispec.Descriptor, error) {
	layer := ocispec.Descriptor{MediaType: r.Type, Digest: digest.FromBytes(r.Data), Size: int64(len(r.Data))}
	if r.Title != "" {
		layer.Annotations = map[string]string{ocispec.AnnotationTitle: r.Title}
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: r.Type,
		Config: emptyConfig, Layers: []ocispec.Descriptor{layer},
		Subject:     &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: r.Annotations,
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	if len(text) > MaxManifest {
		return nil, ocispec.Descriptor{}, fmt.Errorf("the manifest of a referrer has %d bytes: %w", len(text), ErrTooLarge)
	}
	return text, ocispec.Descriptor{
		MediaType: m.MediaType, ArtifactType: r.Type, Digest: digest.FromBytes(text), Size: int64(len(text)), Annotations: r.Annotations,
	}, nil
}
