package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opencontainers/go-digest"
)

var kindPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Remember keeps value under a kind and the digest of everything that value
// was derived from, the version of the deriving code included. Losing it
// costs time only. The file is the value's digest, a newline and the value.
func (s *Store) Remember(ctx context.Context, kind string, key digest.Digest, value []byte) error {
	name, err := s.memo(kind, key)
	if err == nil {
		err = ctx.Err()
	}
	if old, ok := s.Recall(kind, key); ok && bytes.Equal(old, value) {
		if fi, serr := os.Stat(name); serr == nil {
			s.used(name, fi.ModTime())
		}
		return err // a store that can't be written has it as well
	}
	if err == nil {
		err = s.writeError(os.MkdirAll(filepath.Dir(name), 0o755))
	}
	if err == nil {
		err = s.replace(name, append([]byte(digest.FromBytes(value)+"\n"), value...))
	}
	if err != nil {
		return fmt.Errorf("remembering %s %s: %w", kind, key, err)
	}
	return nil
}

// Recall returns what Remember kept. A damaged value is as good as none.
func (s *Store) Recall(kind string, key digest.Digest) ([]byte, bool) {
	name, err := s.memo(kind, key)
	if err != nil {
		return nil, false
	}
	b, err := readSmall(name)
	if err != nil {
		return nil, false
	}
	sum, value, ok := bytes.Cut(b, []byte("\n"))
	if !ok || digest.FromBytes(value).String() != string(sum) {
		return nil, false
	}
	return value, true
}

func (s *Store) memo(kind string, key digest.Digest) (string, error) {
	if !kindPattern.MatchString(kind) {
		return "", fmt.Errorf("bad kind %q", kind)
	}
	if err := check(key); err != nil {
		return "", err
	}
	return filepath.Join(s.dir, "memo", kind, key.Encoded()), nil
}

// Memos lists the keys under which something of that kind is remembered.
func (s *Store) Memos(kind string) ([]digest.Digest, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "memo", kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var keys []digest.Digest
	for _, e := range entries {
		if d := digest.NewDigestFromEncoded(digest.SHA256, e.Name()); check(d) == nil {
			keys = append(keys, d)
		}
	}
	return keys, err
}
