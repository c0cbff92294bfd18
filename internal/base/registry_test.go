package base

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// server is a registry on the loopback interface.
type server struct {
	t     *testing.T
	host  string
	blobs interface {
		registry.BlobHandler
		registry.BlobPutHandler
	}

	mu    sync.Mutex
	asked []string // paths, pings left out
	// before answers instead of the registry where it returns true.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t}
	blobs := registry.NewInMemoryBlobHandler()
	s.blobs = blobs.(interface {
		registry.BlobHandler
		registry.BlobPutHandler
	})
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true),
		registry.WithBlobHandler(blobs))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if r.Method == http.MethodGet && r.URL.Path != "/v2/" {
			s.asked = append(s.asked, r.URL.Path)
		}
		before := s.before
		s.mu.Unlock()
		if before == nil || r.Method != http.MethodGet || !before(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s.host = strings.TrimPrefix(srv.URL, "http://")
	return s
}

func (s *server) answer(before func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// requests returns what was asked for since the last call.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.asked
	s.asked = nil
	return out
}

func (s *server) blob(repo, mediaType string, content []byte) ocispec.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(content)
	if err := s.blobs.Put(s.t.Context(), repo, hash(d), io.NopCloser(bytes.NewReader(content))); err != nil {
		s.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

func (s *server) manifest(repo, mediaType string, doc any) ocispec.Descriptor {
	s.t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	req, err := http.NewRequest(http.MethodPut, "http://"+s.host+"/v2/"+repo+"/manifests/"+d.Digest.String(), bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		s.t.Fatalf("pushing a manifest: %s", resp.Status)
	}
	return d
}

// types are the media types of an image.
type types struct{ manifest, config, layer string }

var (
	oci    = types{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageLayerGzip}
	docker = types{"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"}
)

const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"

// pushed is an image that was pushed.
type pushed struct {
	desc     ocispec.Descriptor
	manifest ocispec.Manifest
}

// image pushes an image of two layers whose files say for which architecture.
func (s *server) image(repo, arch string, ty types, edit func(*ocispec.Manifest)) pushed {
	s.t.Helper()
	st := newStore(s.t)
	m := ocispec.Manifest{MediaType: ty.manifest, Layers: []ocispec.Descriptor{}}
	m.SchemaVersion = 2
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, RootFS: ocispec.RootFS{Type: "layers"}}
	for _, name := range []string{"etc/arch", "etc/more"} {
		tree := layer.NewTree()
		if err := tree.Add(layer.File(name, 0o644, 0, []byte(arch+repo))); err != nil {
			s.t.Fatal(err)
		}
		l, err := layer.Write(s.t.Context(), st, tree, layer.Gzip)
		if err != nil {
			s.t.Fatal(err)
		}
		b, err := st.ReadBytes(l.Desc.Digest, 1<<20)
		if err != nil {
			s.t.Fatal(err)
		}
		m.Layers = append(m.Layers, s.blob(repo, ty.layer, b))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	b, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	m.Config = s.blob(repo, ty.config, b)
	if edit != nil {
		edit(&m)
	}
	return pushed{s.manifest(repo, ty.manifest, m), m}
}

// index pushes an index of images by architecture.
func (s *server) index(repo, mediaType string, images map[string]pushed) ocispec.Descriptor {
	s.t.Helper()
	ix := ocispec.Index{MediaType: mediaType}
	ix.SchemaVersion = 2
	for arch, p := range images {
		d := p.desc
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		ix.Manifests = append(ix.Manifests, d)
	}
	slices.SortFunc(ix.Manifests, func(a, b ocispec.Descriptor) int {
		return strings.Compare(a.Platform.Architecture, b.Platform.Architecture)
	})
	return s.manifest(repo, mediaType, ix)
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func resolver(t *testing.T, mirrors map[string]string) *address.Resolver {
	t.Helper()
	home := t.TempDir()
	r, err := address.New(address.Mirrors{Registries: mirrors}, func(k string) string {
		if k == "HOME" {
			return home
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// quick is impatient.
var quick = fetch.Retry{Attempts: 2, Pause: time.Millisecond, MaxPause: 10 * time.Millisecond, Stall: 5 * time.Second}

var amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}

func at(host, repo string, d digest.Digest) string { return host + "/" + repo + "@" + d.String() }

func hash(d digest.Digest) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: d.Encoded()} }
