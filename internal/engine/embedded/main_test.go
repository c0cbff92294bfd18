//go:build linux

package embedded

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
)

func TestMain(m *testing.M) {
	if IsChild() {
		os.Exit(ServeMain())
	}
	if dir := os.Getenv("TWICE_TEST_ORPHAN"); dir != "" {
		orphan(dir)
		return
	}
	os.Exit(m.Run())
}

// rootDir returns a directory with runc and its libraries: one that is given,
// one made of this machine's runc, or one made of Debian's packages.
var rootDir = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("TWICE_TEST_ENGINE_ROOT"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "twice-engine-root-")
	if err != nil {
		return "", err
	}
	if runc, err := exec.LookPath("runc"); err == nil {
		return dir, copyProgram(runc, dir)
	}
	if os.Getenv("TWICE_TEST_NETWORK") != "1" {
		return "", errors.New("no runc: install it, name a directory in TWICE_TEST_ENGINE_ROOT, or set TWICE_TEST_NETWORK=1")
	}
	return dir, composeRoot(dir)
})

// composeRoot makes the root that the program makes, from the locked packages.
func composeRoot(dir string) error {
	ctx := context.Background()
	cache, err := os.MkdirTemp("", "twice-engine-store-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	st, err := store.Open(cache)
	if err != nil {
		return err
	}
	r, err := address.New(address.Mirrors{}, os.Getenv)
	if err != nil {
		return err
	}
	def, err := images.Load("engine")
	if err != nil {
		return err
	}
	f := fetch.Fetcher{Store: st, Client: r.HTTPClient()}
	if err := f.Fetch(ctx, compose.Items(def, r)); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil {
		return err
	}
	return compose.EngineRoot(ctx, st, def, dir)
}

// copyProgram copies a program and the libraries that ldd names.
func copyProgram(path, dir string) error {
	files := []string{path}
	out, _ := exec.Command("ldd", path).Output() // fails for a static one
	for f := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(f, "/") {
			files = append(files, f)
		}
	}
	for i, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, f)
		if i == 0 {
			to = filepath.Join(dir, "usr/sbin/runc")
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// needRoot skips a test that can't run here, and says why.
func needRoot(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the embedded engine mounts file systems")
	}
	dir, err := rootDir()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// probe compiles testdata/probe, once.
var probe = sync.OnceValues(func() ([]byte, error) {
	if path := os.Getenv("TWICE_TEST_PROBE"); path != "" { // for machines without Go
		return os.ReadFile(path)
	}
	dir, err := os.MkdirTemp("", "twice-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the probe: %w: %s", err, msg)
	}
	return os.ReadFile(out)
})

// bench is a store with a builder image that holds nothing but the probe.
type bench struct {
	t     testing.TB
	store *store.Store
	base  ocispec.Descriptor
}

func newBench(t testing.TB) *bench {
	t.Helper()
	needRoot(t)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: st}
	p, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	b.base = b.image(func(tw *tar.Writer) {
		b.add(tw, "probe", p)
	})
	return b
}

func (b *bench) add(tw *tar.Writer, name string, data []byte) {
	b.t.Helper()
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := tw.Write(data); err != nil {
		b.t.Fatal(err)
	}
}

// image puts an image of one uncompressed layer into the store.
func (b *bench) image(fill func(tw *tar.Writer)) ocispec.Descriptor {
	b.t.Helper()
	w, err := b.store.Create(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	tw := tar.NewWriter(w)
	fill(tw)
	if err := tw.Close(); err != nil {
		b.t.Fatal(err)
	}
	layer, size, err := w.Commit("", -1)
	if err != nil {
		b.t.Fatal(err)
	}
	config := b.json(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer}},
	})
	return b.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config,
		Layers: []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayer, Digest: layer, Size: size}},
	})
}

func (b *bench) json(mediaType string, v any) ocispec.Descriptor {
	b.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	d, err := b.store.PutBytes(b.t.Context(), data)
	if err != nil {
		b.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// job makes a job that runs one command of the probe with no network and
// exports /out.
func (b *bench) job(id, command string) engine.Job {
	text := "FROM builder AS build\nSHELL [\"/probe\"]\nRUN --network=none mkdir /out && " + command +
		"\nFROM scratch AS out\nCOPY --from=build /out /\n"
	return b.text(id, text)
}

func (b *bench) text(id, dockerfile string) engine.Job {
	return engine.Job{
		ID: id, Dockerfile: []byte(dockerfile), Target: "out", Store: b.store,
		Inputs: map[string]ocispec.Descriptor{"builder": b.base},
		Out:    filepath.Join(b.t.TempDir(), "out"),
	}
}

func (b *bench) options() Options {
	return Options{StateDir: filepath.Join(b.t.TempDir(), "state"), RootDir: needRoot(b.t)}
}

// start starts an engine that the test closes, and checks that nothing stays.
func (b *bench) start(opt Options) engine.Engine {
	b.t.Helper()
	e, err := Start(b.t.Context(), opt)
	if err != nil {
		b.t.Fatalf("Start: %v (hint: %s)", err, fault.HintOf(err))
	}
	b.t.Cleanup(func() { b.stop(e) })
	return e
}

// run runs a job and returns all that its steps printed.
func run(ctx context.Context, e engine.Engine, j engine.Job) (string, error) {
	status := make(chan *client.SolveStatus)
	var out bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range status {
			for _, l := range s.Logs {
				out.Write(l.Data)
			}
		}
	}()
	err := e.Run(ctx, j, status)
	<-done
	return out.String(), err
}

func mustRun(t testing.TB, e engine.Engine, j engine.Job) string {
	t.Helper()
	out, err := run(t.Context(), e, j)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func read(t testing.TB, j engine.Job, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(j.Out, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stop closes an engine and checks that nothing of it stays.
func (b *bench) stop(e engine.Engine) {
	b.t.Helper()
	em := e.(*embedded)
	all := family(em.child.cmd.Process.Pid)
	if err := e.Close(); err != nil {
		b.t.Error(err)
	}
	checkGone(b.t, em.state.dir, all)
}

func (b *bench) unjson(d ocispec.Descriptor, v any) {
	b.t.Helper()
	data, err := b.store.ReadBytes(d.Digest, 1<<20)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
