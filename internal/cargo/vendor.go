package cargo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

const checksumFile = ".cargo-checksum.json"

// VendorTree is a directory source for each registry, made from the .crate
// files in the store: <IndexDir(source)>/<name>-<version>/… Its bytes depend
// on nothing but the crates. Close the closer when the tree is no longer read.
func VendorTree(ctx context.Context, st *store.Store, crates []Crate) (*layer.Tree, io.Closer, error) {
	sp, err := spool.New(filepath.Join(st.Dir(), "ingest"))
	if err != nil {
		return nil, nil, err
	}
	tree, err := vendorTree(ctx, st, sp, crates)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("vendoring: %w", err), sp.Close())
	}
	return tree, sp, nil
}

func vendorTree(ctx context.Context, st *store.Store, sp *spool.Spool, crates []Crate) (*layer.Tree, error) {
	read := make([][]layer.Entry, len(crates))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, c := range crates {
		g.Go(func() (err error) {
			read[i], _, err = ReadCrate(gctx, st, sp, c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	tree := layer.NewTree()
	seen := map[string]string{}
	for i, c := range crates {
		dir := IndexDir(c.Source)
		at := dir + "/" + c.Dir()
		if sum, ok := seen[at]; ok {
			if sum != c.Checksum {
				return nil, fmt.Errorf("crate %s %s: two checksums, %s and %s", c.Name, c.Version, sum, c.Checksum)
			}
			continue
		}
		seen[at] = c.Checksum
		marks := []layer.Entry{
			layer.Dir(dir, 0o755, ModTime),
			layer.Dir(at, 0o755, ModTime),
			layer.File(at+"/"+checksumFile, 0o644, ModTime, []byte(`{"files":{},"package":"`+c.Checksum+`"}`)),
		}
		for j := range read[i] {
			read[i][j].Path = dir + "/" + read[i][j].Path
		}
		for _, e := range append(marks, read[i]...) {
			if err := addWithParents(tree, e); err != nil {
				return nil, fmt.Errorf("crate %s %s: %w", c.Name, c.Version, err)
			}
		}
	}
	return tree, nil
}

// addWithParents adds e and the directories above it that the archive doesn't
// name, so that each has the same time.
func addWithParents(tree *layer.Tree, e layer.Entry) error {
	for i, c := range e.Path {
		if c == '/' {
			if _, ok := tree.Get(e.Path[:i]); !ok {
				if err := tree.Add(layer.Dir(e.Path[:i], 0o755, ModTime)); err != nil {
					return err
				}
			}
		}
	}
	return tree.Add(e)
}

// cratesIO is the identity of crates.io in lock files, whichever protocol
// reaches it.
const cratesIO = "registry+https://github.com/rust-lang/crates.io-index"

// IndexDir is the name of a directory below registry/src: where crates of a
// source (as in Cargo.lock) are unpacked. For crates.io it is what Cargo itself
// uses with its default protocol, whatever this machine's Cargo uses: the name
// gets into binaries. For another registry it is the index's host and a hash of
// the source.
func IndexDir(source string) string {
	if source == cratesIO || source == "" {
		return "index.crates.io-1949cf8c6b5b557f"
	}
	_, index, _ := strings.Cut(source, "+")
	host := "registry"
	if u, err := url.Parse(index); err == nil && u.Hostname() != "" {
		host = strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' {
				return r
			}
			return '_'
		}, u.Hostname())
	}
	sum := sha256.Sum256([]byte(source))
	return strings.TrimLeft(host, ".-") + "-" + hex.EncodeToString(sum[:8])
}
