package rust

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/therootcompany/xz"
	"golang.org/x/sync/errgroup"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Bounds of a tarball. The largest component, rustc-dev, has 1 GB.
var distLimits = layer.Limits{Entries: 500_000, File: 4 << 30, Total: 8 << 30}

// maxDictionary is what xz may ask for; the tarballs use 64 MiB.
const maxDictionary = 128 << 20

// ComponentTree makes the tree of pin from its tarballs in the store, each
// checked against its hash. Close the closer when the tree is no longer read.
func ComponentTree(ctx context.Context, st *store.Store, pin Pin) (*layer.Tree, io.Closer, error) {
	sp, err := spool.New(filepath.Join(st.Dir(), "ingest"))
	if err != nil {
		return nil, nil, err
	}
	tree, err := componentTree(ctx, st, sp, pin)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("unpacking toolchain %s: %w", pin.Channel, err), sp.Close())
	}
	return tree, sp, nil
}

func componentTree(ctx context.Context, st *store.Store, sp *spool.Spool, pin Pin) (*layer.Tree, error) {
	read := make([][]layer.Entry, len(pin.Components))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, c := range pin.Components {
		g.Go(func() (err error) {
			if read[i], err = readComponent(gctx, st, sp, c); err != nil {
				return fmt.Errorf("component %s: %w", c.installedName(), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	tree := layer.NewTree()
	for i, entries := range read {
		for _, e := range entries {
			if err := tree.Add(e); err != nil {
				return nil, fmt.Errorf("component %s: %w", pin.Components[i].installedName(), err)
			}
		}
	}
	return tree, nil
}

func readComponent(ctx context.Context, st *store.Store, sp *spool.Spool, c Component) ([]layer.Entry, error) {
	f, err := st.Open(c.SHA256)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	raw := io.TeeReader(f, h)
	entries, err := readDist(ctx, raw, sp, c)
	if _, copyErr := io.Copy(io.Discard, raw); copyErr != nil {
		return nil, errors.Join(err, copyErr)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != c.SHA256.Encoded() {
		return nil, fmt.Errorf("the tarball's SHA-256 is %s, the lock says %s", sum, c.SHA256.Encoded())
	}
	return entries, err
}

// decompress reads xz or gzip.
func decompress(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	magic, err := br.Peek(6)
	switch {
	case err != nil:
		return nil, err
	case string(magic) == "\xfd7zXZ\x00":
		return xz.NewReader(br, maxDictionary)
	case strings.HasPrefix(string(magic), "\x1f\x8b"):
		return gzip.NewReader(br)
	}
	return nil, errors.New("the tarball is neither xz nor gzip")
}

// A distFile is a file of a tarball below its component's directory.
type distFile struct {
	entry layer.Entry
	mode  int64
}

// readDist returns the entries of one component of a tarball. The tarball may
// hold others: a combined installer does.
func readDist(ctx context.Context, r io.Reader, sp *spool.Spool, c Component) ([]layer.Entry, error) {
	z, err := decompress(r)
	if err != nil {
		return nil, err
	}
	var top string
	files := map[string]map[string]distFile{} // component, path
	err = layer.ReadTar(ctx, z, distLimits, func(h *tar.Header, r io.Reader) error {
		first, rest, _ := strings.Cut(h.Name, "/")
		if top == "" {
			top = first
		}
		if first != top || h.Name == "." {
			return fmt.Errorf("%.200q is not below %s", h.Name, top)
		}
		component, at, ok := strings.Cut(rest, "/")
		if !ok || component != c.Name && component != c.installedName() {
			return nil
		}
		e := layer.Entry{Path: at, Type: h.Typeflag, Size: h.Size, Linkname: h.Linkname}
		switch h.Typeflag {
		case tar.TypeReg:
			if e.Open, err = sp.Put(ctx, r, h.Size); err != nil {
				return err
			}
		case tar.TypeLink:
			// The same content under another name; it becomes a file of its own.
			target, ok := files[component][strings.TrimPrefix(h.Linkname, top+"/"+component+"/")]
			if !ok || target.entry.Type != tar.TypeReg {
				return fmt.Errorf("%.200q: hard link to %.200q, which is not a file before it", h.Name, h.Linkname)
			}
			e.Type, e.Size, e.Open, e.Linkname = tar.TypeReg, target.entry.Size, target.entry.Open, ""
			h.Mode = target.mode
		}
		if files[component] == nil {
			files[component] = map[string]distFile{}
		}
		files[component][at] = distFile{e, h.Mode}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(z, distLimits.Total)); err != nil {
		return nil, err
	}
	for _, name := range []string{c.installedName(), c.Name} {
		if f := files[name]; f != nil {
			return pick(f)
		}
	}
	return nil, fmt.Errorf("the tarball has no directory %s", c.Name)
}

// pick takes what manifest.in names.
func pick(files map[string]distFile) ([]layer.Entry, error) {
	m, ok := files["manifest.in"]
	if !ok || m.entry.Type != tar.TypeReg || m.entry.Size > maxManifest {
		return nil, errors.New("the tarball has no manifest.in")
	}
	r, err := m.entry.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	parts, err := parseParts(data)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var entries []layer.Entry
	for _, p := range parts {
		if !p.dir {
			f, ok := files[p.path]
			if !ok || f.entry.Type == tar.TypeDir {
				return nil, fmt.Errorf("manifest.in names %s, which the tarball doesn't have", p.path)
			}
			entries = append(entries, f.installed(true))
			continue
		}
		entries = append(entries, layer.Dir(p.path, 0o755, 0))
		at, _ := slices.BinarySearch(names, p.path+"/")
		for _, name := range names[at:] {
			if !strings.HasPrefix(name, p.path+"/") {
				break
			}
			entries = append(entries, files[name].installed(false))
			entries = appendParents(entries, name, p.path)
		}
	}
	return entries, nil
}

// appendParents adds the directories between root and name: an installed tree
// has them whether or not the tarball names them.
func appendParents(entries []layer.Entry, name, root string) []layer.Entry {
	for i := len(root) + 1; i < len(name); i++ {
		if name[i] == '/' {
			entries = append(entries, layer.Dir(name[:i], 0o755, 0))
		}
	}
	return entries
}

// installed is the entry as rustup would leave it.
func (f distFile) installed(named bool) layer.Entry {
	e := f.entry
	switch e.Type {
	case tar.TypeDir:
		e.Mode = 0o755
	case tar.TypeReg:
		e.Mode = partMode(e.Path, f.mode, named)
	}
	return e
}
