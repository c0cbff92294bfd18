package inputs

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What is in a bundle's index.json.
const (
	// BundleType is the artifact whose layers are the files that a lock names:
	// crates and Debian packages, each with its name as title.
	BundleType = "application/vnd.twice.inputs.v1+json"
	// FileType is the media type of such a file.
	FileType = "application/vnd.twice.input.v1"

	annotationToolchain = "io.github.craton-co.twice.toolchain" // an image: the toolchain with this tree digest
	annotationSource    = "io.github.craton-co.twice.source"    // an image: the repository with the source's commit, its value
	annotationCrate     = "io.github.craton-co.twice.crate"     // of the artifact: the source, "ripgrep 15.1.0 <sha256>"
)

// WriteBundle writes everything from outside that a project's build takes as an
// OCI layout: to a directory, or with a name that ends in .tar to an archive of
// it. index.json lists an artifact with the files, one image with the
// toolchain (its tarballs are among the files if the lock has no tree), one with the git repositories, one
// with the commit that is built, and base images by digest. Nothing
// in it is trusted by who reads it: see ReadBundle. The store must have all
// that ComposeLocked needs.
func WriteBundle(ctx context.Context, tools resolve.Tools, p *resolve.Project, to string) (digest.Digest, error) {
	roots, err := bundle(ctx, tools, p)
	if err != nil {
		return "", fmt.Errorf("bundling the inputs: %w", err)
	}
	t, err := image.Tree(tools.Store, roots, nil, false)
	if err != nil {
		return "", fmt.Errorf("bundling the inputs: %w", err)
	}
	index, _ := t.Get(ocispec.ImageIndexFile)
	r, err := index.Open()
	if err != nil {
		return "", err
	}
	d, err := digest.FromReader(r)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(to, ".tar") {
		return d, image.WriteLayoutOf(ctx, tools.Store, roots, to)
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".twice-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	err = errors.Join(layer.WriteTar(ctx, f, t), f.Chmod(0o644), f.Close())
	if err != nil {
		return "", fmt.Errorf("bundling the inputs: %w", err)
	}
	return d, os.Rename(f.Name(), to)
}

func bundle(ctx context.Context, tools resolve.Tools, p *resolve.Project) ([]ocispec.Descriptor, error) {
	set, err := ComposeLocked(ctx, tools, p)
	if err != nil {
		return nil, err
	}
	files, err := bundledFiles(ctx, tools, p)
	if err != nil {
		return nil, err
	}
	roots := []ocispec.Descriptor{files}
	if tree := p.Lock.Toolchain.Tree; tree != "" { // else its tarballs are among the files
		toolchain, err := toolchainImage(ctx, tools, p, set.Builder)
		if err != nil {
			return nil, err
		}
		toolchain.Desc.Annotations = map[string]string{annotationToolchain: tree.String()}
		roots = append(roots, toolchain.Desc)
	}
	if len(set.GitRepos) > 0 {
		repos, err := json.Marshal(set.GitRepos)
		if err != nil {
			return nil, err
		}
		set.Git.Desc.Annotations = map[string]string{annotationGit: string(repos)}
		roots = append(roots, set.Git.Desc)
	}
	if own, err := sourceCommit(ctx, tools, p); err != nil {
		return nil, err
	} else if own.Desc.Digest != "" {
		own.Desc.Annotations = map[string]string{annotationSource: p.Source.Commit}
		roots = append(roots, own.Desc)
	}
	refs := p.Bases()
	slices.Sort(refs)
	for _, ref := range refs {
		im, err := resolve.Pull(ctx, tools, ref, true)
		if err != nil {
			return nil, err
		}
		roots = append(roots, im.Desc)
	}
	return roots, nil
}

// toolchainImage is the builder's layer with the toolchain as an image of its own.
func toolchainImage(ctx context.Context, tools resolve.Tools, p *resolve.Project, builder image.Image) (image.Image, error) {
	at := len(builder.Manifest.Layers) - 1 - countCUDA(p)
	l := layer.Layer{Desc: builder.Manifest.Layers[at], DiffID: builder.Config.RootFS.DiffIDs[at]}
	return image.Write(ctx, tools.Store, nil, []layer.Layer{l}, image.Config{Platform: builder.Config.Platform})
}

// bundledFiles writes the artifact.
func bundledFiles(ctx context.Context, tools resolve.Tools, p *resolve.Project) (ocispec.Descriptor, error) {
	items, err := Items(tools, p)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	files := artifact{tools: tools}
	annotations := map[string]string{}
	if src := p.Source; src != nil && src.Kind == source.KindCrate {
		d := digest.NewDigestFromEncoded(digest.SHA256, src.Checksum)
		if err := files.add("crate "+src.Name+" "+src.Version, d); err != nil {
			return ocispec.Descriptor{}, err
		}
		annotations[annotationCrate] = src.Name + " " + src.Version + " " + src.Checksum
	}
	for _, it := range items {
		if err := files.add(it.Kind+" "+it.Name, it.Digest); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	for _, ref := range p.Bases() {
		im, err := resolve.Pull(ctx, tools, ref, true)
		if err == nil {
			err = files.addIndex(ref, im)
		}
		if err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	return files.put(ctx, annotations)
}

// artifact is a bundle's list of files, each of them in the store.
type artifact struct {
	tools resolve.Tools
	files []ocispec.Descriptor
}

func (a *artifact) add(name string, d digest.Digest) error {
	if slices.ContainsFunc(a.files, func(f ocispec.Descriptor) bool { return f.Digest == d }) {
		return nil
	}
	size, err := a.tools.Store.Size(d)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.files = append(a.files, ocispec.Descriptor{MediaType: FileType, Digest: d, Size: size,
		Annotations: map[string]string{ocispec.AnnotationTitle: name}})
	return nil
}

// addIndex adds the index that a base image was chosen from, where its name in
// twice.toml has that one's digest: no manifest of the image names it.
func (a *artifact) addIndex(name string, im image.Image) error {
	if d := im.Desc.Annotations[base.AnnotationIndex]; d != "" {
		return a.add("index of "+name, digest.Digest(d))
	}
	return nil
}

// put writes the list into the store.
func (a *artifact) put(ctx context.Context, annotations map[string]string) (ocispec.Descriptor, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: BundleType, Config: ocispec.DescriptorEmptyJSON, Layers: []ocispec.Descriptor{}, Annotations: annotations,
	}
	m.Config.Data = nil
	m.Layers = append(m.Layers, a.files...)
	slices.SortFunc(m.Layers, func(a, b ocispec.Descriptor) int {
		return strings.Compare(a.Annotations[ocispec.AnnotationTitle]+a.Digest.String(), b.Annotations[ocispec.AnnotationTitle]+b.Digest.String())
	})
	if _, err := a.tools.Store.PutBytes(ctx, []byte("{}")); err != nil {
		return ocispec.Descriptor{}, err
	}
	data, err := image.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := a.tools.Store.PutBytes(ctx, data)
	return ocispec.Descriptor{MediaType: m.MediaType, ArtifactType: BundleType, Digest: d, Size: int64(len(data))}, err
}

// ReadBundle brings what a bundle holds into the store; it may be another store's
// directory too. Every blob is checked against its name. What the store then knows by another name than its hash
// (the toolchain by its tree digest, commits by their id) is checked against
// the lock where it is used, as if it had come from anywhere else.
func ReadBundle(ctx context.Context, tools resolve.Tools, from string) error {
	if err := readBundle(ctx, tools, from); err != nil {
		return fault.Hint(fmt.Errorf("reading the bundle %s: %w", from, err), "`twice bundle SOURCE -o FILE.tar` writes one")
	}
	return nil
}

func readBundle(ctx context.Context, tools resolve.Tools, from string) error {
	var index []byte
	take := func(name string, size int64, r io.Reader) error {
		if name == ocispec.ImageIndexFile {
			var err error
			index, err = io.ReadAll(io.LimitReader(r, image.MaxManifest+1))
			return err
		}
		hex, ok := strings.CutPrefix(name, ocispec.ImageBlobsDir+"/sha256/")
		if !ok {
			return nil
		}
		d := digest.NewDigestFromEncoded(digest.SHA256, hex)
		if err := d.Validate(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if tools.Store.Has(d) {
			return nil
		}
		if _, _, err := tools.Store.Put(ctx, r, d, size); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if ref, remote := strings.CutPrefix(from, RegistryScheme); remote {
		var err error
		if index, err = pullBundle(ctx, tools, ref); err != nil {
			return err
		}
		return takeBundle(ctx, tools, index)
	}
	if err := eachFile(ctx, from, take); err != nil {
		return err
	}
	if store.IsStore(from) {
		return resolve.RememberToolchainsOf(ctx, tools, from)
	}
	if index == nil {
		return errors.New("it has no index.json")
	}
	return takeBundle(ctx, tools, index)
}

// takeBundle makes what an index names, and the store has, known.
func takeBundle(ctx context.Context, tools resolve.Tools, index []byte) error {
	ix, err := image.ParseIndex(index)
	if err != nil {
		return err
	}
	known := false
	for _, d := range ix.Manifests {
		switch {
		case d.ArtifactType == BundleType:
			known = true
			err = claimCrate(ctx, tools, d)
		case d.Annotations[annotationToolchain] != "":
			err = resolve.RememberToolchain(ctx, tools, digest.Digest(d.Annotations[annotationToolchain]), d)
		case d.Annotations[annotationGit] != "", d.Annotations[annotationSource] != "":
			err = unpackGit(ctx, tools, d)
		}
		if err != nil {
			return err
		}
	}
	if !known {
		return errors.New("it is not a bundle of inputs")
	}
	return nil
}

// eachFile calls fn for every file of a layout, in a directory or a tar.
func eachFile(ctx context.Context, from string, fn func(name string, size int64, r io.Reader) error) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return err
	} else if !info.IsDir() {
		return layer.ReadTar(ctx, f, layer.Limits{}, func(h *tar.Header, r io.Reader) error {
			if h.Typeflag != tar.TypeReg {
				return nil
			}
			return fn(h.Name, h.Size, r)
		})
	}
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer root.Close()
	names := []string{ocispec.ImageIndexFile}
	blobs := filepath.Join(ocispec.ImageBlobsDir, "sha256")
	dir, err := root.Open(blobs)
	if err != nil {
		return err
	}
	defer dir.Close()
	list, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range list {
		names = append(names, filepath.Join(blobs, n))
	}
	for _, n := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := oneFile(root, n, fn); err != nil {
			return err
		}
	}
	return nil
}

func oneFile(root *os.Root, name string, fn func(name string, size int64, r io.Reader) error) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return fn(filepath.ToSlash(name), info.Size(), f)
}

func claimCrate(ctx context.Context, tools resolve.Tools, d ocispec.Descriptor) error {
	b, err := tools.Store.ReadBytes(d.Digest, image.MaxManifest)
	if err != nil {
		return err
	}
	m, err := image.ParseManifest(b)
	if err != nil {
		return err
	}
	text := m.Annotations[annotationCrate]
	if text == "" {
		return nil
	}
	f := strings.Fields(text)
	if len(f) != 3 {
		return fmt.Errorf("it names its source %.100q", text)
	}
	c := cargo.Crate{Name: f[0], Version: f[1], Checksum: f[2]}
	if err := c.Check(); err != nil {
		return err
	}
	return source.ClaimCrate(ctx, tools.Store, c)
}

// unpackGit takes the commits of a bundle's repositories into the cache of
// commits.
func unpackGit(ctx context.Context, tools resolve.Tools, d ocispec.Descriptor) error {
	im, err := image.Load(ctx, tools.Store, d)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Join(tools.Store.Dir(), "ingest"), "git-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := image.Files(ctx, tools.Store, im, func(h *tar.Header, r io.Reader) error { return unpackEntry(root, h, r) }); err != nil {
		return err
	}
	repos, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, r := range repos {
		if err := source.ImportGit(ctx, filepath.Join(dir, r.Name()), resolve.GitCache(tools)); err != nil {
			return err
		}
	}
	return nil
}

// bundledGit are the files that GitBundleTree writes. git obeys many others
// (commondir, objects/info/alternates, …): none of them gets to the disk.
var bundledGit = regexp.MustCompile(`^[0-9A-Za-z._-]+/(HEAD|config|packed-refs|shallow|objects/pack/pack-[0-9a-f]{40}\.(pack|idx))$`)

// unpackEntry writes the folders and files that a bundled repository is made of.
func unpackEntry(root *os.Root, h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeDir && !bundledGit.MatchString(h.Name) {
		return fmt.Errorf("%s is no part of a bundled repository", h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(h.Name, 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o755); err != nil {
			return err
		}
		f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("%s is neither a file nor a folder", h.Name)
}
