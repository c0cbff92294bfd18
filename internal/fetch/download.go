package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/store"
)

// download is the way of one item from its addresses to the store.
type download struct {
	*run
	it      *Item
	other   string   // where another store may have it; "": no store is asked
	urls    []string // asked after that
	w       *store.Writer
	counted int64 // bytes of it in run.totals
	shown   time.Time
}

// errAgain asks for the same request once more: a part that was left from
// before is of no use.
var errAgain = errors.New("starting again")

// get returns the address that had the item, or why none had. An error
// concerns all items.
func (d *download) get(ctx context.Context) (from string, failures causes, err error) {
	if err := d.open(ctx); err != nil {
		return "", nil, err
	}
	defer func() { d.w.Suspend() }() // of the last one
	if d.f.Store.Has(d.it.Digest) {  // another process was quicker
		return "store", nil, d.w.Abort()
	}
	switch n := d.w.Len(); {
	case n > d.limit():
		if err := d.w.Reset(); err != nil {
			return "", nil, err
		}
	case d.it.Size >= 0 && n == d.it.Size && n > 0:
		if _, _, err := d.w.Commit(d.it.Digest, d.it.Size); err == nil {
			return "this machine", nil, nil
		}
		if err := d.open(ctx); err != nil {
			return "", nil, err
		}
	}
	try := func(address string) (int64, error) {
		for {
			n, err := d.attempt(ctx, address)
			if err != errAgain {
				return n, err
			}
		}
	}
	if d.other != "" {
		_, err := try(d.other)
		var fatal *storeError
		var status *statusError
		switch {
		case err == nil:
			return d.other, nil, nil
		case ctx.Err() != nil:
			return "", nil, context.Cause(ctx)
		case errors.As(err, &fatal):
			return "", nil, fatal.error
		case !errors.As(err, &status) || status.code != http.StatusNotFound:
			d.f.Other.Failed(d.it.Digest, err)
		}
	}
	if len(d.urls) == 0 {
		return "", nil, nil
	}
	return d.rounds(ctx, d.it, d.urls, try)
}

// open begins the item, or goes on with it. Where it can't, the Writer that there was
// stays: it has ended, or is suspended in the end.
func (d *download) open(ctx context.Context) error {
	w, err := d.f.Store.Resume(ctx, d.it.Digest)
	if err == nil {
		d.w = w
	}
	return err
}

// attempt makes one request for what is missing. It returns how much came.
func (d *download) attempt(ctx context.Context, address string) (int64, error) {
	start := d.w.Len()
	d.report(Event{Kind: Start, Item: d.it, From: redact(address), Bytes: start})
	err := d.request(ctx, address, start, func(resp *http.Response, body io.Reader) error {
		switch resp.StatusCode {
		case http.StatusOK:
			if err := d.reset(); err != nil {
				return err
			}
		case http.StatusPartialContent:
			if !d.continues(resp.Header.Get("Content-Range")) {
				return d.again(errors.New("answered with another range than the one asked for"))
			}
		case http.StatusRequestedRangeNotSatisfiable:
			return d.again(status(resp))
		default:
			return status(resp)
		}
		if resp.ContentLength > d.limit()-d.w.Len() {
			return d.tooLong(address, d.w.Len()+resp.ContentLength)
		}
		if err := d.copy(body, address); err != nil {
			return err
		}
		partial := resp.StatusCode == http.StatusPartialContent
		if d.it.Size > d.w.Len() && (partial || resp.ContentLength < 0) {
			return d.brokeOff(io.ErrUnexpectedEOF)
		}
		return d.commit(ctx, address, partial && start > 0)
	})
	return max(d.w.Len()-start, 0), err
}

// again throws away the part that there is. Without one the cause stands.
func (d *download) again(cause error) error {
	if d.w.Len() == 0 {
		return cause
	}
	if err := d.reset(); err != nil {
		return err
	}
	return errAgain
}

func (d *download) reset() error {
	if d.w.Len() > 0 {
		if err := d.w.Reset(); err != nil {
			return &storeError{err}
		}
	}
	return nil
}

// limit is how long the content may be. Where the lock has no size, it stops
// a server that never ends.
func (d *download) limit() int64 {
	if d.it.Size >= 0 {
		return d.it.Size
	}
	return 64 << 30
}

// copy copies the body to the store, up to the item's size.
func (d *download) copy(body io.Reader, address string) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if d.w.Len()+int64(n) > d.limit() {
			return d.tooLong(address, d.w.Len()+int64(n))
		}
		if n > 0 {
			if _, err := d.w.Write(buf[:n]); err != nil {
				return &storeError{err}
			}
			d.progress(address)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return d.brokeOff(err)
		}
	}
}

func (d *download) brokeOff(err error) error {
	return fmt.Errorf("broke off after %d bytes: %w", d.w.Len(), err)
}

func (d *download) tooLong(address string, n int64) error {
	if err := d.reset(); err != nil {
		return err
	}
	return mismatch(d.it, address, &store.MismatchError{Expected: d.it.Digest, ExpectedSize: d.it.Size, GotSize: n})
}

// commit ends the download. Where its first part is from an earlier request,
// which may have been another server's, a mismatch is not this server's fault.
func (d *download) commit(ctx context.Context, address string, resumed bool) error {
	_, _, err := d.w.Commit(d.it.Digest, d.it.Size)
	var m *store.MismatchError
	if err == nil {
		return nil
	}
	if !errors.As(err, &m) {
		return &storeError{err}
	}
	if err := d.open(ctx); err != nil {
		return &storeError{err}
	}
	if resumed {
		return errAgain
	}
	return mismatch(d.it, address, m)
}

// continues tells whether a Content-Range begins where the part ends.
func (d *download) continues(header string) bool {
	first, total, ok := parseContentRange(header)
	return ok && first == d.w.Len() && (total < 0 || d.it.Size < 0 || total == d.it.Size)
}

// parseContentRange parses "bytes 5-9/10", where the total, returned as -1,
// may be "*".
func parseContentRange(s string) (first, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, all, ok1 := strings.Cut(s, "/")
	from, to, ok2 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total, err3 := int64(-1), error(nil)
	if all != "*" {
		total, err3 = strconv.ParseInt(all, 10, 64)
	}
	ok = ok1 && ok2 && errors.Join(err1, err2, err3) == nil && 0 <= first && first <= last && (all == "*" || last < total)
	return first, total, ok
}

// mismatch describes what an address, or this machine, had in an item's place.
func mismatch(it *Item, from string, m *store.MismatchError) error {
	e := &MismatchError{
		Kind: it.Kind, Name: it.Name, From: redact(from),
		Expected: it.Digest, Got: m.Got, ExpectedSize: it.Size, GotSize: m.GotSize,
	}
	return e.hinted()
}
