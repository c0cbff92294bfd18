package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
)

const (
	version     = 1
	versionFile = "twice-store"
	lockFile    = "index.lock"

	// partAge is how long an interrupted download waits to be resumed.
	partAge = 14 * 24 * time.Hour
)

// Open opens the store in dir and creates what is missing of it. Files that
// dead processes left in ingest/ are removed.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s := &Store{dir: abs}
	if err := s.checkVersion(); err != nil {
		return nil, err
	}
	if !s.complete() {
		if err := s.init(); err != nil {
			return nil, writeHint(fmt.Errorf("creating store: %w", err))
		}
	}
	if err := s.checkLayout(); err != nil {
		return nil, err
	}
	s.sweep()
	return s, nil
}

// IsStore tells whether dir is the directory of a store.
func IsStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, versionFile))
	return err == nil
}

// checkVersion refuses a store of a newer Twice. A store without a version
// file is new, or a layout that another tool wrote.
func (s *Store) checkVersion() error {
	b, err := readSmall(s.file(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return writeHint(fmt.Errorf("opening store: %w", err))
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || v < 1 {
		return fault.Hint(fmt.Errorf("opening store %s: %s is damaged", s.dir, versionFile),
			"remove the store, or set TWICE_CACHE to another directory")
	}
	if v > version {
		return fault.Hint(fmt.Errorf("opening store %s: a newer twice wrote it (version %d, this one knows %d)", s.dir, v, version),
			"update twice, or set TWICE_CACHE to another directory")
	}
	return nil
}

func (s *Store) checkLayout() error {
	b, err := readSmall(s.file(ocispec.ImageLayoutFile))
	if err != nil {
		return fmt.Errorf("opening store: %w", err)
	}
	var l ocispec.ImageLayout
	if err := json.Unmarshal(b, &l); err != nil || l.Version != ocispec.ImageLayoutVersion {
		return fault.Hint(fmt.Errorf("opening store %s: not an OCI image layout of version %s", s.dir, ocispec.ImageLayoutVersion),
			"set TWICE_CACHE to another directory")
	}
	return nil
}

// complete tells whether there is nothing for init to make.
func (s *Store) complete() bool {
	for _, name := range []string{versionFile, ocispec.ImageLayoutFile, ocispec.ImageIndexFile, "ingest", "blobs/sha256"} {
		if _, err := os.Stat(s.file(name)); err != nil {
			return false
		}
	}
	return true
}

func (s *Store) init() error {
	for _, name := range []string{"ingest", "blobs/sha256"} {
		if err := os.MkdirAll(s.file(name), 0o755); err != nil {
			return err
		}
	}
	unlock, err := s.lockIndex(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	index, err := json.Marshal(emptyIndex())
	if err != nil {
		return err
	}
	for _, f := range []struct{ name, content string }{
		{ocispec.ImageLayoutFile, `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`},
		{ocispec.ImageIndexFile, string(index)},
		{versionFile, strconv.Itoa(version) + "\n"},
	} {
		if _, err := os.Stat(s.file(f.name)); err == nil {
			continue
		}
		if err := s.replace(s.file(f.name), []byte(f.content)); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what nobody writes any more. It is a courtesy: a failure
// leaves files that the next Open removes.
func (s *Store) sweep() {
	entries, _ := os.ReadDir(s.file("ingest"))
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(e.Name(), "tmp-") ||
			strings.HasPrefix(e.Name(), "part-") && time.Since(fi.ModTime()) > partAge {
			removeUnlocked(filepath.Join(s.dir, "ingest", e.Name()))
		}
	}
}

func removeUnlocked(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) { // it was being committed: a lock needs no more on a local disk
		f, err = os.Open(name)
	}
	if err != nil {
		return
	}
	defer f.Close()
	if ok, err := tryLock(f); err == nil && ok && sameFile(f, name) {
		os.Remove(name)
	}
}

// file returns the path of a slash-separated name in the store.
func (s *Store) file(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// readSmall reads one of the store's own files, which are all small.
func readSmall(name string) ([]byte, error) {
	const max = 16 << 20
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && len(b) > max {
		err = fmt.Errorf("%s: larger than %d bytes", name, max)
	}
	return b, err
}
