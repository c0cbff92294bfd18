package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Git's large file storage: what is committed is a pointer, a small text that
// has the file's SHA-256. So the file is what the commit says, wherever it comes
// from. It is looked for in the repository's own storage, then in the work tree.

// A pointer has fewer bytes than this.
const maxPointer = 1024

func isPointer(data []byte) bool {
	return bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) && bytes.Contains(data, []byte("\noid "))
}

// parsePointer returns the SHA-256, 64 hex, and the size of the file. Pointers
// by another hash are not ok.
func parsePointer(data []byte) (sum string, size int64, ok bool) {
	size = -1
	for line := range strings.Lines(string(data)) {
		key, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "oid":
			sum, _ = strings.CutPrefix(v, "sha256:")
		case "size":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				size = n
			}
		}
	}
	raw, err := hex.DecodeString(sum)
	return sum, size, err == nil && len(raw) == sha256.Size && size >= 0
}

func lfsError(hint string) error {
	return fault.Hint(errors.New("a pointer to git's large file storage, not the file"), hint)
}

const (
	hintPull  = "run `git lfs pull`"
	hintClone = "clone the repository, run `git lfs pull` there, and name the directory"
)

// large opens the file that a pointer stands for, once it has its hash.
func (g *gitReader) large(ctx context.Context, r repo, e treeEntry, pointer []byte) (func() (io.ReadCloser, error), int64, error) {
	sum, size, ok := parsePointer(pointer)
	if !ok {
		return nil, 0, lfsError("its pointer is damaged: commit the file anew")
	}
	if !g.worktree {
		return nil, 0, lfsError(hintClone)
	}
	places := []string{filepath.Join(r.dir, filepath.FromSlash(e.path))}
	if common, err := r.line(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir"); err == nil {
		places = append([]string{filepath.Join(common, "lfs", "objects", sum[:2], sum[2:4], sum)}, places...)
	}
	for _, name := range places {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() || info.Size() != size {
			f.Close()
			continue
		}
		h := sha256.New()
		open, err := g.spool.Put(ctx, io.TeeReader(f, h), size)
		f.Close()
		if err != nil {
			return nil, 0, err
		}
		if hex.EncodeToString(h.Sum(nil)) == sum {
			return open, size, nil
		}
	}
	return nil, 0, lfsError(hintPull)
}

// NoLarge refuses files of git's large file storage where a build sees the
// repository: git would find that they aren't what was committed.
func (s *Source) NoLarge() error {
	if len(s.Large) == 0 {
		return nil
	}
	return fault.Hint(fmt.Errorf("%s is in git's large file storage, so a build that asks git would find it changed", s.Large[0]),
		"leave git = true out of twice.toml, or commit the file itself")
}
