package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/craton-co/twice/internal/fault"
)

// A Pool is several engines. A job is for one of them. When that one is lost
// (it goes away, can't do its work, or takes too long) another does the job, as
// long as enough are left; a step that fails is the build's failure and is not
// tried elsewhere.
type Pool struct {
	Need    int           // engines that must be left; 0: 1
	Timeout time.Duration // that a job may take on one engine; 0: any
	// Lost is called when an engine is lost, with who takes over; next is nil
	// if nobody can. It may be nil.
	Lost func(lost, next *Member, err error)

	mu      sync.Mutex
	members []*Member
	heir    map[int]int // who does the jobs of an engine that was lost
}

// A Member is an engine of a pool.
type Member struct {
	Name   string // what it was asked for as: an address without credentials, "embedded"
	Engine Engine // nil of one that could not be reached
	Err    error  // why it is lost; nil: it is not
	Ran    []string

	load int // jobs that are there because of another's loss
}

// NewPool makes a pool of engines, some of which may be lost from the start.
// Two members that are one engine under two names are refused: they would agree
// with each other whatever they do.
func NewPool(members []*Member) (*Pool, error) {
	seen := map[string]string{}
	for _, m := range members {
		if m.Engine == nil {
			continue
		}
		id := m.Engine.Info().Worker
		if id == "" {
			continue
		}
		if other, twice := seen[id]; twice {
			return nil, fault.Hint(fmt.Errorf("%s and %s are one engine: both say that they are worker %s", other, m.Name, id),
				"give each engine once")
		}
		seen[id] = m.Name
	}
	return &Pool{members: members, heir: map[int]int{}}, nil
}

// Members are the engines, in the order in which they were given, as they are
// now.
func (p *Pool) Members() []Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Member
	for _, m := range p.members {
		c := *m
		c.Ran = slices.Clone(m.Ran)
		out = append(out, c)
	}
	return out
}

// Len is the number of engines, those that are lost counted.
func (p *Pool) Len() int { return len(p.members) }

// Enough fails if too few engines are left.
func (p *Pool) Enough() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enough()
}

func (p *Pool) enough() error {
	left, why := 0, []string{}
	for _, m := range p.members {
		if m.Err == nil {
			left++
			continue
		}
		why = append(why, m.Err.Error())
	}
	need := max(p.Need, 1)
	if left >= need {
		return nil
	}
	return fault.Hint(fmt.Errorf("%d of %d engines are left, and %d are needed: %s", left, len(p.members), need, strings.Join(why, "; ")),
		"give one more --engine than are needed: it takes the place of one that is lost")
}

// place is the engine that does the jobs of another one.
func (p *Pool) place(want int) (int, error) {
	if want < 0 || want >= len(p.members) {
		return 0, fmt.Errorf("there is no engine %d: this is a bug in Twice", want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := want
	if h, ok := p.heir[want]; ok {
		at = h
	}
	if p.members[at].Err == nil {
		return at, nil
	}
	if err := p.enough(); err != nil {
		return 0, err
	}
	// Who has least to do for others; of those the last: B is as good as A
	// for a third side, and worst for A's.
	next := -1
	for i, m := range p.members {
		if m.Err == nil && (next < 0 || m.load <= p.members[next].load) {
			next = i
		}
	}
	p.members[next].load++
	p.heir[want] = next
	return next, nil
}

// Run runs a job on the engine with a number, or, unless it has to be exactly
// that one, on one that takes its place.
func (p *Pool) Run(ctx context.Context, want int, exact bool, job Job, status chan<- *client.SolveStatus) error {
	if len(p.members) == 1 {
		return p.members[0].Engine.Run(ctx, job, status)
	}
	if status != nil {
		defer close(status)
	}
	at, err := p.place(want)
	for err == nil {
		if exact && at != want {
			return p.members[want].Err
		}
		m := p.members[at]
		if err = p.runOn(ctx, m.Engine, job, status); err == nil {
			p.mu.Lock()
			if !slices.Contains(m.Ran, job.ID) {
				m.Ran = append(m.Ran, job.ID)
			}
			p.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil || !lost(err) {
			return fmt.Errorf("engine %s: %w", m.Name, err)
		}
		p.mu.Lock()
		first := m.Err == nil
		if first {
			m.Err = fmt.Errorf("engine %s: %w", m.Name, err)
		}
		p.mu.Unlock()
		at, err = p.place(want)
		if p.Lost != nil && first {
			var next *Member
			if err == nil {
				next = p.members[at]
			}
			p.Lost(m, next, m.Err)
		}
		if err == nil {
			err = os.RemoveAll(job.Out) // what the lost one left of it
		}
	}
	return err
}

// tooSlow is why an engine is lost that answers and does not finish.
type tooSlow time.Duration

func (t tooSlow) Error() string { return fmt.Sprintf("no result within %s", time.Duration(t)) }

func (p *Pool) runOn(ctx context.Context, e Engine, job Job, status chan<- *client.SolveStatus) error {
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.Timeout, tooSlow(p.Timeout))
		defer cancel()
	}
	if status == nil {
		return e.Run(ctx, job, nil)
	}
	in := make(chan *client.SolveStatus)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range in {
			status <- s
		}
	}()
	err := e.Run(ctx, job, in)
	<-done
	return err
}

// lost says whether an error is the engine's and not the build's: a command
// that ran and failed would fail elsewhere too, and so would an input that is
// broken here.
func lost(err error) bool {
	var step *StepError
	if errors.As(err, &step) && step.Exit >= 0 {
		return false
	}
	var input *InputError
	return !errors.As(err, &input)
}

// Close closes all engines.
func (p *Pool) Close() error {
	var all []error
	for _, m := range p.members {
		if m.Engine != nil {
			all = append(all, m.Engine.Close())
		}
	}
	return errors.Join(all...)
}
