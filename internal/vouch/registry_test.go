package vouch

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/fetch"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "twice-vouch")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", dir) // no credentials
	os.Setenv("DOCKER_CONFIG", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const repo = "team/app"

// server is a registry on the loopback interface, with one image.
type server struct {
	t     *testing.T
	url   string
	blobs registry.BlobPutHandler
	image ocispec.Descriptor
}

func newServer(t *testing.T, referrers bool) *server {
	t.Helper()
	blobs := registry.NewInMemoryBlobHandler()
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)),
		registry.WithReferrersSupport(referrers), registry.WithBlobHandler(blobs)))
	t.Cleanup(srv.Close)
	s := &server{t: t, url: srv.URL, blobs: blobs.(registry.BlobPutHandler)}
	s.image = s.push("latest", manifest(s.blob(ocispec.MediaTypeImageConfig, []byte("{}"), nil)))
	return s
}

func (s *server) ref() string {
	return strings.TrimPrefix(s.url, "http://") + "/" + repo + "@" + s.image.Digest.String()
}

// signer finds out who signed for the server's image.
func (s *server) signer(opt Options) (Signer, error) {
	s.t.Helper()
	opt.Registry = base.Options{Retry: fetch.Retry{Attempts: 2, Pause: time.Millisecond, Stall: 5 * time.Second}}
	home := s.t.TempDir()
	r, err := address.New(address.Mirrors{}, func(k string) string {
		if k == "HOME" {
			return home
		}
		return ""
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return Image(s.t.Context(), r, s.ref(), opt)
}

func manifest(config ocispec.Descriptor, layers ...ocispec.Descriptor) ocispec.Manifest {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: append([]ocispec.Descriptor{}, layers...)}
	m.SchemaVersion = 2
	return m
}

func (s *server) blob(mediaType string, content []byte, annotations map[string]string) ocispec.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(content)
	if err := s.blobs.Put(s.t.Context(), repo, v1.Hash{Algorithm: "sha256", Hex: d.Encoded()}, io.NopCloser(bytes.NewReader(content))); err != nil {
		s.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content)), Annotations: annotations}
}

// push pushes a manifest, or an index, with a tag.
func (s *server) push(tag string, doc any) ocispec.Descriptor {
	s.t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	mediaType := ocispec.MediaTypeImageManifest
	if _, ok := doc.(ocispec.Index); ok {
		mediaType = ocispec.MediaTypeImageIndex
	}
	req, err := http.NewRequest(http.MethodPut, s.url+"/v2/"+repo+"/manifests/"+tag, bytes.NewReader(b))
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
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// simple pushes simple signatures the way cosign does.
func (s *server) simple(signatures ...ocispec.Descriptor) {
	s.t.Helper()
	s.push("sha256-"+s.image.Digest.Encoded()+".sig", manifest(s.blob(ocispec.MediaTypeImageConfig, []byte("{}"), nil), signatures...))
}

// refer pushes a referrer of the image.
func (s *server) refer(artifactType string, layer ocispec.Descriptor) ocispec.Descriptor {
	s.t.Helper()
	m := manifest(s.blob(ocispec.MediaTypeEmptyJSON, []byte("{}"), nil), layer)
	m.ArtifactType = artifactType
	m.Subject = &s.image
	b, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.push(digest.FromBytes(b).String(), m)
	d.ArtifactType = artifactType
	return d
}
