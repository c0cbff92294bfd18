package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/craton-co/twice/internal/fault"
)

// pretend is an engine whose jobs end as it says.
type pretend struct {
	worker string
	run    func(ctx context.Context, job Job) error

	mu   sync.Mutex
	jobs []string
}

func (p *pretend) Run(ctx context.Context, job Job, status chan<- *client.SolveStatus) error {
	if status != nil {
		defer close(status)
		status <- &client.SolveStatus{}
	}
	p.mu.Lock()
	p.jobs = append(p.jobs, job.ID)
	p.mu.Unlock()
	if err := emptyDir(job.Out); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(job.Out, "half"), []byte(p.worker), 0o644); err != nil {
		return err
	}
	if p.run == nil {
		return nil
	}
	return p.run(ctx, job)
}

func (p *pretend) Info() Info   { return Info{Worker: p.worker} }
func (p *pretend) Close() error { return nil }

var errGone = errors.New("the connection broke")

func gone(context.Context, Job) error { return errGone }

func newPretendPool(t *testing.T, engines ...*pretend) *Pool {
	t.Helper()
	var members []*Member
	for _, e := range engines {
		members = append(members, &Member{Name: "engine-" + e.worker, Engine: e})
	}
	p, err := NewPool(members)
	if err != nil {
		t.Fatal(err)
	}
	p.Need = 2
	return p
}

// run runs a job for an engine, with a receiver of its progress.
func runJob(t *testing.T, p *Pool, want int, id string) (left string, err error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	status := make(chan *client.SolveStatus)
	closed := make(chan bool)
	go func() {
		for range status {
		}
		close(closed)
	}()
	err = p.Run(t.Context(), want, false, Job{ID: id, Out: out}, status)
	<-closed
	data, _ := os.ReadFile(filepath.Join(out, "half"))
	return string(data), err
}

// What a lost engine was to do another does, from the start, as long as two are
// left; and the pool remembers who did what.
func TestPoolReplaces(t *testing.T) {
	a, b, c := &pretend{worker: "a", run: gone}, &pretend{worker: "b"}, &pretend{worker: "c"}
	p := newPretendPool(t, a, b, c)
	var told []string
	p.Lost = func(lost, next *Member, err error) { told = append(told, lost.Name+" "+next.Name) }
	if left, err := runJob(t, p, 0, "A"); err != nil || left != "c" {
		t.Fatalf("%q, %v", left, err)
	}
	// Also what comes later for it, without a try.
	if left, err := runJob(t, p, 0, "A"); err != nil || left != "c" || len(a.jobs) != 1 {
		t.Errorf("%q, %v, %d tries", left, err, len(a.jobs))
	}
	if left, err := runJob(t, p, 1, "B"); err != nil || left != "b" {
		t.Errorf("%q, %v", left, err)
	}
	m := p.Members()
	if !errors.Is(m[0].Err, errGone) || m[1].Err != nil || m[0].Ran != nil || !slices.Equal(m[2].Ran, []string{"A"}) {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(told, []string{"engine-a engine-c"}) {
		t.Errorf("told %q", told)
	}
	if err := p.Run(t.Context(), 0, true, Job{ID: "C1", Out: t.TempDir()}, nil); !errors.Is(err, errGone) {
		t.Errorf("exactly the one that is lost: %v", err)
	}
}

func TestPoolNeedsTwo(t *testing.T) {
	p := newPretendPool(t, &pretend{worker: "a"}, &pretend{worker: "b", run: gone})
	_, err := runJob(t, p, 1, "B")
	if err == nil || !strings.Contains(err.Error(), "1 of 2 engines are left") || !strings.Contains(err.Error(), "engine-b") || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
	p, err = NewPool([]*Member{{Name: "x", Err: errGone}, {Name: "y", Engine: &pretend{worker: "y"}}})
	if err != nil {
		t.Fatal(err)
	}
	p.Need = 2
	if err := p.Enough(); err == nil {
		t.Error("one engine is enough")
	}
}

// A command that fails does so anywhere, and so does a broken input.
func TestPoolKeepsFailures(t *testing.T) {
	for _, failure := range []error{&StepError{Step: "make", Exit: 2, Err: errors.New("exit code: 2")}, &InputError{errors.New("no such blob")}} {
		spare := &pretend{worker: "c"}
		p := newPretendPool(t, &pretend{worker: "a", run: func(context.Context, Job) error { return failure }}, &pretend{worker: "b"}, spare)
		if _, err := runJob(t, p, 0, "A"); !errors.Is(err, failure) || !strings.Contains(err.Error(), "engine-a") || len(spare.jobs) > 0 {
			t.Errorf("%v: %v, tried again: %q", failure, err, spare.jobs)
		}
	}
	// A step that ended with its engine has no status of its own.
	p := newPretendPool(t, &pretend{worker: "a", run: func(context.Context, Job) error { return &StepError{Exit: -1, Err: errGone} }}, &pretend{worker: "b"}, &pretend{worker: "c"})
	if left, err := runJob(t, p, 0, "A"); err != nil || left != "c" {
		t.Errorf("%q, %v", left, err)
	}
}

func TestPoolTimeout(t *testing.T) {
	slow := &pretend{worker: "a", run: func(ctx context.Context, _ Job) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	p := newPretendPool(t, slow, &pretend{worker: "b"}, &pretend{worker: "c"})
	p.Timeout = 50 * time.Millisecond
	if left, err := runJob(t, p, 0, "A"); err != nil || left != "c" {
		t.Errorf("%q, %v", left, err)
	}
	if err := p.Members()[0].Err; err == nil || !strings.Contains(err.Error(), "no result within 50ms") {
		t.Errorf("lost because of %v", err)
	}
	// Ctrl-C is no loss.
	p = newPretendPool(t, slow, &pretend{worker: "b"}, &pretend{worker: "c"})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("interrupted")) })
	if err := p.Run(ctx, 0, false, Job{ID: "A", Out: t.TempDir()}, nil); err == nil || p.Members()[0].Err != nil {
		t.Errorf("interrupted: %v, lost: %v", err, p.Members()[0].Err)
	}
}

// Two names of one engine are not two engines.
func TestPoolRefusesOneTwice(t *testing.T) {
	_, err := NewPool([]*Member{{Name: "tcp://x:1", Engine: &pretend{worker: "w"}}, {Name: "unix:///y", Engine: &pretend{worker: "w"}}})
	if err == nil || !strings.Contains(err.Error(), "tcp://x:1 and unix:///y are one engine") || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

// The address of a tcp:// engine may name the files for it.
func TestTLSInAddress(t *testing.T) {
	if got := Shown("tcp://host:1?ca=/ca.pem&cert=/c&key=/k&servername=x"); got != "tcp://host:1" {
		t.Errorf("shown as %s", got)
	}
	_, err := Dial(t.Context(), "tcp://127.0.0.1:1?ca=/no/such.pem", TLS{})
	if err == nil || !strings.Contains(err.Error(), "/no/such.pem") {
		t.Errorf("error %v", err)
	}
}
