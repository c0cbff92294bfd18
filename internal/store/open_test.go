package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

func TestLayoutOnDisk(t *testing.T) {
	s := open(t)
	for name, want := range map[string]string{
		"oci-layout":  `{"imageLayoutVersion":"1.0.0"}`,
		"index.json":  `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
		"twice-store": "1\n",
	} {
		got, err := os.ReadFile(filepath.Join(s.Dir(), name))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// What Twice stores, containerd (and so BuildKit) and go-containerregistry
// (and so crane) read from the same directory.
func TestReadableByOthers(t *testing.T) {
	s, ctx := open(t), t.Context()
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`)
	if _, err := s.PutBytes(ctx, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	d, err := s.PutBytes(ctx, manifest)
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(manifest))}
	if err := s.Tag(ctx, "it", desc); err != nil {
		t.Fatal(err)
	}

	cs, err := local.NewStore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	ra, err := cs.ReaderAt(ctx, desc)
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	if ra.Size() != desc.Size {
		t.Errorf("containerd: %d bytes, want %d", ra.Size(), desc.Size)
	}

	p, err := layout.FromPath(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	ix, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	im, err := ix.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(im.Manifests) != 1 || im.Manifests[0].Annotations[ocispec.AnnotationRefName] != "it" {
		t.Errorf("go-containerregistry: %+v", im.Manifests)
	}
	img, err := p.Image(im.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := img.RawConfigFile(); err != nil || string(raw) != "{}" {
		t.Errorf("go-containerregistry: config %q, %v", raw, err)
	}
}

func TestOpenAgain(t *testing.T) {
	s := open(t)
	d, err := s.PutBytes(t.Context(), []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.Dir(), "ingest")); err != nil {
		t.Fatal(err)
	}
	s, err = Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Has(d) {
		t.Error("the blob is gone")
	}
	if _, err := s.PutBytes(t.Context(), []byte("more")); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ file, content, err, hint string }{
		"newer":      {"twice-store", "2\n", "a newer twice wrote it (version 2, this one knows 1)", "update twice"},
		"damaged":    {"twice-store", "", "twice-store is damaged", "remove the store"},
		"layout 2":   {"oci-layout", `{"imageLayoutVersion":"2.0.0"}`, "not an OCI image layout of version 1.0.0", "TWICE_CACHE"},
		"not layout": {"oci-layout", `[`, "not an OCI image layout of version 1.0.0", "TWICE_CACHE"},
	} {
		s := open(t)
		if err := os.WriteFile(filepath.Join(s.Dir(), c.file), []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(s.Dir())
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
	}
}

func TestOpenOnAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name); err == nil || fault.HintOf(err) == "" {
		t.Errorf("Open = %v; hint %q", err, fault.HintOf(err))
	}
}

func TestSweep(t *testing.T) {
	s, ctx := open(t), t.Context()
	alive, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Abort()
	file := func(name string, age time.Duration) string {
		name = filepath.Join(s.Dir(), "ingest", name)
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
		return name
	}
	file("tmp-dead", 0)
	file("part-"+digest.FromString("old").Encoded(), partAge+time.Hour)
	part := file("part-"+digest.FromString("young").Encoded(), partAge-time.Hour)
	if _, err := Open(s.Dir()); err != nil {
		t.Fatal(err)
	}
	want := []string{part, alive.f.Name()}
	if diff := cmp.Diff(want, ingest(t, s)); diff != "" {
		t.Errorf("in ingest: -want +got\n%s", diff)
	}
}

func FuzzIndex(f *testing.F) {
	mutate.Add(f, []byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"annotations":{"org.opencontainers.image.ref.name":"it"}}]}`))
	mutate.Add(f, []byte(`{"manifests":[{"digest":"sha256:../../x","annotations":{"org.opencontainers.image.ref.name":"it"}}]}`))
	mutate.Add(f, []byte(`null`))
	s, err := Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(s.file("index.json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Resolve("it"); err == nil && s.Path(d.Digest) == "" {
			t.Error(fmt.Errorf("resolved to %q", d.Digest))
		}
	})
}
