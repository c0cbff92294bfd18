// Package fetch brings the inputs of a build into the store, each verified by
// its digest while it streams.
//
// An input is looked for in the store, then at its place on this machine, then
// in another store (see [Other]), which has it or not, then at its addresses in
// order. What an address answers decides what follows:
//
//   - 200, 206: the content. A body that breaks off is gone on with by a
//     Range request; an interrupted Fetch leaves its part to the next one.
//   - 408, 425, 429, 5xx, a broken connection, no byte for Retry.Stall: the
//     next address, and after a pause this one again. Pauses double, have
//     jitter, and are at least as long as Retry-After, up to Retry.MaxPause.
//     An attempt that got a mebibyte isn't counted. A host that let one item
//     down for good is asked once for each other item, after all others.
//   - another status, a bad certificate, a host that doesn't exist, a redirect
//     from https to http or to a file: never this address again.
//   - other content than the lock's: never this address again, and a
//     *MismatchError. Content is cut off once it is too long.
//
// An input that can't be had doesn't stop the others, except when no host has
// answered at all: that would be the same for all of them.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

// Item is one input.
type Item struct {
	Kind, Name string // "crate", "serde 1.0.228"
	Digest     digest.Digest
	Size       int64    // -1 when unknown
	URLs       []string // the best first

	// Local opens the content on this machine, where it may be: an error that
	// wraps fs.ErrNotExist says that it isn't. It is verified like any other.
	Local func(ctx context.Context) (io.ReadCloser, error)
}

func (it *Item) String() string { return it.Kind + " " + it.Name }

// Fetcher fetches. Its zero value with a Store is ready.
type Fetcher struct {
	Store    *store.Store
	Client   *http.Client // nil: one with the machine's proxies and certificates
	Offline  bool         // use no address
	Parallel int          // downloads at once; 0: 16
	Progress func(Event)  // nil, or told what happens, by one goroutine at a time
	Retry    Retry
	Other    *Other // asked before addresses, and also if Offline: whoever named it wants that; nil: there is none
}

// FromOther is the place of what came from another store, in an Event.
const FromOther = "another store"

// Other is another store, which has blobs by their digest: a directory or the
// repository of a registry. It is asked once for an item, and what it lacks, or
// has wrong, is fetched as if it weren't there.
type Other struct {
	// Take brings a blob into the Fetcher's store if its content is right; size is
	// -1 when unknown. The error wraps fs.ErrNotExist where there is no such blob.
	Take func(ctx context.Context, d digest.Digest, size int64) error
	// Address of a blob, for the Fetcher's Client; it stands in for Take where that
	// is nil. "": none is to be asked any more.
	Address func(d digest.Digest) string
	// Failed hears why a blob didn't come, unless it is only not there.
	Failed func(d digest.Digest, err error)
}

// Nearby brings what the other store has of the items. Those that the store then
// lacks are an *Error.
func (f *Fetcher) Nearby(ctx context.Context, items ...Item) error {
	near := *f
	near.Offline = true
	bare := slices.Clone(items)
	for i := range bare {
		bare[i].URLs, bare[i].Local = nil, nil
	}
	return near.Fetch(ctx, bare)
}

// Retry says how patient a Fetcher is. Zeros stand for the defaults.
type Retry struct {
	Attempts int           // for each address; 5
	Pause    time.Duration // after the first failure; 500 ms
	MaxPause time.Duration // also of what Retry-After asks for; 1 min
	Stall    time.Duration // without a byte; 30 s
}

// Fetch returns once all items are in the store. The error is an *Error that
// has all failures, or that of the store, or ctx's.
func (f *Fetcher) Fetch(ctx context.Context, items []Item) error {
	present, missing, err := f.sort(ctx, items)
	if err != nil {
		return err
	}
	r := f.newRun()
	r.totals.Items = len(present) + len(missing)
	for _, it := range missing {
		r.totals.Size += max(it.Size, 0)
	}
	for _, it := range present {
		r.report(Event{Kind: Done, Item: it, From: "store"})
	}
	// The largest first, so that none is left to be waited for at the end.
	slices.SortStableFunc(missing, func(a, b *Item) int { return cmp.Compare(uint64(b.Size), uint64(a.Size)) })

	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan *Item, len(missing))
	for _, it := range missing {
		queue <- it
	}
	close(queue)
	var failed []*ItemError
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(cmp.Or(f.Parallel, 16), len(missing)) {
		wg.Go(func() {
			for it := range queue {
				if ctx.Err() != nil {
					return
				}
				err := r.item(ctx, it)
				var ie *ItemError
				switch {
				case err == nil:
				case errors.As(err, &ie):
					mu.Lock()
					failed = append(failed, ie)
					mu.Unlock()
					if ie.network() && r.silent() {
						cancel(errNetwork)
					}
				default:
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if err := outer.Err(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil && err != errNetwork {
		return err
	}
	return f.failure(failed, r.totals.Items)
}

var errNetwork = errors.New("the network fails")

// sort tells the items that the store has from those that it hasn't, one for
// each digest.
func (f *Fetcher) sort(ctx context.Context, items []Item) (present, missing []*Item, err error) {
	seen := map[digest.Digest]bool{}
	for i := range items {
		it := &items[i]
		if f.Store.Path(it.Digest) == "" {
			return nil, nil, fmt.Errorf("%s: %q is not a SHA-256 digest", it, it.Digest)
		}
		if seen[it.Digest] {
			continue
		}
		seen[it.Digest] = true
		size, err := f.Store.Size(it.Digest)
		if err == nil && (it.Size < 0 || it.Size == size) {
			present = append(present, it)
			continue
		}
		if err == nil { // cut short by a broken disk, or the lock's size is wrong
			var corrupt *store.CorruptError
			switch err := f.Store.Verify(ctx, it.Digest); {
			case err == nil:
				return nil, nil, fault.Hint(fmt.Errorf("%s: %s has %d bytes, the lock says %d", it, short(it.Digest), size, it.Size),
					"the lock was edited by hand; restore it, or run `twice lock`")
			case !errors.As(err, &corrupt) || !corrupt.Removed:
				return nil, nil, fmt.Errorf("%s: %w", it, err)
			}
		}
		missing = append(missing, it)
	}
	return present, missing, nil
}

func (f *Fetcher) failure(failed []*ItemError, total int) error {
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b *ItemError) int { return cmp.Compare(a.Item.String(), b.Item.String()) })
	e := &Error{Items: failed, Total: total}
	if f.Offline {
		return fault.Hint(e, "run `twice fetch` with a network first")
	}
	return e
}

// run is the state of one Fetch or Get.
type run struct {
	f      *Fetcher
	client *http.Client
	retry  Retry

	mu     sync.Mutex // held while Progress runs, too
	totals Totals
	hosts  map[string]answer
}

var defaultClient = sync.OnceValue((&address.Resolver{}).HTTPClient)

func (f *Fetcher) newRun() *run {
	client := f.Client
	if client == nil {
		client = defaultClient()
	}
	copied := *client
	copied.CheckRedirect = checkRedirect
	return &run{f: f, client: &copied, hosts: map[string]answer{}, retry: Retry{
		Attempts: cmp.Or(f.Retry.Attempts, 5),
		Pause:    cmp.Or(f.Retry.Pause, 500*time.Millisecond),
		MaxPause: cmp.Or(f.Retry.MaxPause, time.Minute),
		Stall:    cmp.Or(f.Retry.Stall, 30*time.Second),
	}}
}

// item brings one item into the store. The error is an *ItemError, unless it
// concerns all items.
func (r *run) item(ctx context.Context, it *Item) error {
	var failures causes
	if it.Local != nil {
		err := r.local(ctx, it)
		if err == nil {
			r.done(it, "this machine", 0)
			return nil
		}
		var fatal *storeError
		if ctx.Err() != nil {
			return ctx.Err()
		} else if errors.As(err, &fatal) {
			return fatal.error
		}
		if !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	if done, err := r.take(ctx, it); done || err != nil {
		return err
	}
	d := &download{run: r, it: it, urls: it.URLs}
	if r.f.Offline {
		d.urls = nil
	}
	if r.f.Other != nil && r.f.Other.Take == nil {
		d.other = r.f.Other.Address(it.Digest)
	}
	if len(d.urls) > 0 || d.other != "" {
		from, more, err := d.get(ctx)
		if err != nil {
			return err
		}
		if from != "" {
			if from == d.other {
				from = FromOther
			}
			r.done(it, from, d.counted)
			return nil
		}
		failures = append(failures, more...)
	}
	if len(it.URLs) == 0 && !r.f.Offline {
		failures = append(failures, fault.Hint(errors.New("no address is known"), "add a mirror, or unset TWICE_NO_DEFAULTS"))
	}
	return r.failed(it, failures)
}

// take takes an item from another store on this machine.
func (r *run) take(ctx context.Context, it *Item) (done bool, err error) {
	o := r.f.Other
	if o == nil || o.Take == nil {
		return false, nil
	}
	switch err := o.Take(ctx, it.Digest, it.Size); {
	case err == nil:
		r.done(it, FromOther, 0)
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !errors.Is(err, fs.ErrNotExist):
		o.Failed(it.Digest, err)
	}
	return false, nil
}

func (r *run) local(ctx context.Context, it *Item) error {
	rc, err := it.Local(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	r.report(Event{Kind: Start, Item: it, From: "this machine"})
	_, _, err = r.f.Store.Put(ctx, source{rc}, it.Digest, it.Size)
	var m *store.MismatchError
	var broken *readError
	switch {
	case errors.As(err, &m):
		return mismatch(it, "this machine", m)
	case err != nil && !errors.As(err, &broken):
		return &storeError{err}
	}
	return err
}

// source tells errors of what is read from those of the store.
type source struct{ r io.Reader }

type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}
