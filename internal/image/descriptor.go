package image

import (
	"encoding/json"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's media types, which have the same content as OCI's.
const (
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerTar      = "application/vnd.docker.image.rootfs.diff.tar"
	dockerGzip     = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	dockerZstd     = "application/vnd.docker.image.rootfs.diff.tar.zstd"
)

// What the media types of layers start with, those that aren't handled included.
const (
	ociLayers    = "application/vnd.oci.image.layer."
	dockerLayers = "application/vnd.docker.image.rootfs."
)

// Describe returns the descriptor of content.
func Describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// OCIDescriptor returns d with OCI's media type and without all that doesn't
// identify it: annotations, platform, URLs, data.
func OCIDescriptor(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ociType(d.MediaType), Digest: d.Digest, Size: d.Size}
}

// IsIndex tells whether a media type is that of an index.
func IsIndex(mediaType string) bool { return ociType(mediaType) == ocispec.MediaTypeImageIndex }

// IsLayer tells whether a media type is that of a layer which package layer reads.
func IsLayer(mediaType string) bool {
	switch ociType(mediaType) {
	case ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd:
		return true
	}
	return false
}

// ociType returns the OCI media type of what Docker has its own for.
func ociType(mediaType string) string {
	switch mediaType {
	case dockerIndex:
		return ocispec.MediaTypeImageIndex
	case dockerManifest:
		return ocispec.MediaTypeImageManifest
	case dockerConfig:
		return ocispec.MediaTypeImageConfig
	case dockerTar:
		return ocispec.MediaTypeImageLayer
	case dockerGzip:
		return ocispec.MediaTypeImageLayerGzip
	case dockerZstd:
		return ocispec.MediaTypeImageLayerZstd
	}
	return mediaType
}

// MediaType returns what a document says it is, else what its fields make it.
// Other readers check that it is nothing else besides.
func MediaType(b []byte) string {
	var doc struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	_ = json.Unmarshal(b, &doc) // its reader says what is wrong with it
	switch {
	case doc.MediaType != "":
		return doc.MediaType
	case doc.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	}
	return ocispec.MediaTypeImageManifest
}
