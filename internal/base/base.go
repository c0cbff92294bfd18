// Package base brings base images, each named by its digest, into the store.
//
// # References
//
// A reference is NAME@sha256:…, with a tag before the @ or without: the tag is
// for people, the digest decides. The digest is that of a manifest or of an
// index; of an index the image for one platform is taken, and both documents
// are kept. OCI's media types and Docker's schema 2 are read.
//
// # Places
//
// A registry is asked where package address says: mirrors first. A mirror is
// "host[:port][/path]", the same with http:// or https:// before it, or an
// absolute path or file address of an OCI image layout. Plain HTTP is spoken to
// loopback addresses, and to mirrors that say http://; nowhere else.
//
// Credentials are Docker's: config.json, its credential helpers, or Podman's
// auth.json. They go to the registry that they are for, never to where it
// redirects, and into no error: what a login server answers isn't repeated.
//
// # Content
//
// Everything is verified by digest and size as it streams. A layer that isn't a
// tar (none, gzip, zstd), or that registries don't hand on (foreign,
// nondistributable), is refused by name. What the store has isn't fetched
// again: pulling twice makes no request the second time.
package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/store"
)

// AnnotationIndex, of the descriptor that Pull returns, is the digest of the
// index that the image was chosen from.
const AnnotationIndex = "com.github.craton-co.twice.base.index"

// Options say how to pull.
type Options struct {
	Platform  ocispec.Platform  // zero: that of the only image there is
	Offline   bool              // ask nobody
	Transport http.RoundTripper // nil: with this machine's proxies and certificates
	Progress  func(fetch.Event) // see fetch.Fetcher
	Retry     fetch.Retry
	Other     *fetch.Other // another store, asked first; its addresses are Transport's
}

// Remote is an image at its registry.
type Remote struct {
	ref    name.Digest
	tag    string
	places []place
	login  *login
	opt    Options
}

// Pull brings a base image into the store. Its descriptor is that of the
// manifest; the name of the image, without digest, is its annotation
// org.opencontainers.image.ref.name.
func Pull(ctx context.Context, st *store.Store, r *address.Resolver, ref string, opt Options) (image.Image, error) {
	m, err := Open(r, ref, opt)
	if err != nil {
		return image.Image{}, err
	}
	return m.Pull(ctx, st)
}

// Open parses a reference. It asks nobody.
func Open(r *address.Resolver, ref string, opt Options) (*Remote, error) {
	d, err := name.NewDigest(ref)
	if err == nil {
		_, err = newPlace(d.RegistryStr(), d.Context().RepositoryStr())
	}
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("base image %.200q: %w", ref, err), "name a base image by its digest: registry/name@sha256:… (64 hex digits)")
	}
	m := &Remote{ref: d, opt: opt}
	named, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(named, ':'); i > strings.LastIndexByte(named, '/') {
		m.tag = named[i:]
	}
	if m.places, err = places(r, d.Context()); err != nil {
		return nil, err
	}
	if m.opt.Transport == nil {
		m.opt.Transport = r.HTTPClient().Transport
	}
	m.login = newLogin(m.opt.Transport, authn.DefaultKeychain, m.places)
	return m, nil
}

// Digest is the one that the reference names.
func (m *Remote) Digest() digest.Digest { return digest.Digest(m.ref.DigestStr()) }

// Name is the whole name without digest: "registry.test/name:tag".
func (m *Remote) Name() string { return m.ref.Context().Name() + m.tag }

func (m *Remote) String() string { return m.ref.Name() }

// Pull brings the image into the store.
func (m *Remote) Pull(ctx context.Context, st *store.Store) (image.Image, error) {
	img, err := m.pull(ctx, st)
	if err != nil {
		return image.Image{}, fmt.Errorf("pulling %s: %w", m, err)
	}
	return img, nil
}

func (m *Remote) pull(ctx context.Context, st *store.Store) (image.Image, error) {
	root, b, err := m.document(ctx, st, ocispec.Descriptor{Digest: m.Digest(), Size: -1})
	if err != nil {
		return image.Image{}, err
	}
	desc := root
	if image.IsIndex(root.MediaType) {
		ix, err := image.ParseIndex(b)
		if err != nil {
			return image.Image{}, err
		}
		if desc, err = choose(ix, m.opt.Platform); err != nil {
			return image.Image{}, err
		}
		if _, b, err = m.document(ctx, st, desc); err != nil {
			return image.Image{}, err
		}
	}
	manifest, err := image.ParseManifest(b)
	if err != nil {
		return image.Image{}, err
	}
	if err := checkLayers(manifest); err != nil {
		return image.Image{}, err
	}
	if err := m.fetch(ctx, st, m.item("config", manifest.Config)); err != nil {
		return image.Image{}, err
	}
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: m.Name()}
	if desc.Digest != root.Digest {
		desc.Annotations[AnnotationIndex] = root.Digest.String()
	}
	img, err := image.Load(ctx, st, desc)
	if err != nil {
		return image.Image{}, err
	}
	if want, have := m.opt.Platform, img.Config.Platform; want.OS != "" && !fits(have, want) {
		return image.Image{}, fault.Hintf(fmt.Errorf("the image is for %s, not %s", platform(have), platform(want)),
			"give the digest of the image's index, or of its image for %s", platform(want))
	}
	var layers []fetch.Item
	for i, d := range manifest.Layers {
		layers = append(layers, m.item(fmt.Sprintf("layer %d/%d", i+1, len(manifest.Layers)), d))
	}
	if err := m.fetch(ctx, st, layers...); err != nil {
		return image.Image{}, err
	}
	return img, m.remember(ctx, st, root)
}

// document returns a manifest or index and what it is, from the store or else
// from the registry.
func (m *Remote) document(ctx context.Context, st *store.Store, desc ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
	b, err := st.ReadBytes(desc.Digest, image.MaxManifest)
	var corrupt *store.CorruptError
	missing := errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) && corrupt.Removed
	if missing && m.opt.Other != nil && m.fetcher(st).Nearby(ctx, fetch.Item{Kind: "manifest", Name: "of " + m.Name(), Digest: desc.Digest, Size: desc.Size}) == nil {
		missing = false
		b, err = st.ReadBytes(desc.Digest, image.MaxManifest)
	}
	if missing {
		if m.opt.Offline {
			return desc, nil, fault.Hint(fmt.Errorf("manifest %s is missing", desc.Digest), "run `twice fetch` with a network first")
		}
		if b, err = m.Manifest(ctx, desc.Digest.String()); err == nil {
			_, err = st.PutBytes(ctx, b)
		}
	}
	if err != nil {
		return desc, nil, err
	}
	if desc.Size < 0 {
		desc.MediaType, desc.Size = image.MediaType(b), int64(len(b))
	}
	return desc, b, nil
}

// remember tags what the reference names, so that other tools find it in the
// store.
func (m *Remote) remember(ctx context.Context, st *store.Store, root ocispec.Descriptor) error {
	if have, err := st.Resolve(m.String()); err == nil && have.Digest == root.Digest {
		return nil
	}
	root.Annotations = nil
	return st.Tag(ctx, m.String(), root)
}

func (m *Remote) item(what string, d ocispec.Descriptor) fetch.Item {
	it := fetch.Item{Kind: what, Name: "of " + m.Name(), Digest: d.Digest, Size: d.Size}
	for _, p := range m.places {
		it.URLs = append(it.URLs, p.blob(d.Digest))
	}
	return it
}

func (m *Remote) fetch(ctx context.Context, st *store.Store, items ...fetch.Item) error {
	return m.failure(m.fetcher(st).Fetch(ctx, items))
}

func (m *Remote) fetcher(st *store.Store) *fetch.Fetcher {
	return &fetch.Fetcher{
		Store: st, Client: &http.Client{Transport: m.login}, Offline: m.opt.Offline,
		Parallel: 6, Progress: m.opt.Progress, Retry: m.opt.Retry, Other: m.opt.Other,
	}
}

// layerTypes are those of layers that are a tar, OCI's and Docker's.
var layerTypes = []string{
	ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
}

func checkLayers(m ocispec.Manifest) error {
	if m.Config.Size > image.MaxConfig {
		return fmt.Errorf("its config has %d bytes, more than %d", m.Config.Size, image.MaxConfig)
	}
	for i, d := range m.Layers {
		switch {
		case strings.Contains(d.MediaType, "foreign") || strings.Contains(d.MediaType, "nondistributable") || len(d.URLs) > 0:
			return fault.Hint(fmt.Errorf("layer %d (%s) is foreign: registries don't hand it on", i+1, d.Digest),
				"choose a base image whose layers are all in its registry")
		case !slices.Contains(layerTypes, d.MediaType):
			return fmt.Errorf("layer %d (%s) is a %.100q: not a layer that can be read", i+1, d.Digest, d.MediaType)
		}
	}
	return nil
}
