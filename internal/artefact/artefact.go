// Package artefact makes what is released out of what a build left in /out:
// binaries and rlibs as they are, release archives and the runtime image
// written by this program, canonically.
//
// # Names
//
//	bin/<name>                              a binary
//	debug/<name>.debug, <name>.dwp          debug information that was taken out of a binary
//	rlib/<name>.rlib                        a library of the build
//	<name>-<version>-<triple>.tar.gz        a release archive (also .tar.zst, .zip)
//	<name>-<version>-<triple>-debuginfo.tar.gz   with split-debug: what is in debug
//	image                                   the runtime image's manifest; image/<name> when there are several.
//	                                        Of images that are one for several platforms: their index
//	SHA256SUMS                              the archives and binaries by name, if the configuration asks for it
//
// With several builds, binaries and rlibs are below the build's name.
//
// # The archive
//
// With third-party-licences archive and image have the licence texts of what is
// linked in: in third-party-licences of the archive's folder, and in
// /usr/share/doc/<build> of the image. A build with CUDA has NVIDIA's notice there.
//
// One folder of the archive's own name holds the binaries (0755) and the files
// at the workspace's root that the configuration's patterns match (0644), and
// those that it takes from build scripts, below the path that they have in OUT_DIR.
//
// # The image
//
// The base's layers, untouched, and one layer: binaries in /usr/bin (0755)
// and the configured files, owner root, times the epoch. The configuration has
// the epoch as its time of creation and labels for title, version and commit;
// nothing of the machine, the engine or the day is in it.
package artefact

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ImageName is the artefact that is the only image, or the index of all.
const ImageName = "image"

// Artefact is one thing to release and to compare.
type Artefact struct {
	Name   string
	Kind   verdict.Kind
	Build  string // that made it; empty where the project has just one
	PartOf string // of an image: the name of the index that it is part of
	Path   string // the file on this disk; empty for an image
	Digest digest.Digest
	Size   int64              // bytes; of an image: its compressed layers
	Image  ocispec.Descriptor // of an image
}

// Build is one build's part in a project.
type Build struct {
	Project *resolve.Project
	Inputs  *inputs.Set
	Config  config.Build
	// Out is the directory that the engine exported to; Work is where archives are written.
	Out, Work string
}

// Collect makes the artefacts of one side of one build, in the order: binaries,
// rlibs, archives, images.
func Collect(ctx context.Context, tools resolve.Tools, b Build) ([]Artefact, error) {
	prefix := b.prefix()
	list, err := files(ctx, b.Out, prefix)
	if err != nil {
		return nil, err
	}
	for _, want := range b.Config.Bins {
		if !slices.ContainsFunc(list, func(a Artefact) bool { return a.Name == prefix+"bin/"+want }) {
			return nil, fmt.Errorf("the build made no binary %s", want)
		}
	}
	archives, err := b.archives(ctx)
	if err != nil {
		return nil, err
	}
	images, err := b.images(ctx, tools)
	if err != nil {
		return nil, err
	}
	list = slices.Concat(list, archives, images)
	if prefix != "" {
		for i := range list {
			list[i].Build = b.Config.Name
		}
	}
	return list, nil
}

// Built are the artefacts that the build itself left: archives and images are
// made of them and of the sources, and follow from them.
func Built(ctx context.Context, b Build) ([]Artefact, error) {
	return files(ctx, b.Out, b.prefix())
}

// prefix is what the build's binaries and rlibs are below.
func (b Build) prefix() string {
	if len(b.Project.Config.Builds) > 1 {
		return b.Config.Name + "/"
	}
	return ""
}

// files hashes what is below bin, debug and rlib.
func files(ctx context.Context, out, prefix string) ([]Artefact, error) {
	var list []Artefact
	for _, d := range []struct {
		dir  string
		kind verdict.Kind
	}{{"bin", verdict.Bin}, {"debug", verdict.Debug}, {"rlib", verdict.Rlib}} {
		entries, err := os.ReadDir(filepath.Join(out, d.dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("reading the build's output: %w", err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				return nil, fmt.Errorf("the build's output %s/%s is not a file", d.dir, e.Name())
			}
			a := Artefact{Name: prefix + d.dir + "/" + e.Name(), Kind: d.kind, Path: filepath.Join(out, d.dir, e.Name())}
			if a.Digest, a.Size, err = hash(ctx, a.Path); err != nil {
				return nil, err
			}
			list = append(list, a)
		}
	}
	return list, nil
}

func hash(ctx context.Context, name string) (digest.Digest, int64, error) {
	if err := ctx.Err(); err != nil {
		return "", 0, err
	}
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(h, f, make([]byte, 1<<20))
	if err != nil {
		return "", 0, fmt.Errorf("hashing %s: %w", filepath.Base(name), err)
	}
	return digest.NewDigest(digest.SHA256, h), n, nil
}

// title names the release: ripgrep-15.1.0-x86_64-unknown-linux-gnu. It has the
// project's name if the target tells the build from the others.
func (b Build) title() string {
	parts := []string{b.Config.Name}
	f := b.Project.Config
	if f.Name != "" && !slices.ContainsFunc(f.Builds, func(x config.Build) bool { return x.Target == b.Config.Target && x.Name != b.Config.Name }) {
		parts[0] = f.Name
	}
	if v := b.Project.Version(); v != "" {
		parts = append(parts, v)
	}
	return strings.Join(append(parts, b.Config.Target), "-")
}

// released are the files of the workspace's root that go into archives.
func (b Build) released() []string {
	var names []string
	root := path.Join(b.Project.Source.Dir, ".")
	for _, e := range b.Project.Source.Tree.Entries() {
		if path.Dir(e.Path) != root || e.Open == nil {
			continue
		}
		for _, g := range b.Project.Config.Archive.Files {
			if ok, _ := path.Match(g, path.Base(e.Path)); ok {
				names = append(names, e.Path)
				break
			}
		}
	}
	return names
}
