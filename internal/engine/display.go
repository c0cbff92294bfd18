package engine

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// A Stream is the progress of one job; Prefix names it on the screen.
type Stream struct {
	Prefix string
	Status <-chan *client.SolveStatus
}

// A Mode says how progress is shown.
type Mode string

const (
	Terminal Mode = "terminal" // BuildKit's own view, redrawn in place
	Plain    Mode = "plain"    // BuildKit's log: every line that a step prints
	Lines    Mode = "lines"    // one line when a step ends
	Quiet    Mode = "quiet"
)

// Display shows the progress of several jobs as one until all streams are
// closed. When ctx ends it stops showing, and still drains them.
func Display(ctx context.Context, w io.Writer, mode Mode, streams ...Stream) error {
	all := merge(streams)
	defer func() {
		for range all {
		}
	}()
	var show progressui.DisplayMode
	switch mode {
	case Quiet:
		return nil
	case Lines:
		return newLines(w).run(ctx, all)
	case Terminal:
		show = progressui.TtyMode
	case Plain:
		show = progressui.PlainMode
	default:
		return fmt.Errorf("progress mode %q is unknown", mode)
	}
	d, err := progressui.NewDisplay(w, show)
	if err != nil {
		return fmt.Errorf("showing progress: %w", err)
	}
	_, err = d.UpdateFrom(ctx, all)
	return err
}

// merge joins streams into one channel, which is closed after the last of
// them. Steps are told apart by their digests, and jobs of one plan share
// steps: so each stream gets digests of its own.
func merge(streams []Stream) chan *client.SolveStatus {
	out := make(chan *client.SolveStatus)
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() {
			for status := range s.Status {
				out <- s.mark(status)
			}
		})
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	return out
}

// mark returns a copy of status under the stream's name.
func (s Stream) mark(status *client.SolveStatus) *client.SolveStatus {
	id := func(d digest.Digest) digest.Digest { return digest.FromString(s.Prefix + "\x00" + d.String()) }
	out := &client.SolveStatus{}
	for _, v := range status.Vertexes {
		c := *v
		c.Digest, c.Name = id(v.Digest), s.name(v.Name)
		c.Inputs = nil
		for _, in := range v.Inputs {
			c.Inputs = append(c.Inputs, id(in))
		}
		if g := v.ProgressGroup; g != nil {
			c.ProgressGroup = &pb.ProgressGroup{Id: s.Prefix + "\x00" + g.Id, Name: s.name(g.Name), Weak: g.Weak}
		}
		out.Vertexes = append(out.Vertexes, &c)
	}
	for _, v := range status.Statuses {
		c := *v
		c.Vertex, c.ID = id(v.Vertex), input(v.ID)
		out.Statuses = append(out.Statuses, &c)
	}
	for _, v := range status.Logs {
		c := *v
		c.Vertex = id(v.Vertex)
		out.Logs = append(out.Logs, &c)
	}
	for _, v := range status.Warnings {
		c := *v
		c.Vertex = id(v.Vertex)
		out.Warnings = append(out.Warnings, &c)
	}
	return out
}

// name puts the prefix inside the brackets that most steps' names start with:
// "[build 2/3] RUN make" becomes "[A build 2/3] RUN make".
func (s Stream) name(n string) string {
	n = input(n)
	if s.Prefix == "" {
		return n
	}
	if rest, ok := strings.CutPrefix(n, "["); ok {
		return "[" + s.Prefix + " " + rest
	}
	return "[" + s.Prefix + "] " + n
}

// input takes the registry off an input's name, which BuildKit puts there: the
// input comes from the client, and no registry is asked.
func input(n string) string { return strings.ReplaceAll(n, "docker.io/library/", "") }
