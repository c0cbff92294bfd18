//go:build linux

package embedded

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

func TestRun(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	info := e.Info()
	if info.Kind != "embedded" || info.BuildKit == "" || !strings.HasPrefix(info.Runtime, "runc ") {
		t.Errorf("Info = %+v", info)
	}
	t.Logf("engine: %+v", info)

	j := b.job("A", "write /out/a/b.txt hello && nanos /out/n")
	if _, err := run(t.Context(), e, j); err == nil {
		t.Error("writing to a directory that isn't there succeeded")
	}
	j = b.job("A", "mkdir /out/a && write /out/a/b.txt hello && chmod 0640 /out/a/b.txt && chown 4711 /out/a/b.txt && "+
		"touch 1000000000 /out/a/b.txt && symlink b.txt /out/a/link && hostname")
	j.Hostname = "some-host"
	began := time.Now()
	out := mustRun(t, e, j)
	t.Logf("first solve %v", time.Since(began))
	if !strings.Contains(out, "hostname some-host\n") {
		t.Errorf("the step did not see its host name:\n%s", out)
	}
	if got := read(t, j, "a/b.txt"); got != "hello" {
		t.Errorf("b.txt = %q", got)
	}
	fi, err := os.Lstat(filepath.Join(j.Out, "a/b.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != 0o640 || fi.ModTime().Unix() != 1000000000 {
		t.Errorf("b.txt has mode %v and time %v", fi.Mode(), fi.ModTime())
	}
	if uid := owner(fi); uid != os.Getuid() {
		t.Errorf("b.txt belongs to %d", uid)
	}
	if target, err := os.Readlink(filepath.Join(j.Out, "a/link")); err != nil || target != "b.txt" {
		t.Errorf("link leads to %q: %v", target, err)
	}

	j.Out = filepath.Join(t.TempDir(), "again")
	began = time.Now()
	mustRun(t, e, j)
	t.Logf("repeated solve %v", time.Since(began))
	if err := e.Run(t.Context(), j, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("exporting to a directory with files: %v", err)
	}
}

// Equal steps of concurrent solves run once; a comment keeps them apart, and
// NoCache makes a step run again.
func TestEqualStepsRunOnce(t *testing.T) {
	b := newBench(t)
	opt := b.options()
	e := b.start(opt)
	both := func(a, c engine.Job) (string, string) {
		t.Helper()
		var wg sync.WaitGroup
		var errA, errB error
		wg.Go(func() { errA = e.Run(t.Context(), a, nil) })
		wg.Go(func() { errB = e.Run(t.Context(), c, nil) })
		wg.Wait()
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		return read(t, a, "n"), read(t, c, "n")
	}
	const step = "sleep 300ms && nanos /out/n"
	a, c := b.job("A", step), b.job("B", step)
	a.NoCache, c.NoCache = true, true
	x, y := both(a, c)
	if x != y {
		t.Errorf("equal steps of two --no-cache solves gave %s and %s: BuildKit no longer merges them, tell engine's package comment", x, y)
	}
	a, c = b.job("A", step+" # A"), b.job("B", step+" # B")
	x, y = both(a, c)
	if x == y {
		t.Errorf("steps that differ in a comment gave the same nanosecond %s", x)
	}
	a, c = b.job("A", step+" # A"), b.job("B", step+" # B")
	if x2, y2 := both(a, c); x2 != x || y2 != y {
		t.Error("a finished step ran again, without NoCache")
	}
	a, c = b.job("A", step+" # A"), b.job("B", step+" # B")
	a.NoCache, c.NoCache = true, true
	if x2, y2 := both(a, c); x2 == x || y2 == y || x2 == y2 {
		t.Errorf("with NoCache: %s became %s, %s became %s", x, x2, y, y2)
	}

	// The cache outlives the engine.
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = b.start(opt)
	t.Logf("start with a state: %v", e.Info().Start)
	a = b.job("A", "sleep 300ms && nanos /out/n # kept")
	mustRun(t, e, a)
	e.Close()
	e = b.start(opt)
	again := b.job("A", "sleep 300ms && nanos /out/n # kept")
	mustRun(t, e, again)
	if read(t, a, "n") != read(t, again, "n") {
		t.Error("a step that was done before the engine's restart ran again")
	}
}

// An engine takes a Dockerfile for unchanged if its size and time are.
func TestDockerfilesOfEqualLength(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	for _, word := range []string{"aaaa", "bbbb", "cccc", "aaaa"} {
		j := b.job(word, "write /out/word "+word)
		mustRun(t, e, j)
		if got := read(t, j, "word"); got != word {
			t.Fatalf("the step wrote %q, its Dockerfile says %q", got, word)
		}
	}
}

func TestFailedStep(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	_, err := run(t.Context(), e, b.job("A", "echo one && echo two && exit 42"))
	var step *engine.StepError
	if !errors.As(err, &step) {
		t.Fatalf("error is %T: %v", err, err)
	}
	if step.Exit != 42 || !strings.Contains(step.Step, "RUN --network=none") {
		t.Errorf("StepError = %+v", step)
	}
	if diff := cmp.Diff([]string{"one", "two"}, step.Tail(5)); diff != "" {
		t.Errorf("Tail (-want +got):\n%s", diff)
	}
	if want := "exit status 42"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %q does not end in %q", err, want)
	}
}

func TestRefused(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	tests := map[string]struct{ text, want string }{
		"image":        {"FROM no-such-image:1 AS out\n", "denied by policy"},
		"git":          {"FROM scratch AS out\nADD https://192.0.2.1/x.git /x\n", "denied by policy"},
		"http":         {"FROM scratch AS out\nADD http://192.0.2.1/x /x\n", "denied by policy"},
		"syntax":       {"# syntax=docker/dockerfile:1\nFROM scratch AS out\n", "frontend image"},
		"host network": {"FROM builder AS out\nSHELL [\"/probe\"]\nRUN --network=host echo x\n", "network.host is not allowed"},
		"insecure":     {"FROM builder AS out\nSHELL [\"/probe\"]\nRUN --security=insecure echo x\n", "security.insecure is not allowed"},
		"context":      {"FROM builder AS out\nCOPY x /x\n", "not found"},
		"stage":        {"FROM builder AS other\n", "out"},
		"empty":        {"\n", "empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := run(t.Context(), e, b.text("A", tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("it took %v to say no", d)
			}
		})
	}
	missing := b.job("A", "echo x")
	gone := missing.Inputs["builder"]
	gone.Digest = "sha256:" + gone.Digest[len("sha256:")+2:] + "00"
	missing.Inputs = map[string]ocispec.Descriptor{"builder": gone}
	if err := e.Run(t.Context(), missing, nil); err == nil || !strings.Contains(err.Error(), "not in the store") {
		t.Errorf("an input that isn't there: %v", err)
	}
}

// A RUN without a network mode has none either.
func TestHermetic(t *testing.T) {
	b := newBench(t)
	port, abstract := listenOnHost(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	e := b.start(b.options())
	for name, mode := range map[string]string{"none": "--network=none ", "default": ""} {
		t.Run(name, func(t *testing.T) {
			text := "FROM builder AS out\nSHELL [\"/probe\"]\nRUN " + mode + "network " + port + " " + abstract + " && outside\n"
			out := mustRun(t, e, b.text("A", text))
			wantShut(t, out, 18)
		})
	}
}

// What TestHermetic finds closed is open on the host, where the listeners are.
func TestProbeFindsOpenDoors(t *testing.T) {
	needRoot(t)
	port, abstract := listenOnHost(t)
	wantOpenOnHost(t, []string{"network", port, abstract}, "host loopback", "abstract socket", "proc net unix", "unshare", "processes")
}

// wantShut wants n ways that a step tried, all of them closed.
func wantShut(t *testing.T, out string, n int) {
	t.Helper()
	open, closed := doors(out)
	if len(open) > 0 {
		t.Errorf("not hermetic:\n%s", strings.Join(open, "\n"))
	}
	if closed != n {
		t.Errorf("%d ways were tried, want %d:\n%s", closed, n, out)
	}
}

// wantOpenOnHost runs the probe outside of any step: it has to find these ways.
func wantOpenOnHost(t *testing.T, args []string, ways ...string) {
	t.Helper()
	p, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(path, p, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	open, _ := doors(string(out))
	for _, want := range ways {
		if !slices.ContainsFunc(open, func(s string) bool { return strings.HasPrefix(s, "open "+want) }) {
			t.Errorf("the probe takes %q for closed on the host:\n%s", want, out)
		}
	}
}

// doors reads what the probe's commands network and files print.
func doors(out string) (open []string, closed int) {
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "open "):
			open = append(open, strings.TrimSpace(line))
		case strings.HasPrefix(line, "closed "):
			closed++
		}
	}
	return open, closed
}

func TestEnvironment(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	j := b.text("A", "FROM builder AS build\nSHELL [\"/probe\"]\nENV GIVEN=1\nARG ARGUMENT\n"+
		"RUN --network=none mkdir /out && env /out/env\nFROM scratch AS out\nCOPY --from=build /out /\n")
	j.BuildArgs = map[string]string{"ARGUMENT": "2", "UNDECLARED": "3"}
	mustRun(t, e, j)
	got := strings.Split(read(t, j, "env"), "\n")
	slices.Sort(got)
	want := []string{"ARGUMENT=2", "GIVEN=1", "HOME=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment of a step (-want +got):\n%s", diff)
	}
}

// An input whose blobs have changed at rest, or are gone, gives no output.
func TestBrokenInputs(t *testing.T) {
	b := newBench(t)
	e := b.start(b.options())
	var m ocispec.Manifest
	b.unjson(b.base, &m)
	path := b.store.Path(m.Layers[0].Digest)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = run(t.Context(), e, b.job("A", "echo x"))
	var corrupt *store.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Digest != m.Layers[0].Digest || fault.HintOf(err) == "" {
		t.Errorf("a changed layer: %v (hint %q)", err, fault.HintOf(err))
	}
	_, err = run(t.Context(), e, b.job("A", "echo x"))
	if err == nil || !strings.Contains(err.Error(), m.Layers[0].Digest.String()) || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a missing layer: %v", err)
	}
	// When it is there again all is well.
	data[len(data)/2] ^= 1
	if _, _, err := b.store.Put(t.Context(), bytes.NewReader(data), m.Layers[0].Digest, -1); err != nil {
		t.Fatal(err)
	}
	mustRun(t, e, b.job("A", "echo x"))
}
