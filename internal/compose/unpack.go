package compose

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Bounds on one package; the largest of bookworm unpack to less than 3 GB.
var debLimits = layer.Limits{Entries: 1 << 20, File: 8 << 30, Total: 32 << 30}

// An unpacked package: its control data, and its files with final paths and
// times, the dropped ones left out.
type unpacked struct {
	pkg     images.Package
	deb     *debian.Deb
	entries []layer.Entry
}

// unpackAll unpacks packages concurrently, the largest first, and returns them
// in the order given.
func unpackAll(ctx context.Context, st *store.Store, pkgs []images.Package, keep func(layer.Entry) bool, latest int64, sp *spool.Spool) ([]unpacked, error) {
	order := make([]int, len(pkgs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(min(max(pkgs[b].Size-pkgs[a].Size, -1), 1)) })
	next := make(chan int, len(order))
	for _, i := range order {
		next <- i
	}
	close(next)

	out := make([]unpacked, len(pkgs))
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(pkgs)) {
		g.Go(func() error {
			for i := range next {
				var err error
				if out[i], err = unpack(ctx, st, pkgs[i], keep, latest, sp); err != nil {
					return fmt.Errorf("package %s %s: %w", pkgs[i].Name, pkgs[i].Version, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

func unpack(ctx context.Context, st *store.Store, pkg images.Package, keep func(layer.Entry) bool, latest int64, sp *spool.Spool) (unpacked, error) {
	f, err := st.Open(pkg.Digest())
	if err != nil {
		if os.IsNotExist(err) || !st.Has(pkg.Digest()) {
			err = fault.Hint(fmt.Errorf("%s is not in the store", pkg.Digest()), "run `twice fetch`")
		}
		return unpacked{}, err
	}
	defer f.Close()
	if err := st.Verify(ctx, pkg.Digest()); err != nil { // it may have changed at rest
		return unpacked{}, err
	}
	u := unpacked{pkg: pkg}
	if u.deb, err = debian.ReadDeb(ctx, f, pkg.Size); err != nil {
		return u, err
	}
	for field, want := range map[string]string{"Package": pkg.Name, "Version": pkg.Version, "Architecture": pkg.Architecture} {
		if got := u.deb.Fields[field]; got != want {
			return u, fmt.Errorf("its control file has %s: %.80q, the lock %q", field, got, want)
		}
	}
	data, err := u.deb.Data(ctx)
	if err != nil {
		return u, err
	}
	defer data.Close()
	err = layer.ReadTar(ctx, data, debLimits, func(h *tar.Header, r io.Reader) error {
		if h.Name == "." {
			return nil
		}
		e := layer.Entry{
			Path: merged(h.Name), Type: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid,
			ModTime: min(max(h.ModTime.Unix(), 0), latest), Size: h.Size, Linkname: h.Linkname,
		}
		if e.Type == tar.TypeLink {
			e.Linkname = merged(h.Linkname)
		}
		if !keep(e) {
			return nil
		}
		if e.Type == tar.TypeReg && e.Size > 0 {
			var err error
			if e.Open, err = sp.Put(ctx, r, e.Size); err != nil {
				return fmt.Errorf("%s: %w", e.Path, err)
			}
		}
		u.entries = append(u.entries, e)
		return nil
	})
	return u, err
}

// mergedDirs are the directories that bookworm has as links into /usr.
var mergedDirs = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin"}

// merged returns where path lies once /usr is merged.
func merged(path string) string {
	top, _, _ := strings.Cut(path, "/")
	if slices.Contains(mergedDirs, top) {
		return "usr/" + path
	}
	return path
}
