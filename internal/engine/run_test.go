package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

func TestStoreIsReadOnly(t *testing.T) {
	ctx := t.Context()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := st.PutBytes(ctx, []byte("some content"))
	if err != nil {
		t.Fatal(err)
	}
	ro := readOnly{st}
	if info, err := ro.Info(ctx, d); err != nil || info.Size != 12 || info.Digest != d {
		t.Errorf("Info = %+v, %v", info, err)
	}
	ra, err := ro.ReaderAt(ctx, ocispec.Descriptor{Digest: d})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(content.NewReader(ra)); err != nil || string(b) != "some content" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := ra.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ro.Info(ctx, digest.FromString("other")); !errdefs.IsNotFound(err) {
		t.Errorf("a blob that isn't there: %v", err)
	}
	for _, bad := range []digest.Digest{"", "sha256:", "sha256:../../../../etc/passwd", "../../etc:passwd", "sha512:00"} {
		if _, err := ro.Info(ctx, bad); err == nil {
			t.Errorf("Info of %q succeeded", bad)
		}
		if _, err := ro.ReaderAt(ctx, ocispec.Descriptor{Digest: bad}); err == nil {
			t.Errorf("ReaderAt of %q succeeded", bad)
		}
	}
	_, writer := ro.Writer(ctx)
	_, update := ro.Update(ctx, content.Info{})
	for name, err := range map[string]error{
		"Delete": ro.Delete(ctx, d), "Writer": writer, "Update": update,
		"Walk": ro.Walk(ctx, func(content.Info) error { return nil }), "Abort": ro.Abort(ctx, "x"),
	} {
		if !errdefs.IsPermissionDenied(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !st.Has(d) {
		t.Error("the blob is gone")
	}
}

func TestMemory(t *testing.T) {
	stat := func(m memory) *types.Stat {
		t.Helper()
		var got []*types.Stat
		err := m.Walk(t.Context(), "", func(_ string, d fs.DirEntry, err error) error {
			got = append(got, d.(*fsutil.DirEntryInfo).Stat)
			return err
		})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d files, %v", len(got), err)
		}
		return got[0]
	}
	a, b, a2 := stat(memory{"Dockerfile": []byte("aaaa")}), stat(memory{"Dockerfile": []byte("bbbb")}), stat(memory{"Dockerfile": []byte("aaaa")})
	if a.ModTime == b.ModTime {
		t.Error("files of equal size and other content have the same time")
	}
	if a.ModTime != a2.ModTime || a.Size != 4 || a.Path != "Dockerfile" {
		t.Errorf("%+v, %+v", a, a2)
	}
	f, err := memory{"Dockerfile": []byte("aaaa")}.Open("/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); err != nil || string(data) != "aaaa" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := (memory{}).Open("Dockerfile"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

func TestSolveOptions(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := st.PutBytes(t.Context(), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	good := Job{
		Dockerfile: []byte("FROM builder\n"), Target: "out", Inputs: map[string]ocispec.Descriptor{"builder": {Digest: d}},
		Store: st, Out: "out", NoCache: true, Hostname: "h", BuildArgs: map[string]string{"K": "v"},
	}
	opt, err := solveOpt(good)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"filename": "Dockerfile", "platform": "linux/amd64", "image-resolve-mode": "local", "target": "out", "no-cache": "",
		"hostname": "h", "build-arg:K": "v", "context:builder": "oci-layout://builder@" + d.String(),
	}
	for k, v := range want {
		if got, ok := opt.FrontendAttrs[k]; !ok || got != v {
			t.Errorf("%s = %q, want %q", k, got, v)
		}
	}
	if len(opt.FrontendAttrs) != len(want) {
		t.Errorf("attributes %v", opt.FrontendAttrs)
	}
	bad := map[string]func(*Job){
		"empty":          func(j *Job) { j.Dockerfile = []byte(" \n") },
		"frontend image": func(j *Job) { j.Dockerfile = []byte("#syntax = x/y\nFROM builder\n") },
		"directory":      func(j *Job) { j.Out = "" },
		"lower case":     func(j *Job) { j.Inputs = map[string]ocispec.Descriptor{"../x": {Digest: d}} },
		"digest":         func(j *Job) { j.Inputs = map[string]ocispec.Descriptor{"x": {Digest: "sha256:0"}} },
		"not in the":     func(j *Job) { j.Inputs = map[string]ocispec.Descriptor{"x": {Digest: digest.FromString("x")}} },
	}
	for want, change := range bad {
		j := good
		change(&j)
		if _, err := solveOpt(j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Run closes the status channel whatever happens.
func TestRunClosesStatus(t *testing.T) {
	status := make(chan *client.SolveStatus)
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	e := Over(nil, Info{})
	if err := e.Run(t.Context(), Job{ID: "A", Dockerfile: []byte("FROM scratch\n"), Out: out}, status); err == nil {
		t.Error("Run wrote to a directory that has files")
	}
	if _, open := <-status; open {
		t.Error("something was sent")
	}
}

func TestStepError(t *testing.T) {
	w := newWatcher(nil)
	id := digest.FromString("x")
	w.update(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: id, Data: []byte("first\n")}}})
	for range 100 {
		w.update(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: id, Data: []byte(strings.Repeat("x", 9999) + "\n")}}})
	}
	w.update(&client.SolveStatus{
		Logs:     []*client.VertexLog{{Vertex: id, Data: []byte("last\n")}},
		Vertexes: []*client.Vertex{{Digest: digest.FromString("y"), Name: "other", Error: "context canceled"}, {Digest: id, Name: "[build 2/2] RUN " + strings.Repeat("é", 200), Error: "x"}},
	})
	cause := &gateway.ExitError{ExitCode: 101, Err: fmt.Errorf("exit code: 101")}
	err := w.explain(fmt.Errorf("failed to solve: process \"sh\" did not complete successfully: %w", cause))
	var step *StepError
	if !errors.As(err, &step) {
		t.Fatalf("error is %T", err)
	}
	if step.Exit != 101 || len(step.Output) > keepOutput || step.Tail(1)[0] != "last" {
		t.Errorf("exit %d, %d bytes, last line %q", step.Exit, len(step.Output), step.Tail(1))
	}
	if want := "[build 2/2] RUN " + strings.Repeat("é", 83) + "…: exit status 101"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if got := (&StepError{}).Tail(3); got != nil {
		t.Errorf("Tail of nothing = %q", got)
	}
	plain := errors.New("failed to solve: no such stage")
	if got := newWatcher(nil).explain(plain); got != plain {
		t.Errorf("an error that no step made became %v", got)
	}
}

func TestDialAddresses(t *testing.T) {
	for _, addr := range []string{"", "localhost:1234", "http://127.0.0.1", "npipe:////./pipe/x", "tcp"} {
		_, err := Dial(t.Context(), addr, TLS{})
		if err == nil || fault.HintOf(err) == "" {
			t.Errorf("Dial(%q) = %v, hint %q", addr, err, fault.HintOf(err))
		}
	}
	// follows: engine: engine address %q is not one that can be dialled
	// follows: engine: is a buildkitd listening on that socket
	_, err := Dial(t.Context(), "localhost:1234", TLS{})
	if hint := fault.HintOf(err); !strings.HasPrefix(hint, "give SCHEME://… with one of ") || !strings.Contains(hint, "unix") {
		t.Errorf("%v; hint %q", err, hint)
	}
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := Dial(t.Context(), "unix://"+socket, TLS{}); !strings.HasPrefix(fault.HintOf(err), "is a buildkitd listening on that socket") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	serveFake(t, listen(t, "unix", socket), &fake{arch: "amd64"})
	dialOK(t, "unix://"+socket, TLS{})
	for _, tls := range []TLS{{CA: "missing.pem"}, {Cert: "c"}, {Key: "k"}} {
		if _, err := Dial(t.Context(), "tcp://127.0.0.1:1", tls); err == nil {
			t.Errorf("Dial with %+v succeeded", tls)
		}
	}
	if _, err := Dial(t.Context(), "unix:///run/x.sock", TLS{CA: "x"}); err == nil || !strings.Contains(err.Error(), "tcp://") {
		t.Errorf("certificates for a socket: %v", err)
	}
	_, err = Dial(t.Context(), "unix://"+filepath.Join(t.TempDir(), "no.sock"), TLS{})
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrUnexpectedEOF)
	if _, err := Dial(ctx, "tcp://127.0.0.1:1", TLS{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cancelled context: %v", err)
	}
}
