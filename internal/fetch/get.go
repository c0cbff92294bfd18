package fetch

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/craton-co/twice/internal/fault"
)

// Get returns a small document that no lock pins, such as an index, of at
// most max bytes; it is not stored. The error wraps fs.ErrNotExist if every
// address says that there is none.
func (f *Fetcher) Get(ctx context.Context, urls []string, max int64) ([]byte, error) {
	return f.GetChecked(ctx, urls, max, func([]byte) error { return nil })
}

// GetChecked is Get for a document that only check can tell to be the right
// one, such as a signed one. It goes on to the next address if it isn't.
func (f *Fetcher) GetChecked(ctx context.Context, urls []string, max int64, check func([]byte) error) ([]byte, error) {
	if len(urls) == 0 {
		return nil, fault.Hint(fmt.Errorf("no address is known: %w", fs.ErrNotExist), "add a mirror, or unset TWICE_NO_DEFAULTS")
	}
	if f.Offline {
		return nil, fault.Hint(fmt.Errorf("offline: %s is not asked", redact(urls[0])), "run it without --offline")
	}
	r := f.newRun()
	var got []byte
	from, failures, err := r.rounds(ctx, nil, urls, func(address string) (int64, error) {
		err := r.request(ctx, address, 0, func(resp *http.Response, body io.Reader) (err error) {
			if resp.StatusCode != http.StatusOK {
				return status(resp)
			}
			if got, err = io.ReadAll(io.LimitReader(body, max+1)); err != nil {
				return err
			}
			if int64(len(got)) > max {
				return bad{fmt.Errorf("larger than %d bytes", max)}
			}
			if err := check(got); err != nil {
				return bad{err}
			}
			return nil
		})
		return 0, err
	})
	if err != nil {
		return nil, err
	}
	if from == "" {
		return nil, failures
	}
	return got, nil
}
