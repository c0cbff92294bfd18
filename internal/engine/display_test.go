package engine

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// play sends what a solve of three steps would: one internal, one cached, and
// one that ends as err says.
func play(err string) <-chan *client.SolveStatus {
	c := make(chan *client.SolveStatus)
	go func() {
		defer close(c)
		t0 := time.Unix(1000, 0)
		t1 := t0.Add(38200 * time.Millisecond)
		load, from, run := digest.FromString("load"), digest.FromString("from"), digest.FromString("run")
		c <- &client.SolveStatus{Vertexes: []*client.Vertex{
			{Digest: load, Name: "[internal] load build definition from Dockerfile", Started: &t0, Completed: &t0},
			{Digest: from, Name: "[builder 1/1] FROM builder", Started: &t0, Completed: &t0, Cached: true},
			{Digest: run, Name: "[build 2/2] RUN --network=none cargo build --release \\\n    --locked", Inputs: []digest.Digest{from}, Started: &t0},
		}}
		c <- &client.SolveStatus{Logs: []*client.VertexLog{
			{Vertex: run, Data: []byte("Compiling a\nCompi"), Timestamp: t0},
			{Vertex: run, Data: []byte("ling b\nerror: no\n"), Timestamp: t0},
		}}
		c <- &client.SolveStatus{Vertexes: []*client.Vertex{
			{Digest: run, Name: "[build 2/2] RUN --network=none cargo build --release \\\n    --locked", Started: &t0, Completed: &t1, Error: err},
		}}
	}()
	return c
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	err := Display(t.Context(), &out, Lines, Stream{"A", play("")})
	if err != nil {
		t.Fatal(err)
	}
	want := `[A builder 1/1] FROM builder  cached
[A build 2/2] RUN --network=none cargo build --release \ --locked  38.2 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLinesOfFailure(t *testing.T) {
	var out bytes.Buffer
	if err := Display(t.Context(), &out, Lines, Stream{"", play("exit code: 101")}); err != nil {
		t.Fatal(err)
	}
	want := `[builder 1/1] FROM builder  cached
[build 2/2] RUN --network=none cargo build --release \ --locked  failed after 38.2 s
    Compiling a
    Compiling b
    error: no
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two jobs of one plan have steps with equal digests: both are shown.
func TestTwoJobsAreToldApart(t *testing.T) {
	for _, mode := range []Mode{Lines, Plain} {
		var out bytes.Buffer
		if err := Display(t.Context(), &out, mode, Stream{"A", play("")}, Stream{"B", play("context canceled")}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[A builder 1/1]", "[A build 2/2]", "[B builder 1/1]", "[B build 2/2]"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s does not show %s:\n%s", mode, want, out.String())
			}
		}
		if mode == Lines && !strings.Contains(out.String(), "--locked  cancelled") {
			t.Errorf("a cancelled step looks otherwise:\n%s", out.String())
		}
		if mode == Plain && !strings.Contains(out.String(), "Compiling b") {
			t.Errorf("plain does not show what steps print:\n%s", out.String())
		}
	}
}

func TestStepsStayLinked(t *testing.T) {
	s := Stream{Prefix: "A"}
	in := digest.FromString("in")
	got := s.mark(&client.SolveStatus{
		Vertexes: []*client.Vertex{{Digest: in, Name: "x"}, {Digest: digest.FromString("out"), Name: "[y] z", Inputs: []digest.Digest{in}}},
		Statuses: []*client.VertexStatus{{Vertex: in}},
		Logs:     []*client.VertexLog{{Vertex: in}},
		Warnings: []*client.VertexWarning{{Vertex: in}},
	})
	id := got.Vertexes[0].Digest
	if id == in || id.Validate() != nil {
		t.Errorf("digest %s", id)
	}
	if got.Vertexes[1].Inputs[0] != id || got.Statuses[0].Vertex != id || got.Logs[0].Vertex != id || got.Warnings[0].Vertex != id {
		t.Errorf("links are broken: %+v", got)
	}
	if got.Vertexes[0].Name != "[A] x" || got.Vertexes[1].Name != "[A y] z" {
		t.Errorf("names %q, %q", got.Vertexes[0].Name, got.Vertexes[1].Name)
	}
}

// Whoever displays must not block a solve, whatever happens to the display.
func TestDisplayDrains(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx  context.Context
		mode Mode
		w    interface{ Write([]byte) (int, error) }
		ok   bool
	}{
		"quiet":       {t.Context(), Quiet, &bytes.Buffer{}, true},
		"cancelled":   {ctx, Lines, &bytes.Buffer{}, false},
		"no terminal": {t.Context(), Terminal, &bytes.Buffer{}, false},
		"unknown":     {t.Context(), "loud", &bytes.Buffer{}, false},
		"full disk":   {t.Context(), Lines, brokenWriter{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := play("")
			err := Display(tt.ctx, tt.w, tt.mode, Stream{"A", in})
			if (err == nil) != tt.ok {
				t.Errorf("Display = %v", err)
			}
			if _, open := <-in; open {
				t.Error("the stream is not drained")
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// BuildKit calls an input docker.io/library/builder. Whoever reads the log would
// think that it was pulled from there.
func TestInputsHaveNoRegistry(t *testing.T) {
	t0 := time.Unix(1000, 0)
	load := digest.FromString("load")
	for _, prefix := range []string{"", "A"} {
		in := make(chan *client.SolveStatus, 1)
		in <- &client.SolveStatus{
			Vertexes: []*client.Vertex{{Digest: load, Name: "[context builder] load metadata for docker.io/library/builder@sha256:00", Started: &t0, Completed: &t0}},
			Statuses: []*client.VertexStatus{{ID: "resolve docker.io/library/builder@sha256:00", Vertex: load, Timestamp: t0, Started: &t0, Completed: &t0}},
		}
		close(in)
		var out bytes.Buffer
		if err := Display(t.Context(), &out, Plain, Stream{prefix, in}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"load metadata for builder@sha256:00", "resolve builder@sha256:00"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("with prefix %q, %q is not in\n%s", prefix, want, &out)
			}
		}
	}
}
