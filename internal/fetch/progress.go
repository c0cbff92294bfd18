package fetch

import "time"

// Event is one thing that happened.
type Event struct {
	Kind   EventKind
	Item   *Item  // nil of a Get
	From   string // an address without its password, "this machine", "store" or FromOther
	Bytes  int64  // of the item that are here
	Err    error  // of Trouble and Failed
	Totals Totals
}

// EventKind is what happened.
type EventKind int

const (
	Start   EventKind = iota // a place is asked
	Bytes                    // some of it came; at most ten times a second and item
	Trouble                  // a place had nothing, or not the right thing; others, or the same again, may follow
	Done                     // it is in the store
	Failed                   // it can't be had
)

// Totals are those of a Fetch. Bytes and Size are of the items that the store
// didn't have, as far as their sizes are known.
type Totals struct {
	Items, Done, Failed int
	Bytes, Size         int64
}

func (r *run) report(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reportLocked(e)
}

func (r *run) reportLocked(e Event) {
	switch e.Kind {
	case Done:
		r.totals.Done++
	case Failed:
		r.totals.Failed++
	}
	if r.f.Progress != nil {
		e.Totals = r.totals
		r.f.Progress(e)
	}
}

// progress counts what the download has, and tells it now and then.
func (d *download) progress(address string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.totals.Bytes += d.w.Len() - d.counted
	d.counted = d.w.Len()
	if now.Sub(d.shown) >= 100*time.Millisecond {
		d.shown = now
		d.reportLocked(Event{Kind: Bytes, Item: d.it, From: redact(address), Bytes: d.counted})
	}
}

// done counts an item of which some bytes were counted already.
func (r *run) done(it *Item, from string, counted int64) {
	size, err := r.f.Store.Size(it.Digest)
	if err != nil {
		size = counted
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Bytes += size - counted
	r.reportLocked(Event{Kind: Done, Item: it, From: redact(from), Bytes: size})
}

func (r *run) failed(it *Item, failures causes) error {
	err := &ItemError{*it, failures}
	r.report(Event{Kind: Failed, Item: it, Err: err})
	return err
}
