package transfer

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/store"
)

func put(t *testing.T, st *store.Store, mediaType string, data []byte) ocispec.Descriptor {
	t.Helper()
	d, err := st.PutBytes(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// artefact is an index of one manifest with these files.
func artefact(t *testing.T, st *store.Store, files ...string) ocispec.Descriptor {
	t.Helper()
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/x",
		Config: put(t, st, ocispec.MediaTypeEmptyJSON, []byte("{}"))}
	for _, f := range files {
		m.Layers = append(m.Layers, put(t, st, "application/x", []byte(f)))
	}
	text, err := image.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{put(t, st, m.MediaType, text)}}
	if text, err = image.Marshal(ix); err != nil {
		t.Fatal(err)
	}
	return put(t, st, ix.MediaType, text)
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// serve starts a registry. change, if it isn't nil, changes what is read.
func serve(t *testing.T, change func(path string, body []byte) []byte) *registry.Repository {
	t.Helper()
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change == nil || r.Method != http.MethodGet {
			inner.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(change(r.URL.Path, rec.Body.Bytes()))
	}))
	t.Cleanup(srv.Close)
	n, err := name.NewRepository(strings.TrimPrefix(srv.URL, "http://") + "/team/tool")
	if err != nil {
		t.Fatal(err)
	}
	repo, err := registry.Open(n, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestShared(t *testing.T) {
	st, repo := newStore(t), serve(t, nil)
	first, second := artefact(t, st, "a", "b"), artefact(t, st, "b", "c")
	sent := func(d ocispec.Descriptor, tag string) Moved {
		t.Helper()
		m, err := Push(t.Context(), repo, st, d, tag)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := sent(first, "v1"); m.Sent != 5 || m.Shared != 0 {
		t.Errorf("first: %+v", m)
	}
	if m := sent(second, "v2"); m.Sent != 3 || m.Shared != 2 || m.SharedBytes != 3 { // c and the documents; "{}" and b are there
		t.Errorf("second: %+v", m)
	}
	if m := sent(second, "v2"); m.Sent != 0 || m.Shared != 5 {
		t.Errorf("again: %+v", m)
	}
	for tag, want := range map[string]digest.Digest{"v1": first.Digest, "v2": second.Digest} {
		if got, err := Resolve(t.Context(), repo, tag); err != nil || got != want {
			t.Errorf("%s is %s, %v", tag, got, err)
		}
	}
	there := newStore(t)
	got, m, err := Pull(t.Context(), repo, there, first.Digest)
	if err != nil || m.Sent != 5 {
		t.Fatalf("%+v, %v", m, err)
	}
	if d := cmp.Diff(first, got); d != "" {
		t.Error(d)
	}
	if _, m, err = Pull(t.Context(), repo, there, second.Digest); err != nil || m.Sent != 3 || m.Shared != 2 {
		t.Errorf("%+v, %v", m, err)
	}
	if data, err := there.ReadBytes(digest.FromString("c"), 10); err != nil || string(data) != "c" {
		t.Errorf("%q, %v", data, err)
	}
	if _, _, err := Pull(t.Context(), repo, there, digest.FromString("nothing")); err == nil {
		t.Error("what isn't there was read")
	}
}

// Whatever a registry changes is found, and nothing of it is kept.
func TestChanged(t *testing.T) {
	st := newStore(t)
	root := artefact(t, st, "a", "b")
	for _, what := range []digest.Digest{root.Digest, digest.FromString("b"), digest.FromString("{}")} {
		repo := serve(t, func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, "/"+what.String()) {
				return body
			}
			body = bytes.Clone(body)
			body[len(body)-1] ^= 1
			return body
		})
		if _, err := Push(t.Context(), repo, st, root, "v1"); err != nil {
			t.Fatal(err)
		}
		there := newStore(t)
		_, _, err := Pull(t.Context(), repo, there, root.Digest)
		var bad *store.MismatchError
		if !errors.As(err, &bad) || bad.Expected != what {
			t.Errorf("%s: %v", what, err)
		}
		if there.Has(what) {
			t.Errorf("%s is in the store", what)
		}
	}
}
