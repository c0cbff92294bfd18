package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
)

// usedEvery is how exact a blob's last use is.
const usedEvery = time.Hour

// used notes that somebody looked for a blob: the time of its file is that of
// its last use. A store that can't be written keeps no such account.
func (s *Store) used(path string, last time.Time) {
	if now := time.Now(); now.Sub(last) > usedEvery {
		_ = os.Chtimes(path, now, now)
	}
}

// Use says that a process uses a cache directory, until release is called or
// the process dies. It waits while another one clears the directory; waiting, if
// not nil, is told so once. Where the directory can't be written nothing is
// cleared either, and there is nothing to wait for.
func Use(ctx context.Context, cacheDir string, waiting func()) (release func() error, err error) {
	return useLock(ctx, cacheDir, tryShare, waiting)
}

// UseAlone is Use for who removes things: it waits until nobody else uses the
// directory.
func UseAlone(ctx context.Context, cacheDir string, waiting func()) (release func() error, err error) {
	return useLock(ctx, cacheDir, tryLock, waiting)
}

func useLock(ctx context.Context, dir string, try func(*os.File) (bool, error), waiting func()) (func() error, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, writeHint(fmt.Errorf("opening the cache: %w", err))
	}
	f, err := os.OpenFile(filepath.Join(dir, "in-use"), os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, writeHint(fmt.Errorf("opening the cache: %w", err))
	}
	for first := true; ; first = false {
		ok, err := try(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("opening the cache: %w", err)
		}
		if ok {
			return f.Close, nil
		}
		if first && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Blob is a file of the store.
type Blob struct {
	Digest digest.Digest // "" for what is being, or was partly, written
	Path   string
	Size   int64
	Used   time.Time // about when it was last looked for
}

// Blobs lists everything that the store keeps under a digest, and what lies in
// ingest/.
func (s *Store) Blobs() ([]Blob, error) {
	var out []Blob
	for _, dir := range []string{"blobs/sha256", "ingest"} {
		entries, err := os.ReadDir(s.file(dir))
		if err != nil {
			return nil, fmt.Errorf("listing the store: %w", err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() {
				continue // removed meanwhile
			}
			b := Blob{Path: filepath.Join(s.file(dir), e.Name()), Size: info.Size(), Used: info.ModTime()}
			if d := digest.NewDigestFromEncoded(digest.SHA256, e.Name()); dir != "ingest" && check(d) == nil {
				b.Digest = d
			}
			out = append(out, b)
		}
	}
	return out, nil
}
