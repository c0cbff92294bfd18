package layer

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// TreeDigest returns the digest of what t holds: of every entry in canonical
// order its path, type, executable bit, link target and content. Times, owners
// and other mode bits don't count, and a hard link counts as a file with the
// same content.
//
// It is the SHA-256 of "twice tree 1\n" followed by one record an entry, each
// field ended by a NUL:
//
//	d path
//	f path size sha256     a file (size decimal, sha256 in hex)
//	x path size sha256     a file that its owner may execute
//	l path target          a symbolic link
func TreeDigest(t *Tree) (digest.Digest, error) {
	entries := t.Entries()
	sums := make([][sha256.Size]byte, len(entries))
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, e := range entries {
		if e.Type != tar.TypeReg {
			continue
		}
		g.Go(func() error { return sumFile(ctx, e, &sums[i]) })
	}
	if err := g.Wait(); err != nil {
		return "", fmt.Errorf("hashing tree: %w", err)
	}
	at := make(map[string]int, len(entries))
	for i, e := range entries {
		at[e.Path] = i
	}
	h := sha256.New()
	io.WriteString(h, "twice tree 1\n")
	for i, e := range entries {
		switch e.Type {
		case tar.TypeDir:
			fmt.Fprintf(h, "d\x00%s\x00", e.Path)
		case tar.TypeSymlink:
			fmt.Fprintf(h, "l\x00%s\x00%s\x00", e.Path, e.Linkname)
		default:
			if e.Type == tar.TypeLink {
				i = at[e.Linkname]
			}
			kind := "f"
			if e.Mode&0o100 != 0 {
				kind = "x"
			}
			fmt.Fprintf(h, "%s\x00%s\x00%d\x00%x\x00", kind, e.Path, entries[i].Size, sums[i])
		}
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

func sumFile(ctx context.Context, e Entry, sum *[sha256.Size]byte) error {
	h := sha256.New()
	if e.Size > 0 {
		r, err := e.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		err = CopyExactly(ctx, h, r, e.Size, make([]byte, min(e.Size+1, copyBuffer)))
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	h.Sum(sum[:0])
	return nil
}
