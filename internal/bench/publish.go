package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/ssh"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
)

// publishMemory publishes what verify -o would have written of a large image, to
// a registry where others attached much to that image. Its signer is one that
// looks for its own signatures among theirs.
func publishMemory(b *bench) []line {
	size, others := int64(2e9), 1000
	if b.small {
		size, others = 1e8, 50
	}
	dir, key := b.path("release"), b.path("id_ecdsa")
	check(os.MkdirAll(dir, 0o755))
	desc := b.release(dir, size)
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	check(os.WriteFile(key, pem.EncodeToMemory(must(ssh.MarshalPrivateKey(k, ""))), 0o600))

	host, end := b.registry()
	defer end()
	name := host + "/bench/large"
	repo := must(registry.OpenName(name, registry.Options{}))
	defer repo.Close()
	for i := range others {
		r := referrer.OfBundle(fmt.Appendf(nil, `{"mediaType":%q,"number":%d,"padding":%q}`, referrer.Bundle, i, strings.Repeat("x", 4000)), provenance.SLSA)
		must(referrer.Push(b, repo, desc, r))
	}
	var first, again []float64
	for range b.n {
		tag := fmt.Sprintf("%s:%d", name, len(first))
		first = append(first, b.peak("publish", tag, "--from", dir, "--ssh-key", key, "--allow-profile"))
		again = append(again, b.peak("publish", tag, "--from", dir, "--ssh-key", key, "--allow-profile"))
	}
	check(os.RemoveAll(dir))
	what := fmt.Sprintf("peak memory, publish of an image of %.1f GB with %d referrers", float64(size)/1e9, others)
	return []line{{What: what, Twice: first, Unit: "MB", Goal: 100}, {What: what + ", again", Twice: again, Unit: "MB", Goal: 100}}
}

// registry starts one that keeps blobs on disk, and returns its address and what
// ends it and removes them.
func (b *bench) registry() (host string, end func()) {
	blobs := must(os.MkdirTemp(b.scratch, "registry-"))
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true), ggcr.WithBlobHandler(ggcr.NewDiskBlobHandler(blobs))))
	return strings.TrimPrefix(srv.URL, "http://"), func() {
		srv.Close()
		check(os.RemoveAll(blobs))
	}
}

// release writes a release of one image, of one layer of size bytes.
func (b *bench) release(dir string, size int64) ocispec.Descriptor {
	st := must(store.Open(b.path("large")))
	l := b.putLayer(st, layer.None, func(w io.Writer) { writeLarge(w, size) })
	img := must(image.Write(b, st, nil, []layer.Layer{l}, image.Config{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}))
	f := must(os.Create(filepath.Join(dir, "image.tar")))
	check(image.WriteArchive(b, st, img.Desc, f, "large:1"))
	check(f.Close())
	check(os.RemoveAll(st.Dir()))
	v := &verdict.Verdict{
		Reached: time.Unix(1793500000, 0), Twice: "bench", Image: img.Desc.Digest, Subject: verdict.Subject{Spec: ".", Name: "large"},
		Artefacts: []verdict.Artefact{{Name: "image", Kind: verdict.Image, SizeA: size, SizeB: size, A: img.Desc.Digest, B: img.Desc.Digest, Same: true}},
	}
	v.Settle()
	s := &provenance.Statement{
		Type: provenance.StatementType, PredicateType: provenance.SLSA,
		Subject: []provenance.Resource{{Name: "image", Digest: provenance.Sum(img.Desc.Digest)}},
		Predicate: provenance.Predicate{
			BuildDefinition: provenance.BuildDefinition{BuildType: provenance.BuildType, ExternalParameters: provenance.External{Config: &config.File{Name: "large"}}},
			RunDetails:      provenance.RunDetails{Builder: provenance.Builder{ID: provenance.BuilderID}},
		},
	}
	check(os.WriteFile(filepath.Join(dir, "verdict.json"), must(v.JSON()), 0o644))
	check(os.WriteFile(filepath.Join(dir, "large-provenance-v1.json"), must(s.JSON()), 0o644))
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: img.Desc.Digest, Size: img.Desc.Size}
}
