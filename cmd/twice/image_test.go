package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// serve-image LAYOUT NAME puts the one image of an OCI layout into a registry on
// the loopback interface, and sets BASE to its reference by digest. The first call
// starts the registry, `serve-image stop` ends it.
func cmdServeImage(servers map[*testscript.TestScript]*httptest.Server) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) == 1 && args[0] == "stop" {
			servers[ts].Close()
			delete(servers, ts)
			return
		}
		whole := len(args) > 0 && args[0] == "-index"
		if whole {
			args = args[1:]
		}
		if neg || len(args) != 2 {
			ts.Fatalf("usage: serve-image [-index] LAYOUT NAME | serve-image stop")
		}
		srv := servers[ts]
		if srv == nil {
			srv = httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
			servers[ts] = srv
			ts.Defer(srv.Close)
		}
		index, err := layout.ImageIndexFromPath(ts.MkAbs(args[0]))
		ts.Check(err)
		list, err := index.IndexManifest()
		ts.Check(err)
		img, err := index.Image(list.Manifests[0].Digest)
		ts.Check(err)
		repo, err := name.NewRepository(strings.TrimPrefix(srv.URL, "http://") + "/" + args[1])
		ts.Check(err)
		if whole {
			d, err := index.Digest()
			ts.Check(err)
			ts.Check(remote.WriteIndex(repo.Digest(d.String()), index))
			ts.Setenv("BASE", repo.Digest(d.String()).String())
			return
		}
		ref := repo.Digest(list.Manifests[0].Digest.String())
		ts.Check(remote.Write(ref, img))
		ts.Setenv("BASE", ref.String())
	}
}

// same-base DIGEST REFERENCE checks that the layers of an image in the store
// start with those of the image that the reference names by digest.
func cmdSameBase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-base DIGEST REFERENCE")
	}
	st, err := store.Open(filepath.Join(ts.Getenv("TWICE_CACHE"), "store"))
	ts.Check(err)
	read := func(d string) (m ocispec.Manifest) {
		f, err := st.Open(digest.Digest(d))
		ts.Check(err)
		defer f.Close()
		ts.Check(json.NewDecoder(f).Decode(&m))
		return m
	}
	_, d, _ := strings.Cut(args[1], "@")
	if _, err := v1.NewHash(d); err != nil {
		ts.Fatalf("%v", err)
	}
	got, base := read(args[0]), read(d)
	if len(got.Layers) != len(base.Layers)+1 {
		ts.Fatalf("%d layers on a base of %d", len(got.Layers), len(base.Layers))
	}
	if diff := cmp.Diff(base.Layers, got.Layers[:len(base.Layers)]); diff != "" {
		ts.Fatalf("-base +image:\n%s", diff)
	}
	if got.Annotations[ocispec.AnnotationBaseImageDigest] != d {
		ts.Fatalf("annotations %v do not name %s", got.Annotations, d)
	}
}
