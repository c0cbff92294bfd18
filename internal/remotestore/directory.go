package remotestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/transfer"
)

// directory is a store in a directory.
type directory struct {
	name    string // as it was given
	st      *store.Store
	release func() error
	failed  func(error)
	bad     *sync.Map // digests of blobs that are not what their names say, here or where it is read
}

// openDirectory opens a store, which is made for writing. For reading nothing is
// changed there.
func openDirectory(ctx context.Context, name string, write bool, bad *sync.Map) (*directory, error) {
	dir, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	d := &directory{name: name, release: func() error { return nil }, bad: bad}
	at := dir
	if !store.IsStore(dir) {
		at = filepath.Join(dir, "store")
		if !write && !store.IsStore(at) {
			return nil, fmt.Errorf("there is no store in it: %w", fs.ErrNotExist)
		}
		if write {
			if d.release, err = store.Use(ctx, dir, nil); err != nil {
				return nil, err
			}
		}
	}
	if write {
		d.st, err = store.Open(at)
	} else {
		d.st, err = store.OpenOther(at)
	}
	if err != nil {
		_ = d.release()
		return nil, err
	}
	return d, nil
}

func (d *directory) String() string { return d.name }
func (d *directory) Close() error   { return d.release() }

func (d *directory) other(f *fetch.Fetcher) *fetch.Other {
	return &fetch.Other{
		Take: func(ctx context.Context, b digest.Digest, size int64) error { return f.Store.Take(ctx, d.st, b, size) },
		Failed: func(b digest.Digest, err error) {
			d.bad.Store(b, true)
			d.failed(fmt.Errorf("blob %s: %w", b, err))
		},
	}
}

func (d *directory) claim(_ context.Context, kind string, key digest.Digest) ([]byte, error) {
	value, ok := d.st.Recall(kind, key)
	if !ok || len(value) > maxValue {
		return nil, fs.ErrNotExist
	}
	return value, nil
}

func (d *directory) save(ctx context.Context, st *store.Store, used []ocispec.Descriptor, claims []Claim) (transfer.Moved, error) {
	var mu sync.Mutex
	var moved transfer.Moved
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, b := range used {
		g.Go(func() error {
			there := d.has(gctx, b)
			if !there {
				if err := d.st.Take(gctx, st, b.Digest, b.Size); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if there {
				moved.Shared, moved.SharedBytes = moved.Shared+1, moved.SharedBytes+b.Size
			} else {
				moved.Sent, moved.SentBytes = moved.Sent+1, moved.SentBytes+b.Size
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return moved, err
	}
	for _, c := range claims {
		if old, ok := d.st.Recall(c.Kind, c.Key); ok && bytes.Equal(old, c.Value) {
			continue
		}
		if err := d.st.Remember(ctx, c.Kind, c.Key, c.Value); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// has tells whether a blob is there; one that was found to be damaged goes.
func (d *directory) has(ctx context.Context, b ocispec.Descriptor) bool {
	size, err := d.st.Size(b.Digest)
	if err != nil {
		return false
	}
	if _, bad := d.bad.Load(b.Digest); !bad && size == b.Size {
		return true
	}
	var corrupt *store.CorruptError
	return !errors.As(d.st.Verify(ctx, b.Digest), &corrupt)
}
