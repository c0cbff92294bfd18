// Package image writes and reads OCI images in canonical form.
//
// # JSON
//
// Manifests, configs and indexes are compact JSON: fields in the order of the
// ocispec types, sorted map keys, no HTML escaping, no line feed at the end.
//
// # Config
//
// A config has no history, no author and, unless an epoch is given, no created:
// all are optional in OCI, none of them changes what runs, and what they tell
// is told by provenance. Its created is the epoch in UTC.
//
// An image on a base inherits what Dockerfiles let it inherit: environment,
// ports and labels are merged; user, working directory, entrypoint and command
// are the base's unless given (an entrypoint of its own drops the base's
// command); volumes and stop signal are the base's. The fields that
// Docker adds to OCI (Healthcheck, OnBuild, Shell) are not inherited.
//
// # Manifest
//
// A manifest has OCI media types, the base's layers first and
// untouched, then the image's own, and the annotations given. With a base,
// org.opencontainers.image.base.digest is its digest and, where its descriptor
// has one, org.opencontainers.image.base.name its name.
//
// # Layout and archive
//
// A layout's index.json names one manifest or index. An archive is the tar of
// the layout, canonical as layer.WriteTar has it (modes 0644 and 0755, times
// 0), and for a single image holds a manifest.json too, so that docker load
// takes it. Blobs are verified as they are copied.
package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// Config is what an image adds to its base.
type Config struct {
	User, WorkingDir     string
	Env, Entrypoint, Cmd []string
	ExposedPorts         []string // "8080/tcp"
	Labels               map[string]string
	Platform             ocispec.Platform // zero: the base's
	Annotations          map[string]string
	Epoch                int64 // seconds since 1970; 0: no created
}

// Image is one image for one platform.
type Image struct {
	Desc     ocispec.Descriptor // of the manifest, with the platform
	Manifest ocispec.Manifest
	Config   ocispec.Image
}

// Documents is where manifests, configs and indexes are.
type Documents interface {
	ReadBytes(d digest.Digest, max int64) ([]byte, error) // verified
}

// Blobs is where all blobs of an image are; a *store.Store is one.
type Blobs interface {
	Documents
	Open(d digest.Digest) (*os.File, error)
}

// Write writes the manifest and config of an image into st, which has its
// layers. base may be nil.
func Write(ctx context.Context, st *store.Store, base *Image, layers []layer.Layer, cfg Config) (Image, error) {
	img := Image{
		Manifest: ocispec.Manifest{
			Versioned:   specs.Versioned{SchemaVersion: 2},
			MediaType:   ocispec.MediaTypeImageManifest,
			Layers:      []ocispec.Descriptor{},
			Annotations: map[string]string{},
		},
		Config: ocispec.Image{RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}},
	}
	if base != nil {
		img.onto(base)
	}
	if err := img.configure(base, cfg); err != nil {
		return Image{}, fmt.Errorf("writing image: %w", err)
	}
	for _, l := range layers {
		if err := errors.Join(CheckDescriptor(l.Desc), checkDigest(l.DiffID)); err != nil {
			return Image{}, fmt.Errorf("writing image: layer: %w", err)
		}
		img.Manifest.Layers = append(img.Manifest.Layers, OCIDescriptor(l.Desc))
		img.Config.RootFS.DiffIDs = append(img.Config.RootFS.DiffIDs, l.DiffID)
	}
	if err := img.put(ctx, st); err != nil {
		return Image{}, fmt.Errorf("writing image: %w", err)
	}
	return img, nil
}

// onto starts img with what base is.
func (img *Image) onto(base *Image) {
	for _, d := range base.Manifest.Layers {
		img.Manifest.Layers = append(img.Manifest.Layers, OCIDescriptor(d))
	}
	img.Manifest.Annotations[ocispec.AnnotationBaseImageDigest] = base.Desc.Digest.String()
	if name := base.Desc.Annotations[ocispec.AnnotationRefName]; name != "" {
		img.Manifest.Annotations[ocispec.AnnotationBaseImageName] = name
	}
	img.Config.Platform = base.Config.Platform
	img.Config.RootFS.DiffIDs = slices.Clone(base.Config.RootFS.DiffIDs)
	c := base.Config.Config
	img.Config.Config = ocispec.ImageConfig{
		User: c.User, WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
		Env: slices.Clone(c.Env), Entrypoint: slices.Clone(c.Entrypoint), Cmd: slices.Clone(c.Cmd),
		ExposedPorts: maps.Clone(c.ExposedPorts), Volumes: maps.Clone(c.Volumes), Labels: maps.Clone(c.Labels),
	}
}

func (img *Image) configure(base *Image, cfg Config) error {
	if p := cfg.Platform; p.OS != "" || p.Architecture != "" {
		if base != nil && (p.OS != base.Config.OS || p.Architecture != base.Config.Architecture) {
			return fmt.Errorf("platform %s, but its base is for %s", PlatformString(p), PlatformString(base.Config.Platform))
		}
		img.Config.Platform = p
	}
	if img.Config.OS == "" || img.Config.Architecture == "" {
		return errors.New("no platform given")
	}
	if cfg.Epoch < 0 {
		return fmt.Errorf("epoch %d is before 1970", cfg.Epoch)
	}
	img.Config.Created = created(cfg.Epoch)
	c := &img.Config.Config
	if cfg.User != "" {
		c.User = cfg.User
	}
	if cfg.WorkingDir != "" {
		c.WorkingDir = cfg.WorkingDir
	}
	if cfg.Entrypoint != nil {
		c.Entrypoint, c.Cmd = cfg.Entrypoint, nil
	}
	if cfg.Cmd != nil {
		c.Cmd = cfg.Cmd
	}
	for _, kv := range cfg.Env {
		c.Env = setEnv(c.Env, kv)
	}
	for _, p := range cfg.ExposedPorts {
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[p] = struct{}{}
	}
	if len(cfg.Labels) > 0 && c.Labels == nil {
		c.Labels = map[string]string{}
	}
	maps.Copy(c.Labels, cfg.Labels)
	maps.Copy(img.Manifest.Annotations, cfg.Annotations)
	return nil
}

// setEnv replaces a variable in its place, or appends it.
func setEnv(env []string, kv string) []string {
	key, _, _ := strings.Cut(kv, "=")
	for i, old := range env {
		if k, _, _ := strings.Cut(old, "="); k == key {
			env[i] = kv
			return env
		}
	}
	return append(env, kv)
}

// put writes config and manifest and completes the descriptors.
func (img *Image) put(ctx context.Context, st *store.Store) error {
	config, err := Marshal(img.Config)
	if err != nil {
		return err
	}
	img.Manifest.Config = Describe(ocispec.MediaTypeImageConfig, config)
	if _, err := st.PutBytes(ctx, config); err != nil {
		return err
	}
	manifest, err := Marshal(img.Manifest)
	if err != nil {
		return err
	}
	img.Desc = Describe(ocispec.MediaTypeImageManifest, manifest)
	p := img.Config.Platform
	img.Desc.Platform = &p
	_, err = st.PutBytes(ctx, manifest)
	return err
}

// PlatformString returns a platform as "linux/arm/v7".
func PlatformString(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
