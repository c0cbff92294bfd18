package image

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// document is the config of an image as it is written: what OCI and Docker's
// image format have, without history and author.
type document struct {
	Created *time.Time `json:"created,omitempty"`
	ocispec.Platform
	Config documentConfig `json:"config"`
	RootFS ocispec.RootFS `json:"rootfs"`
}

type documentConfig struct {
	ocispec.ImageConfig
	Healthcheck *healthcheck `json:",omitempty"`
	OnBuild     []string     `json:",omitempty"`
	Shell       []string     `json:",omitempty"`
}

// healthcheck is Docker's; times are in nanoseconds.
type healthcheck struct {
	Test          []string `json:",omitempty"`
	Interval      int64    `json:",omitempty"`
	Timeout       int64    `json:",omitempty"`
	StartPeriod   int64    `json:",omitempty"`
	StartInterval int64    `json:",omitempty"`
	Retries       int      `json:",omitempty"`
}

// CanonicalConfig returns a config as Write would have written it, for other
// layers: fields that neither OCI nor Docker's image format knows go, and so do
// history and author; created is the epoch, or goes if that is 0.
func CanonicalConfig(config []byte, diffIDs []digest.Digest, epoch int64) ([]byte, error) {
	var d document
	if err := parse(config, MaxConfig, &d); err != nil {
		return nil, fmt.Errorf("parsing image config: %w", err)
	}
	d.Created = created(epoch)
	d.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}
	return Marshal(d)
}

func created(epoch int64) *time.Time {
	if epoch <= 0 {
		return nil
	}
	t := time.Unix(epoch, 0).UTC()
	return &t
}
