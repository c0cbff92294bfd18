// Package store keeps every input and output of a build in one OCI image
// layout, by default <cache>/store, where containerd's content/local store,
// BuildKit's OCI layouts, skopeo and crane can read it as it stands.
//
//	oci-layout            {"imageLayoutVersion":"1.0.0"}
//	index.json            tagged descriptors (org.opencontainers.image.ref.name)
//	blobs/sha256/<hex>    immutable, mode 0444, named by the SHA-256 of the content
//	twice-store           version of everything that is not OCI's: "1\n"
//	index.lock            flock'ed while index.json is rewritten
//	ingest/tmp-*          a blob being written; flock'ed as long as its writer lives
//	ingest/part-<hex>     part of the blob <hex>, kept to be resumed
//	memo/<kind>/<hex>     derived results, see [Store.Remember]
//	../in-use             flock'ed by all that use the cache, see [Use]
//
// A blob's time is that of its last use, within an hour.
//
// Any number of processes may use a store at once. A blob appears by one
// rename of a synced file, so it is whole or absent. Only SHA-256 is known:
// a digest of another algorithm is never in the store.
//
// A directory that can't be written serves for reading; what has to write to
// it fails with an error that says so.
package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
)

// Store is a store in one directory. Its methods may be called concurrently.
type Store struct {
	dir string
}

// DefaultDir returns the cache directory: $TWICE_CACHE, else
// $XDG_CACHE_HOME/twice, else .cache/twice in the home directory. The store
// is the directory "store" in it.
func DefaultDir() (string, error) {
	if d := os.Getenv("TWICE_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	if d := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "twice"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", writeHint(fmt.Errorf("finding the cache directory: %w", err))
	}
	return filepath.Join(home, ".cache", "twice"), nil
}

// Dir returns the store's directory, an absolute path.
func (s *Store) Dir() string { return s.dir }

// Path returns the file of blob d, whether or not it exists. It is "" for
// what isn't a SHA-256 digest.
func (s *Store) Path(d digest.Digest) string {
	if check(d) != nil {
		return ""
	}
	return filepath.Join(s.dir, "blobs", "sha256", d.Encoded())
}

// Has tells whether blob d is in the store.
func (s *Store) Has(d digest.Digest) bool {
	_, err := s.Size(d)
	return err == nil
}

// Size returns the size of blob d. The error wraps fs.ErrNotExist where the
// store doesn't have it.
func (s *Store) Size(d digest.Digest) (int64, error) {
	if err := check(d); err != nil {
		return 0, err
	}
	fi, err := os.Stat(s.Path(d))
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", d, bare(err))
	}
	if !fi.Mode().IsRegular() {
		return 0, fmt.Errorf("blob %s: not a regular file", d)
	}
	s.used(s.Path(d), fi.ModTime())
	return fi.Size(), nil
}

// Open opens blob d. What is read is not verified: see Verify and ReadBytes.
func (s *Store) Open(d digest.Digest) (*os.File, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	f, err := os.Open(s.Path(d))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, bare(err))
	}
	if fi, err := f.Stat(); err == nil {
		s.used(s.Path(d), fi.ModTime())
	}
	return f, nil
}

// ReadBytes returns the content of blob d, verified, if it has at most max
// bytes. A corrupted blob is treated as Verify treats it.
func (s *Store) ReadBytes(d digest.Digest, max int64) ([]byte, error) {
	f, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("blob %s: larger than %d bytes", d, max)
	}
	if got := digest.FromBytes(b); got != d {
		return nil, s.corrupt(d, got)
	}
	return b, nil
}

// Verify hashes blob d at rest. A corrupted one is removed, so that it can be
// had again, and reported as a *CorruptError.
func (s *Store) Verify(ctx context.Context, d digest.Digest) error {
	f, err := s.Open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, contextReader{ctx, f}, make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("verifying blob %s: %w", d, err)
	}
	if got := digest.NewDigestFromBytes(digest.SHA256, h.Sum(nil)); got != d {
		return s.corrupt(d, got)
	}
	return nil
}

func (s *Store) corrupt(d, got digest.Digest) error {
	e := &CorruptError{Digest: d, Got: got, Path: s.Path(d)}
	if err := os.Remove(e.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeHint(fmt.Errorf("%w; it can't be removed: %w", e, bare(err)))
	}
	e.Removed = true
	return e
}

// check accepts the digests that a store can hold.
func check(d digest.Digest) error {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%q is not a SHA-256 digest", string(d))
	}
	return nil
}

// bare takes the path out of an error that names the blob already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
