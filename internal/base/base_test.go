package base

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "twice-base")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", dir) // no credentials but the tests'
	os.Setenv("DOCKER_CONFIG", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// contents are the files of an image.
func contents(t *testing.T, st image.Blobs, img image.Image) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := image.Files(t.Context(), st, img, func(h *tar.Header, r io.Reader) error {
		b, err := io.ReadAll(r)
		if h.Typeflag == tar.TypeReg {
			files[h.Name] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPull(t *testing.T) {
	for name, ty := range map[string]types{"oci": oci, "docker": docker} {
		t.Run(name, func(t *testing.T) {
			s, st, r := newServer(t), newStore(t), resolver(t, nil)
			p := s.image("team/app", "amd64", ty, nil)
			opt := Options{Platform: amd64, Retry: quick}
			img, err := Pull(t.Context(), st, r, s.host+"/team/app:v1@"+p.desc.Digest.String(), opt)
			if err != nil {
				t.Fatal(err)
			}
			if img.Desc.Digest != p.desc.Digest || img.Desc.MediaType != ty.manifest {
				t.Errorf("Desc = %+v, want %+v", img.Desc, p.desc)
			}
			want := map[string]string{ocispec.AnnotationRefName: s.host + "/team/app:v1"}
			if diff := cmp.Diff(want, img.Desc.Annotations); diff != "" {
				t.Errorf("annotations: -want +got\n%s", diff)
			}
			files := map[string]string{"etc/arch": "amd64team/app", "etc/more": "amd64team/app"}
			if diff := cmp.Diff(files, contents(t, st, img)); diff != "" {
				t.Errorf("files: -want +got\n%s", diff)
			}
			if asked := s.requests(); len(asked) != 4 { // manifest, config, two layers
				t.Errorf("asked for %q", asked)
			}

			// Again, and offline: nobody is asked.
			for _, offline := range []bool{false, true} {
				opt.Offline = offline
				again, err := Pull(t.Context(), st, r, s.host+"/team/app:v1@"+p.desc.Digest.String(), opt)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(img, again); diff != "" {
					t.Errorf("pulled again: -want +got\n%s", diff)
				}
				if asked := s.requests(); len(asked) > 0 {
					t.Errorf("pulled again: asked for %q", asked)
				}
			}

			// What is missing of it is all that is fetched.
			lost := p.manifest.Layers[1]
			if err := os.Remove(st.Path(lost.Digest)); err != nil {
				t.Fatal(err)
			}
			_, err = Pull(t.Context(), st, r, at(s.host, "team/app", p.desc.Digest), opt)
			if err == nil || !strings.Contains(err.Error(), "1 of 2 inputs are missing: layer 2/2 of "+s.host+"/team/app") || !strings.Contains(fault.HintOf(err), "twice fetch") {
				t.Errorf("offline without a layer: %v; hint %q", err, fault.HintOf(err))
			}
			opt.Offline = false
			if _, err = Pull(t.Context(), st, r, at(s.host, "team/app", p.desc.Digest), opt); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"/v2/team/app/blobs/" + lost.Digest.String()}, s.requests()); diff != "" {
				t.Errorf("requests: -want +got\n%s", diff)
			}
		})
	}
}

func TestOfflineWithNothing(t *testing.T) {
	d := digest.FromString("absent")
	// follows: base: manifest %s is missing
	s, st := newServer(t), newStore(t)
	p := s.image("app", "amd64", oci, nil)
	ref := at(s.host, "app", p.desc.Digest)
	if _, err := Pull(t.Context(), st, resolver(t, nil), ref, Options{Offline: true}); fault.HintOf(err) != "run `twice fetch` with a network first" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := Pull(t.Context(), st, resolver(t, nil), ref, Options{Platform: amd64, Retry: quick}); err != nil {
		t.Error(err)
	}
	if _, err := Pull(t.Context(), st, resolver(t, nil), ref, Options{Platform: amd64, Offline: true}); err != nil {
		t.Error(err)
	}
	_, err := Pull(t.Context(), newStore(t), resolver(t, nil), at("registry.test", "app", d), Options{Offline: true})
	if err == nil || !strings.Contains(err.Error(), "registry.test/app@"+d.String()+": manifest "+d.String()+" is missing") || fault.HintOf(err) == "" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
}

func TestIndex(t *testing.T) {
	for name, c := range map[string]struct {
		ty    types
		index string
	}{"oci": {oci, ocispec.MediaTypeImageIndex}, "docker": {docker, dockerList}} {
		t.Run(name, func(t *testing.T) {
			s, r := newServer(t), resolver(t, nil)
			images := map[string]pushed{"amd64": s.image("app", "amd64", c.ty, nil), "arm64": s.image("app", "arm64", c.ty, nil)}
			ix := s.index("app", c.index, images)
			for arch, p := range images {
				st := newStore(t)
				img, err := Pull(t.Context(), st, r, at(s.host, "app", ix.Digest), Options{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, Retry: quick})
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]string{ocispec.AnnotationRefName: s.host + "/app", AnnotationIndex: ix.Digest.String()}
				if diff := cmp.Diff(want, img.Desc.Annotations); diff != "" {
					t.Errorf("annotations: -want +got\n%s", diff)
				}
				if img.Desc.Digest != p.desc.Digest || contents(t, st, img)["etc/arch"] != arch+"app" {
					t.Errorf("%s: got the image for %s", arch, img.Config.Architecture)
				}
				if !st.Has(ix.Digest) {
					t.Error("the index is not in the store")
				}
				if d, err := st.Resolve(at(s.host, "app", ix.Digest)); err != nil || d.Digest != ix.Digest || d.MediaType != c.index || d.Size != ix.Size {
					t.Errorf("the tag is %+v, %v", d, err)
				}
				for other, o := range images {
					if other != arch && st.Has(o.manifest.Layers[0].Digest) {
						t.Errorf("%s: the layers for %s came along", arch, other)
					}
				}
			}
			for want, opt := range map[string]Options{
				"0 of 2 images for linux/riscv64": {Platform: ocispec.Platform{OS: "linux", Architecture: "riscv64"}},
				"2 of 2 images for an image":      {},
			} {
				opt.Retry = quick
				_, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", ix.Digest), opt)
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), "linux/amd64, linux/arm64; give the digest of one") {
					t.Errorf("%v, want %q; hint %q", err, want, fault.HintOf(err))
				}
			}
			// follows: base: the index has %d of %d images for %s
			if _, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", images["arm64"].desc.Digest), Options{Retry: quick}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	p := func(arch, variant string) ocispec.Platform {
		return ocispec.Platform{OS: "linux", Architecture: arch, Variant: variant}
	}
	for _, c := range []struct {
		have, want ocispec.Platform
		fits       bool
	}{
		{p("arm64", ""), p("arm64", "v8"), true},
		{p("arm64", "v8"), p("arm64", ""), true},
		{p("arm64", "v9"), p("arm64", "v8"), false},
		{p("arm", "v6"), p("arm", "v7"), false},
		{p("arm", "v7"), p("arm", ""), true},
		{p("amd64", ""), p("arm64", ""), false},
	} {
		if got := fits(c.have, c.want); got != c.fits {
			t.Errorf("fits(%s, %s) = %v", platform(c.have), platform(c.want), got)
		}
	}
}

// An image that isn't what its index says is refused.
func TestWrongPlatform(t *testing.T) {
	s, r := newServer(t), resolver(t, nil)
	arm := s.image("app", "arm64", oci, nil)
	ix := s.index("app", ocispec.MediaTypeImageIndex, map[string]pushed{"amd64": arm})
	for _, d := range []digest.Digest{arm.desc.Digest, ix.Digest} {
		_, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", d), Options{Platform: amd64, Retry: quick})
		if err == nil || !strings.Contains(err.Error(), "the image is for linux/arm64, not linux/amd64") {
			t.Errorf("%v", err)
		}
		// follows: base: the image is for %s, not %s
		if hint := fault.HintOf(err); d == arm.desc.Digest && hint != "give the digest of the image's index, or of its image for linux/amd64" {
			t.Errorf("hint %q", hint)
		}
	}
}

func TestRefusedLayers(t *testing.T) {
	s, r := newServer(t), resolver(t, nil)
	for mediaType, want := range map[string]string{
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    "is foreign",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "is foreign",
		"application/vnd.oci.image.layer.v1.tar+gzip+encrypted":        "not a layer that can be read",
		"application/vnd.in-toto+json":                                 "not a layer that can be read",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "is foreign",
		"application/vnd.oci.image.layer.v1.tar+gzip; urls=elsewhere":  "not a layer that can be read",
	} {
		p := s.image("app", "amd64", oci, func(m *ocispec.Manifest) { m.Layers[1].MediaType = mediaType })
		st := newStore(t)
		_, err := Pull(t.Context(), st, r, at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick})
		if err == nil || !strings.Contains(err.Error(), "layer 2 ("+p.manifest.Layers[1].Digest.String()+")") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mediaType, err)
		}
		if st.Has(p.manifest.Layers[0].Digest) {
			t.Errorf("%s: a layer was fetched all the same", mediaType)
		}
	}
	p := s.image("app", "amd64", oci, func(m *ocispec.Manifest) { m.Layers[0].URLs = []string{"http://127.0.0.1:1/x"} })
	if _, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", p.desc.Digest), Options{Retry: quick}); err == nil || !strings.Contains(err.Error(), "layer 1") {
		t.Errorf("a layer with URLs: %v", err)
	}
	// follows: base: layer %d (%s) is foreign
	whole := s.image("app", "amd64", oci, nil)
	if _, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", whole.desc.Digest), Options{Platform: amd64, Retry: quick}); err != nil {
		t.Error(err)
	}
}

func TestBadReferences(t *testing.T) {
	hex := strings.Repeat("a", 64)
	for _, ref := range []string{
		"", "app", "registry.test/app:v1", "registry.test/app@", "registry.test/app@sha256:abc", "registry.test/app@sha512:" + hex + hex,
		"registry.test/app@sha256:" + hex + "@sha256:" + hex, "registry.test/APP@sha256:" + hex, "../app@sha256:" + hex, "registry.test/../app@sha256:" + hex, "registry.test/a//b@sha256:" + hex, "a b@sha256:" + hex,
		"registry.test/app@sha256:" + strings.ToUpper(hex),
	} {
		// follows: base: base image %.200q: %w
		if _, err := Open(resolver(t, nil), ref, Options{}); err == nil || !strings.Contains(fault.HintOf(err), "registry/name@sha256:") {
			t.Errorf("%q: %v; hint %q", ref, err, fault.HintOf(err))
		}
	}
	if _, err := Open(resolver(t, nil), "registry.test/name@sha256:"+hex, Options{}); err != nil {
		t.Error(err)
	}
}

func TestMirrors(t *testing.T) {
	s, st := newServer(t), newStore(t)
	p := s.image("cache/team/app", "amd64", oci, nil)
	empty := newServer(t)

	// The first mirror has nothing, the second has it below a path.
	ref := at("registry.test", "team/app", p.desc.Digest)
	m, err := Open(resolver(t, map[string]string{"registry.test": s.host + "/cache"}), ref, Options{Platform: amd64, Retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	first, err := newPlace("http://"+empty.host+"/", "team/app")
	if err != nil {
		t.Fatal(err)
	}
	m.places = append([]place{first}, m.places[0])
	m.login = newLogin(m.opt.Transport, nobody{}, m.places)
	img, err := m.Pull(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if len(empty.requests()) == 0 {
		t.Error("the first mirror was not asked")
	}
	if got := img.Desc.Annotations[ocispec.AnnotationRefName]; got != "registry.test/team/app" {
		t.Errorf("the image is called %s: a mirror's name is in it", got)
	}

	// An OCI layout is as good as a registry.
	dir := filepath.Join(t.TempDir(), "a layout")
	if err := image.WriteLayout(t.Context(), st, img.Desc, dir, ""); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{dir, "file://" + dir} {
		other := newStore(t)
		if _, err := Pull(t.Context(), other, resolver(t, map[string]string{"registry.test": a}), ref, Options{Platform: amd64, Retry: quick}); err != nil {
			t.Error(err)
		}
		if !other.Has(p.manifest.Layers[1].Digest) {
			t.Error("a layer is missing")
		}
	}
	for _, bad := range []string{"not a host", "::", "user:s3cr3t@mirror.test", "mirror.test/a/../b", "mirror.test?x", "..", "mirror.test//a"} {
		_, err = Open(resolver(t, map[string]string{"registry.test": bad}), ref, Options{})
		// follows: base: %q, for images of %s, is no registry: %w
		if err == nil || !strings.Contains(fault.HintOf(err), "mirrors.registries") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("mirror %s: %v", bad, err)
		}
	}
	for _, right := range []string{"mirror.test:5000", "mirror.test:5000/cache", dir} { // as the hint has them
		if _, err := Open(resolver(t, map[string]string{"registry.test": right}), ref, Options{}); err != nil {
			t.Errorf("mirror %s: %v", right, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	d := digest.FromString("x")
	for ref, want := range map[string]string{
		"registry.test/app":      "https://registry.test/v2/app",
		"registry.test:443/a/b":  "https://registry.test:443/v2/a/b",
		"localhost:5000/app":     "http://localhost:5000/v2/app",
		"127.0.0.1:5000/app:tag": "http://127.0.0.1:5000/v2/app",
		"10.0.0.1:5000/app":      "https://10.0.0.1:5000/v2/app",
		"app":                    "https://index.docker.io/v2/library/app",
		"nvidia/cuda:12":         "https://index.docker.io/v2/nvidia/cuda",
	} {
		m, err := Open(resolver(t, nil), ref+"@"+d.String(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.places) != 1 || m.places[0].url != want {
			t.Errorf("%s is at %+v, want %s", ref, m.places, want)
		}
	}
	m, err := Open(resolver(t, map[string]string{"docker.io": "http://10.0.0.1:5000/hub"}), "app@"+d.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{m.places[0].url, m.places[1].url}
	if diff := cmp.Diff([]string{"http://10.0.0.1:5000/v2/hub/library/app", "https://index.docker.io/v2/library/app"}, got); diff != "" {
		t.Errorf("a mirror of docker.io: -want +got\n%s", diff)
	}
}

// A registry that isn't on this machine is never asked without encryption,
// whatever it answers.
func TestNoPlainHTTP(t *testing.T) {
	asked := 0
	plain := roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Scheme == "http" {
			asked++
		}
		w := httptest.NewRecorder()
		w.WriteHeader(http.StatusBadGateway)
		return w.Result(), nil
	})
	for _, host := range []string{"10.0.0.1:5000", "registry.local", "registry.test"} {
		_, err := Pull(t.Context(), newStore(t), resolver(t, nil), at(host, "app", digest.FromString("x")), Options{Transport: plain, Retry: quick})
		if err == nil {
			t.Errorf("%s: no error", host)
		}
	}
	if asked > 0 {
		t.Errorf("%d requests in plain HTTP", asked)
	}
}

type roundTripper func(req *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Whatever a registry serves under a digest, what is kept is what the digest says.
func TestHostileDocuments(t *testing.T) {
	s, r := newServer(t), resolver(t, nil)
	good := s.image("app", "amd64", oci, nil)
	for name, doc := range map[string]any{
		"schema 1":        map[string]any{"schemaVersion": 1, "fsLayers": []any{}},
		"two in one":      map[string]any{"schemaVersion": 2, "manifests": []any{}, "layers": []any{}},
		"not JSON":        json.RawMessage(`"text"`),
		"index in itself": ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageIndex, Digest: good.desc.Digest, Size: good.desc.Size}}},
		"wrong size":      map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []ocispec.Descriptor{{MediaType: oci.manifest, Digest: good.desc.Digest, Size: 3}}},
		"huge config":     map[string]any{"schemaVersion": 2, "config": ocispec.Descriptor{MediaType: oci.config, Digest: good.manifest.Config.Digest, Size: image.MaxConfig + 1}, "layers": []any{}},
		"no config":       map[string]any{"schemaVersion": 2, "layers": []any{}},
	} {
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/manifests/"+digest.FromBytes(b).String()) {
				return false
			}
			_, _ = w.Write(b)
			return true
		})
		if _, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", digest.FromBytes(b)), Options{Platform: amd64, Retry: quick}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	big := bytes.Repeat([]byte(" "), image.MaxManifest+1)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = w.Write(big)
		return true
	})
	_, err := Pull(t.Context(), newStore(t), r, at(s.host, "app", digest.FromBytes(big)), Options{Retry: quick})
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a manifest without end: %v", err)
	}
}

func TestDamagedStore(t *testing.T) {
	s, st, r := newServer(t), newStore(t), resolver(t, nil)
	p := s.image("app", "amd64", oci, nil)
	pull := func() error {
		_, err := Pull(t.Context(), st, r, at(s.host, "app", p.desc.Digest), Options{Platform: amd64, Retry: quick})
		return err
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	name := st.Path(p.desc.Digest)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("{}"), fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
	if err := pull(); err != nil {
		t.Error(err)
	}
	if err := st.Verify(t.Context(), p.desc.Digest); err != nil {
		t.Error(err)
	}
}
