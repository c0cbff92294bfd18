package referrer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/registry"
)

// subject need not be there for others to refer to it.
func subject(s string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(s), Size: int64(len(s))}
}

// registries are those that tests run against.
var registries = map[string]func(t *testing.T) string{
	"go-containerregistry, referrers API": func(t *testing.T) string { return serve(t, inProcess(true)) },
	"go-containerregistry, fallback tag":  func(t *testing.T) string { return serve(t, inProcess(false)) },
	"distribution":                        distribution,
}

func inProcess(api bool) http.Handler {
	return ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(api))
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// distribution starts the real one.
func distribution(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles a registry: left out of the short form")
	}
	program := filepath.Join(t.TempDir(), "distribution")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Dir = "../registry/testdata/distribution"
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building distribution: %v\n%s", err, out)
	}
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

func open(t *testing.T, host string) *registry.Repository {
	t.Helper()
	r, err := registry.OpenName(host+"/team/tool", registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func list(t *testing.T, repo *registry.Repository, d digest.Digest) map[digest.Digest]ocispec.Descriptor {
	t.Helper()
	all := map[digest.Digest]ocispec.Descriptor{}
	for d, err := range List(t.Context(), repo, d) {
		if err != nil {
			t.Fatal(err)
		}
		all[d.Digest] = d
	}
	return all
}

// What was attached is listed with its type and annotations, and read back as
// it was; what refers to another image isn't.
func TestPushListRead(t *testing.T) {
	docs := []Referrer{
		{Type: SBOM, Title: "tool-cdx-v1.json", Data: []byte(`{"bomFormat":"CycloneDX"}`)},
		{Type: Statement, Title: "tool-provenance-v1.json", Data: []byte(`{"_type":"x"}`)},
		{Type: Verdict, Title: "verdict.json", Data: []byte(`{"word":"REPRODUCIBLE"}`)},
		OfBundle([]byte(`{"mediaType":"b"}`), "https://slsa.dev/provenance/v1"),
	}
	for name, start := range registries {
		t.Run(name, func(t *testing.T) {
			repo := open(t, start(t))
			image := subject("image")
			if got := list(t, repo, image.Digest); len(got) > 0 {
				t.Fatalf("there is %v", got)
			}
			for _, d := range docs {
				for range 2 { // the second time changes nothing
					desc, err := Push(t.Context(), repo, image, d)
					if err != nil {
						t.Fatal(err)
					}
					if _, want, err := d.Manifest(image); err != nil || want.Digest != desc.Digest {
						t.Errorf("%s, want %s, %v", desc.Digest, want.Digest, err)
					}
				}
			}
			if _, err := Push(t.Context(), repo, subject("other"), docs[0]); err != nil {
				t.Fatal(err)
			}
			got := list(t, repo, image.Digest)
			if len(got) != len(docs) {
				t.Fatalf("%d are listed: %v", len(got), got)
			}
			for _, want := range docs {
				_, d, err := want.Manifest(image)
				if err != nil {
					t.Fatal(err)
				}
				listed := got[d.Digest]
				if listed.ArtifactType != want.Type || listed.Annotations[AnnotationPredicate] != want.Annotations[AnnotationPredicate] || listed.Size != d.Size {
					t.Errorf("listed as %+v, want %+v", listed, d)
				}
				read, err := Read(t.Context(), repo, listed, 1<<10)
				if err != nil {
					t.Fatal(err)
				}
				if read.Type != want.Type || read.Title != want.Title || string(read.Data) != string(want.Data) {
					t.Errorf("read %+v, want %+v", read, want)
				}
				if _, err := Read(t.Context(), repo, listed, 3); !errors.Is(err, ErrTooLarge) {
					t.Errorf("above the limit: %v", err)
				}
			}
		})
	}
}

// A thousand referrers come page by page, and whoever has enough asks for no
// more pages.
func TestManyReferrers(t *testing.T) {
	const n, perPage = 1000, 100
	image := subject("image")
	var all []ocispec.Descriptor
	for i := range n {
		_, d, err := Referrer{Type: Statement, Data: fmt.Append(nil, i)}.Manifest(image)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	pages := 0
	repo := open(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		pages++
		var at int
		_, _ = fmt.Sscan(r.URL.Query().Get("last"), &at)
		if at+perPage < n {
			w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, at+perPage))
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		writeIndex(w, all[at:at+perPage])
	})))
	got := list(t, repo, image.Digest)
	if len(got) != n || pages != n/perPage {
		t.Errorf("%d referrers in %d pages", len(got), pages)
	}
	pages = 0
	seen := 0
	for _, err := range List(t.Context(), repo, image.Digest) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == perPage+1 {
			break
		}
	}
	if pages != 2 {
		t.Errorf("%d pages were asked for", pages)
	}
}

// Two who attach at once, to a registry that can't list, lose nothing.
func TestTwoAtOnce(t *testing.T) {
	host := serve(t, inProcess(false))
	image := subject("image")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			repo, err := registry.OpenName(host+"/team/tool", registry.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer repo.Close()
			for j := range 5 {
				if _, err := Push(t.Context(), repo, image, Referrer{Type: Statement, Data: fmt.Append(nil, i, j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// Each saw its own entry; that it stays is what the others saw to, or the
	// next push does.
	repo := open(t, host)
	for i := range 4 {
		for j := range 5 {
			if _, err := Push(t.Context(), repo, image, Referrer{Type: Statement, Data: fmt.Append(nil, i, j)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := list(t, repo, image.Digest); len(got) != 20 {
		t.Errorf("%d are listed", len(got))
	}
}

// A registry that lies is found out.
func TestLyingRegistry(t *testing.T) {
	image := subject("image")
	text, desc, err := Referrer{Type: Statement, Data: []byte("true")}.Manifest(image)
	if err != nil {
		t.Fatal(err)
	}
	index := func(link string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Link", link)
			writeIndex(w, []ocispec.Descriptor{desc})
		}
	}
	raw := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"another host":   {index(`<https://elsewhere.test/v2/x>; rel="next"`), "another host"},
		"the same page":  {index(`<?>; rel="next"`), "same one"},
		"no index":       {raw(`[]`), "no OCI index"},
		"cut off":        {raw(`{"manifests":[`), "no OCI index"},
		"no digest":      {raw(`{"manifests":[{"digest":"sha256:12"}]}`), "invalid checksum"},
		"a huge page":    {raw(`{"x":"` + strings.Repeat("x", maxPage) + `"}`), "too large"},
		"manifests is 1": {raw(`{"manifests":1}`), "no list"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := open(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					c.h(w, r)
				}
			})))
			var last error
			for _, err := range List(t.Context(), repo, image.Digest) {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), c.want) {
				t.Errorf("%v, want %s", last, c.want)
			}
		})
	}
	for name, answers := range map[string][2]string{
		"another manifest": {strings.Replace(string(text), "in-toto", "in-tata", 1), "true"},
		"another blob":     {string(text), "fake"},
		"a longer blob":    {string(text), "true!"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := open(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.Contains(r.URL.Path, "/manifests/"):
					fmt.Fprint(w, answers[0])
				case strings.Contains(r.URL.Path, "/blobs/"):
					fmt.Fprint(w, answers[1])
				}
			})))
			if _, err := Read(t.Context(), repo, desc, 100); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
		})
	}
}

func writeIndex(w io.Writer, list []ocispec.Descriptor) {
	fmt.Fprint(w, `{"schemaVersion":2,"mediaType":"`+ocispec.MediaTypeImageIndex+`","manifests":[`)
	for i, d := range list {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, `{"mediaType":%q,"artifactType":%q,"digest":%q,"size":%d}`, d.MediaType, d.ArtifactType, d.Digest, d.Size)
	}
	fmt.Fprint(w, "]}")
}
