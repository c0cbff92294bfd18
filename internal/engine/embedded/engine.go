//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
)

type embedded struct {
	opt    Options
	state  *state
	users  *idMap // without root
	groups *cgroups
	child  *child
	client *client.Client
	inner  engine.Engine // over client
	info   engine.Info

	mu       sync.Mutex
	jobs     map[*job]struct{}
	watching bool // watchDisk runs
	full     bool // the disk was nearly full
	closed   bool
	once     sync.Once
	err      error // of Close
}

// job is one running Run.
type job struct{ cancel context.CancelCauseFunc }

const (
	errClosed = cause("the engine was closed")
	errDied   = cause("the engine ended unexpectedly")
)

type cause string

func (c cause) Error() string { return string(c) }

func (e *embedded) Info() engine.Info { return e.info }

// Run runs a job of the embedded engine. Besides what the interface says it
// ends when the engine dies, is closed, or runs out of disk.
func (e *embedded) Run(ctx context.Context, j engine.Job, status chan<- *client.SolveStatus) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	me := &job{cancel}
	e.mu.Lock()
	if e.closed {
		cancel(errClosed)
	} else {
		e.jobs[me] = struct{}{}
		if !e.watching {
			e.watching = true
			go e.watchDisk()
		}
	}
	e.mu.Unlock()
	go func() {
		select {
		case <-e.child.dead:
			cancel(errDied)
		case <-ctx.Done():
		}
	}()
	err := e.inner.Run(ctx, j, status)
	e.mu.Lock()
	delete(e.jobs, me)
	e.mu.Unlock()
	return e.explain(ctx, err)
}

func (e *embedded) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e.died(err) && !errors.Is(context.Cause(ctx), errClosed) {
		return fault.Hint(e.withLog(fmt.Errorf("%w: %w", errDied, e.child.err)),
			"this is a bug in Twice unless something killed it: send engine.log with the report")
	}
	// A step can be faster than watchDisk, and fail by itself.
	if free, ferr := e.state.free(); ferr == nil && free < e.opt.MinFree && context.Cause(ctx) == nil {
		e.mu.Lock()
		e.full = true
		e.mu.Unlock()
		return diskError(e.state.dir, free, e.opt.MinFree)
	}
	if strings.Contains(err.Error(), limitMemory) {
		return fault.Hintf(err, "steps may use %.1f GiB together, seven eighths of what this machine or its control group has: give it more, or build with fewer --jobs", float64(e.opt.Memory)/(1<<30))
	}
	if strings.Contains(err.Error(), "no space left on device") {
		return fault.Hint(err, "the disk is full: free some space, or set TWICE_CACHE to a directory on another disk")
	}
	return err
}

// died reports whether the engine process has ended. A broken connection is
// noticed a moment before the end of the process.
func (e *embedded) died(err error) bool {
	var wait time.Duration
	if grpcerrors.Code(err) == codes.Unavailable || strings.Contains(err.Error(), "Unavailable: ") {
		wait = 5 * time.Second
	}
	select {
	case <-e.child.dead:
		return true
	case <-time.After(wait):
		return false
	}
}

// watchDisk cancels all jobs when the disk is nearly full. It ends when there
// is no job. BuildKit holds on to what a cancelled step wrote for as long as
// it runs, so after that Close removes the cache.
func (e *embedded) watchDisk() {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		free, err := e.state.free()
		e.mu.Lock()
		if len(e.jobs) == 0 {
			e.watching = false
			e.mu.Unlock()
			return
		}
		if err == nil && free < e.opt.MinFree {
			e.full = true
			for j := range e.jobs {
				j.cancel(diskError(e.state.dir, free, e.opt.MinFree))
			}
		}
		e.mu.Unlock()
	}
}

// reclaim removes all of the cache that no job uses.
func (e *embedded) reclaim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	if err := e.client.Prune(ctx, nil, client.PruneAll); err != nil {
		return fmt.Errorf("emptying the engine's cache: %w", err)
	}
	return nil
}

// diskError says that dir's file system is nearly full.
func diskError(dir string, free, want int64) error {
	return fault.Hintf(fmt.Errorf("the disk is nearly full: %d MiB are left for %s, %d MiB must be", free>>20, dir, want>>20),
		"free some space, remove %s to empty the engine's cache, or set TWICE_CACHE to a directory on another disk", dir)
}

// Close cancels what runs and ends the engine. Nothing of it is left then but
// its cache and its log.
func (e *embedded) Close() error {
	e.once.Do(func() {
		e.mu.Lock()
		e.closed = true
		for j := range e.jobs {
			j.cancel(errClosed)
		}
		e.mu.Unlock()
		e.inner.Close()
		e.child.stop(stopTimeout)
		e.mu.Lock()
		full := e.full
		e.mu.Unlock()
		if full {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			e.err = e.state.reset(ctx)
			cancel()
		}
		e.err = errors.Join(e.err, e.release())
	})
	return e.err
}

// release gives up all but the process.
func (e *embedded) release() error {
	var err error
	if e.groups != nil {
		if err = e.groups.remove(); err == nil {
			err = os.Remove(e.state.path("cgroups"))
		}
	}
	e.state.end()
	e.state.close()
	if err != nil {
		return fmt.Errorf("closing the engine: %w", err)
	}
	return nil
}
