// Package compose makes images out of Debian packages, without running
// anything: no maintainer script, no dpkg, no chroot. What the scripts would
// have done stands in the image's definition (package images).
//
// # From packages to a tree
//
// The tree is a function of the definition, the lock and the packages, and not
// of the order in which packages are unpacked:
//
//   - /bin, /sbin, /lib, /lib32, /lib64 and /libx32 are links into /usr, as on
//     every bookworm system; what a package ships below them lies below /usr.
//   - A file that two packages ship is an error, unless the control file of
//     one says that it Replaces the other: then it is that one's.
//   - A directory's mode and owner are base-files' if it ships it, else those
//     of the first package by name.
//   - Owners, modes and links are the packages'. Times are the packages', but
//     never after the date of the lock's release file. What the composer makes
//     itself is of time 0.
//   - Patterns of the definition drop files: manual pages, translations and
//     everything in /usr/share/doc but the copyright files, so that licences
//     stay.
//   - The dpkg database, for SBOM and vulnerability scanners, is either
//     /var/lib/dpkg/status with info/*.list and *.md5sums, or one file a
//     package in /var/lib/dpkg/status.d (the form of distroless images). The
//     md5sums are the packages' and name dropped files still.
//   - There is no ld.so.cache: the loader finds Debian's libraries in its
//     built-in directories.
//
// # Images and memory
//
// A layer once made is remembered in the store under a digest of everything
// that went into it, this package's Version and the compressor's included. So
// making the same image again takes milliseconds, and making it from an empty
// store gives the same digest. File contents are spooled to an unlinked file in
// the store's directory; memory is bounded by the number of files.
package compose

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// Version of the composer: part of every remembered layer's key. Raise it with
// any change to the bytes that the same inputs give.
const Version = 1

// An Input is a layer that the caller has put together: a toolchain, headers,
// sources. Its bytes are a function of Key, Prefix and Epoch: what a tree
// digest does not cover is made constant (owner 0:0, mode 0755 or 0644).
type Input struct {
	// Name says what it is, in error messages.
	Name string
	// Key identifies the content: its layer.TreeDigest, as a lock may hold it.
	// Empty: it is computed, which reads every file.
	Key digest.Digest
	// Prefix is the directory that the tree is put in, "" the root: "usr/local".
	Prefix string
	// Epoch is the time of every entry, in seconds since 1970.
	Epoch int64
	// Tree returns the content. It is called only if no layer with that key is
	// in the store, or if Key is empty.
	Tree func(context.Context) (*layer.Tree, error)
	// Env is what the image's configuration says beside the layer: "NAME=value".
	Env []string
}

// Builder returns the image that def and its lock describe, with a layer more
// for each of the other definitions (of whatever architecture), then for each
// input, all in def's compression. The packages must be in the store (see Items).
func Builder(ctx context.Context, st *store.Store, def images.Definition, more []images.Definition, inputs ...Input) (image.Image, error) {
	var layers []layer.Layer
	for _, d := range append([]images.Definition{def}, more...) {
		d.Compression = def.Compression
		l, err := baseLayer(ctx, st, d)
		if err != nil {
			return image.Image{}, fmt.Errorf("composing image %s: %w", d.Name, err)
		}
		layers = append(layers, l)
	}
	cfg := config(def)
	top, err := inputLayers(ctx, st, inputs, layer.Compression(def.Compression), &cfg)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing image %s: %w", def.Name, err)
	}
	img, err := image.Write(ctx, st, nil, append(layers, top...), cfg)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing image %s: %w", def.Name, err)
	}
	return img, nil
}

// On returns base, an image of the store, with one layer more for each input, and
// env in its configuration. What runs in it starts as root.
func On(ctx context.Context, st *store.Store, base image.Image, env []string, inputs ...Input) (image.Image, error) {
	cfg := image.Config{User: "0:0", Env: env}
	layers, err := inputLayers(ctx, st, inputs, layer.Zstd, &cfg)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing an image on %s: %w", base.Desc.Digest, err)
	}
	img, err := image.Write(ctx, st, &base, layers, cfg)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing an image on %s: %w", base.Desc.Digest, err)
	}
	return img, nil
}

// inputLayers makes the layers, and puts into cfg what they say besides.
func inputLayers(ctx context.Context, st *store.Store, inputs []Input, c layer.Compression, cfg *image.Config) ([]layer.Layer, error) {
	var layers []layer.Layer
	env := slices.Clone(cfg.Env)
	for _, in := range inputs {
		l, err := inputLayer(ctx, st, in, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.Name, err)
		}
		layers = append(layers, l)
		env = append(env, in.Env...)
	}
	cfg.Env = env
	return layers, nil
}

// Runtime returns the image that def and its lock describe.
func Runtime(ctx context.Context, st *store.Store, def images.Definition) (image.Image, error) {
	return Builder(ctx, st, def, nil)
}

// Single returns an image of one layer, in, and an empty configuration.
func Single(ctx context.Context, st *store.Store, in Input, c layer.Compression) (image.Image, error) {
	l, err := inputLayer(ctx, st, in, c)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing %s: %w", in.Name, err)
	}
	return image.Write(ctx, st, nil, []layer.Layer{l}, image.Config{Platform: platform("amd64")})
}

// Scratch is Single for a tree whose owners, modes and times count; nothing is
// remembered.
func Scratch(ctx context.Context, st *store.Store, t *layer.Tree, c layer.Compression) (image.Image, error) {
	l, err := layer.Write(ctx, st, t, c)
	if err != nil {
		return image.Image{}, err
	}
	return image.Write(ctx, st, nil, []layer.Layer{l}, image.Config{Platform: platform("amd64")})
}

func config(def images.Definition) image.Config {
	return image.Config{
		User:       def.Config.User,
		WorkingDir: def.Config.WorkingDir,
		Env:        def.Config.Env,
		Labels:     def.Config.Labels,
		Platform:   platform(def.Architecture),
	}
}

// platform returns the OCI platform of a Debian architecture.
func platform(arch string) ocispec.Platform {
	p := ocispec.Platform{OS: "linux", Architecture: arch}
	switch arch {
	case "i386":
		p.Architecture = "386"
	case "ppc64el":
		p.Architecture = "ppc64le"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "arm64":
		p.Variant = "v8"
	}
	return p
}
