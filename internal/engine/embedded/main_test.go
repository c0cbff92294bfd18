//go:build linux

package embedded

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
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
		return "", errors.New("no runc: install it, name a directory in TWICE_TEST_ENGINE_ROOT, or set TWICE_TEST_NETWORK=1 on Debian")
	}
	cmd := exec.Command("sh", "-ec", "apt-get download -q runc libseccomp2 libc6 && for d in *.deb; do dpkg-deb -x $d .; rm $d; done")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("no runc, and apt-get: %w: %s", err, out)
	}
	return dir, nil
})

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

// process is one that a test saw; a PID alone may mean another one later.
type process struct {
	pid   int
	start string // in clock ticks since boot
	cmd   string
}

// family returns a process and all that descend from it.
func family(root int) []process {
	children := map[int][]process{}
	var all []process
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// 12 (name) S 1 …: the name may hold anything.
		head, _, _ := strings.Cut(string(b), " (")
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		pid, _ := strconv.Atoi(head)
		parent, _ := strconv.Atoi(f[1])
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		p := process{pid, f[19], strings.TrimSpace(string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))}
		if f[0] == "Z" {
			continue
		}
		children[parent] = append(children[parent], p)
		if pid == root {
			all = append(all, p)
		}
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

func (p process) alive() bool {
	for _, q := range family(p.pid) {
		if q.pid == p.pid && q.start == p.start {
			return true
		}
	}
	return false
}

// stepRuns reports whether a probe runs below a process.
func stepRuns(root int) bool {
	for _, p := range family(root) {
		if strings.HasPrefix(p.cmd, "/probe ") {
			return true
		}
	}
	return false
}

// waitForStep waits until one of this process's engines runs a step.
func waitForStep(t testing.TB) {
	t.Helper()
	waitFor(t, "the step runs", time.Minute, func() bool { return stepRuns(os.Getpid()) })
}

// leftovers returns what of an engine with that state, and of those processes,
// is still there.
func leftovers(stateDir string, family []process) []string {
	var left []string
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, stateDir) {
			left = append(left, "mount "+line)
		}
	}
	for _, p := range family {
		if p.alive() {
			left = append(left, fmt.Sprintf("process %d %s", p.pid, p.cmd))
		}
	}
	if list, err := os.ReadFile(filepath.Join(stateDir, "cgroups")); err == nil {
		for dir := range strings.FieldsSeq(string(list)) {
			if _, err := os.Stat(dir); err == nil {
				left = append(left, "cgroup "+dir)
			}
		}
	}
	filepath.WalkDir(stateDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			left = append(left, "socket "+path)
		}
		return nil
	})
	return left
}

func checkGone(t testing.TB, stateDir string, family []process) {
	t.Helper()
	for _, l := range leftovers(stateDir, family) {
		t.Errorf("left behind: %s", strings.TrimSpace(l))
	}
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

// waitFor waits until ok, and fails after limit.
func waitFor(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

type orphanConfig struct {
	StateDir, RootDir, Store string
	Job                      engine.Job
}

// orphan runs an engine with one long step, in a process that a test kills.
func orphan(dir string) {
	var o orphanConfig
	b, err := os.ReadFile(filepath.Join(dir, "orphan.json"))
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err == nil {
		o.Job.Store, err = store.Open(o.Store)
	}
	var e engine.Engine
	if err == nil {
		e, err = Start(context.Background(), Options{StateDir: o.StateDir, RootDir: o.RootDir})
	}
	if err == nil {
		err = e.Run(context.Background(), o.Job, nil)
	}
	fmt.Fprintln(os.Stderr, "orphan:", err)
	os.Exit(1)
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
