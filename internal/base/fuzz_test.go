package base

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/mutate"
)

// No reference and no mirror leads out of a repository's part of a registry.
func FuzzPlaces(f *testing.F) {
	hex := strings.Repeat("0a", 32)
	mutate.Add(f, "registry.test/team/app:v1@sha256:"+hex, "mirror.test:5000/cache")
	mutate.Add(f, "app@sha256:"+hex, "http://127.0.0.1:5000/")
	mutate.Add(f, "[::1]:5000/a/../b@sha256:"+hex, "/srv/layout")
	home := f.TempDir()
	r, err := address.New(address.Mirrors{}, func(k string) string {
		if k == "HOME" {
			return home
		}
		return ""
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref, mirror string) {
		m, err := Open(r, ref, Options{})
		if err != nil {
			return
		}
		places := m.places
		if p, err := newPlace(mirror, "team/app"); err == nil {
			places = append(places, p)
		}
		for _, p := range places {
			for _, s := range []string{p.blob(m.Digest()), p.manifest(m.Digest().String())} {
				u, err := url.Parse(s)
				if err != nil {
					t.Fatalf("%q, %q: %v", ref, mirror, err)
				}
				_, err = name.NewRegistry(u.Host)
				switch {
				case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
					t.Errorf("%q, %q: %s", ref, mirror, s)
				case p.layout && (u.Scheme != "file" || u.Host != ""):
					t.Errorf("%q, %q: %s", ref, mirror, s)
				case !p.layout && (err != nil || path.Clean(u.Path) != u.Path || !strings.HasPrefix(u.Path, "/v2/")):
					t.Errorf("%q, %q: %s", ref, mirror, s)
				}
			}
		}
	})
}

func FuzzDocument(f *testing.F) {
	mutate.Add(f, []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:`+strings.Repeat("0a", 32)+`","size":3,"platform":{"os":"linux","architecture":"amd64"}}]}`))
	mutate.Add(f, []byte(`{"schemaVersion":2,"config":{},"layers":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if image.IsIndex(image.MediaType(b)) {
			if ix, err := image.ParseIndex(b); err == nil {
				if d, err := choose(ix, amd64); err == nil && (d.Platform == nil || !fits(*d.Platform, amd64)) {
					t.Errorf("chose %+v", d)
				}
			}
			return
		}
		if m, err := image.ParseManifest(b); err == nil && checkLayers(m) == nil {
			for _, d := range m.Layers {
				if d.MediaType == ocispec.MediaTypeEmptyJSON {
					t.Errorf("took %+v for a layer", d)
				}
			}
		}
	})
}
