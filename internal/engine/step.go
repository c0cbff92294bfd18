package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/opencontainers/go-digest"
)

// A StepError says which step of a Dockerfile failed, how, and what it last
// printed.
type StepError struct {
	Step   string // "[build 3/4] RUN --network=none cargo build"
	Exit   int    // exit status of the command, -1 if it isn't known
	Output []byte // the end of what the step wrote, at most 64 KiB
	Err    error  // what the engine said
}

func (e *StepError) Error() string {
	why := reason(e.Err)
	if why == fmt.Sprintf("exit code: %d", e.Exit) {
		why = fmt.Sprintf("exit status %d", e.Exit)
	}
	return shorten(e.Step) + ": " + why
}

func (e *StepError) Unwrap() error { return e.Err }

// Tail returns the last n lines of the step's output.
func (e *StepError) Tail(n int) []string {
	text := strings.TrimRight(string(e.Output), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return lines
}

// shorten makes one line of at most 100 characters of a step's name, which is
// a whole shell script at times.
func shorten(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return name
}

// reason takes the words off that BuildKit and gRPC put in front of each
// error, and the whole command that it repeats.
func reason(err error) string {
	text := err.Error()
	for _, prefix := range []string{"failed to solve: ", "rpc error: code = Unknown desc = "} {
		text = strings.TrimPrefix(text, prefix)
	}
	const marker = "did not complete successfully: "
	if i := strings.LastIndex(text, marker); i >= 0 {
		text = text[i+len(marker):]
	}
	return text
}

const keepOutput = 64 << 10

// watcher passes statuses on and remembers what explains a failure.
type watcher struct {
	out  chan<- *client.SolveStatus
	logs map[digest.Digest][]byte
	bad  *client.Vertex // the first step that failed by itself
}

func newWatcher(out chan<- *client.SolveStatus) *watcher {
	return &watcher{out: out, logs: map[digest.Digest][]byte{}}
}

func (w *watcher) close() {
	if w.out != nil {
		close(w.out)
	}
}

func (w *watcher) update(s *client.SolveStatus) {
	for _, l := range s.Logs {
		b := append(w.logs[l.Vertex], l.Data...)
		if len(b) > 2*keepOutput {
			b = bytes.Clone(b[len(b)-keepOutput:])
		}
		w.logs[l.Vertex] = b
	}
	for _, v := range s.Vertexes {
		if v.Error != "" && !strings.Contains(v.Error, "context canceled") && w.bad == nil {
			w.bad = v
		}
	}
	if w.out != nil {
		w.out <- s
	}
}

func (w *watcher) explain(err error) error {
	if w.bad == nil {
		return err
	}
	e := &StepError{Step: w.bad.Name, Exit: -1, Output: w.logs[w.bad.Digest], Err: err}
	if len(e.Output) > keepOutput {
		e.Output = e.Output[len(e.Output)-keepOutput:]
	}
	var exit *gateway.ExitError
	if errors.As(err, &exit) {
		e.Exit = int(exit.ExitCode)
	}
	return e
}
