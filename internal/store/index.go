package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Tag gives desc a name in index.json, in place of what had that name.
func (s *Store) Tag(ctx context.Context, name string, desc ocispec.Descriptor) error {
	if name == "" {
		return fmt.Errorf("tagging %s: empty name", desc.Digest)
	}
	if err := check(desc.Digest); err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	unlock, err := s.lockIndex(ctx)
	if err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	defer unlock()
	ix, err := s.index()
	if err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	annotations := map[string]string{ocispec.AnnotationRefName: name}
	for k, v := range desc.Annotations {
		if k != ocispec.AnnotationRefName {
			annotations[k] = v
		}
	}
	desc.Annotations = annotations
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool { return refName(d) == name })
	ix.Manifests = append(ix.Manifests, desc)
	slices.SortStableFunc(ix.Manifests, func(a, b ocispec.Descriptor) int { return strings.Compare(refName(a), refName(b)) })
	b, err := json.Marshal(ix)
	if err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	if err := s.replace(s.file(ocispec.ImageIndexFile), b); err != nil {
		return fmt.Errorf("tagging %s: %w", name, err)
	}
	return nil
}

// Resolve returns what Tag gave the name. The error wraps fs.ErrNotExist
// where there is nothing of that name.
func (s *Store) Resolve(name string) (ocispec.Descriptor, error) {
	ix, err := s.index()
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("resolving %s: %w", name, err)
	}
	for _, d := range ix.Manifests {
		if refName(d) != name {
			continue
		}
		if err := check(d.Digest); err != nil {
			return ocispec.Descriptor{}, fmt.Errorf("resolving %s: %w", name, err)
		}
		return d, nil
	}
	return ocispec.Descriptor{}, fmt.Errorf("resolving %s: %w", name, fs.ErrNotExist)
}

func (s *Store) index() (ocispec.Index, error) {
	b, err := readSmall(s.file(ocispec.ImageIndexFile))
	if err != nil {
		return ocispec.Index{}, err
	}
	ix := emptyIndex()
	if err := json.Unmarshal(b, &ix); err != nil {
		return ocispec.Index{}, fmt.Errorf("parsing %s: %w", ocispec.ImageIndexFile, err)
	}
	return ix, nil
}

func emptyIndex() ocispec.Index {
	return ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{},
	}
}

func refName(d ocispec.Descriptor) string { return d.Annotations[ocispec.AnnotationRefName] }

// DropBroken takes those names out of index.json whose blobs, or what those
// name, are no longer in the store.
func (s *Store) DropBroken(ctx context.Context) error {
	unlock, err := s.lockIndex(ctx)
	if err != nil {
		return fmt.Errorf("dropping names: %w", err)
	}
	defer unlock()
	ix, err := s.index()
	if err != nil {
		return fmt.Errorf("dropping names: %w", err)
	}
	n := len(ix.Manifests)
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool { return !s.whole(d, 0) })
	if len(ix.Manifests) == n {
		return nil
	}
	b, err := json.Marshal(ix)
	if err == nil {
		err = s.replace(s.file(ocispec.ImageIndexFile), b)
	}
	if err != nil {
		return fmt.Errorf("dropping names: %w", err)
	}
	return nil
}

// whole tells whether a blob is there with all that it names.
func (s *Store) whole(d ocispec.Descriptor, depth int) bool {
	if !s.Has(d.Digest) {
		return false
	}
	switch d.MediaType {
	case ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json":
	default:
		return true
	}
	var m struct {
		Config    *ocispec.Descriptor
		Layers    []ocispec.Descriptor
		Manifests []ocispec.Descriptor
	}
	b, err := s.ReadBytes(d.Digest, 16<<20)
	if err != nil || json.Unmarshal(b, &m) != nil || depth > 4 {
		return false
	}
	if m.Config != nil && !s.whole(*m.Config, depth+1) {
		return false
	}
	for _, x := range append(m.Layers, m.Manifests...) {
		if !s.whole(x, depth+1) {
			return false
		}
	}
	return true
}
