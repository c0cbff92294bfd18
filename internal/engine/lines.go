package engine

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// lines prints one line for each step that ends, and the last lines that a
// failed step printed. BuildKit's own bookkeeping ("[internal] …") is left out unless it
// fails, and so are quick hand-overs of inputs and outputs.
type lines struct {
	w     io.Writer
	done  map[digest.Digest]bool
	tails map[digest.Digest][]byte
}

const tailLines = 20

func newLines(w io.Writer) *lines {
	return &lines{w: w, done: map[digest.Digest]bool{}, tails: map[digest.Digest][]byte{}}
}

func (l *lines) run(ctx context.Context, in <-chan *client.SolveStatus) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s, ok := <-in:
			if !ok {
				return nil
			}
			if err := l.update(s); err != nil {
				return fmt.Errorf("showing progress: %w", err)
			}
		}
	}
}

func (l *lines) update(s *client.SolveStatus) error {
	for _, log := range s.Logs {
		b := append(l.tails[log.Vertex], log.Data...)
		if len(b) > 32<<10 {
			b = append([]byte(nil), b[len(b)-(16<<10):]...)
		}
		l.tails[log.Vertex] = b
	}
	for _, v := range s.Vertexes {
		if v.Completed == nil || l.done[v.Digest] {
			continue
		}
		l.done[v.Digest] = true
		if err := l.print(v); err != nil {
			return err
		}
		delete(l.tails, v.Digest)
	}
	return nil
}

func (l *lines) print(v *client.Vertex) error {
	name := shorten(v.Name)
	took := time.Duration(0)
	if v.Started != nil {
		took = v.Completed.Sub(*v.Started)
	}
	if v.Error == "" && (internal(v.Name) || took < brief && handover(v.Name)) {
		return nil
	}
	switch {
	case v.Cached:
		_, err := fmt.Fprintf(l.w, "%s  cached\n", name)
		return err
	case strings.Contains(v.Error, "context canceled"):
		_, err := fmt.Fprintf(l.w, "%s  cancelled\n", name)
		return err
	case v.Error == "":
		_, err := fmt.Fprintf(l.w, "%s  %.1f s\n", name, took.Seconds())
		return err
	}
	if _, err := fmt.Fprintf(l.w, "%s  failed after %.1f s\n", name, took.Seconds()); err != nil {
		return err
	}
	e := StepError{Output: l.tails[v.Digest]}
	for _, line := range e.Tail(tailLines) {
		if _, err := fmt.Fprintf(l.w, "    %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// internal is true for names like "[internal] load build definition" and,
// with a stream's prefix, "[A internal] …".
func internal(name string) bool {
	head, _, ok := strings.Cut(name, "]")
	return ok && strings.HasPrefix(name, "[") && strings.HasSuffix(head, "internal")
}

// brief is how long handing over an input may take without being shown.
const brief = 2 * time.Second

// handover is true for steps that move inputs and outputs, and run nothing:
// "[A context builder] OCI load from client", "[A] exporting to client directory".
func handover(name string) bool {
	head, rest, ok := strings.Cut(name, "] ")
	if !ok || !strings.HasPrefix(name, "[") {
		return false
	}
	return strings.Contains(head, "context ") || strings.HasPrefix(rest, "exporting ") || strings.HasPrefix(rest, "COPY ")
}
