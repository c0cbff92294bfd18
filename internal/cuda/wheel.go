package cuda

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Bounds of a wheel or archive; the toolkit's largest, cuBLAS, unpacks to 1 GB.
const (
	maxFiles = 200_000
	maxFile  = 8 << 30
	maxTotal = 16 << 30
)

// wheelEntries reads a wheel (a zip): at returns where a member goes, "" to leave it out.
func wheelEntries(ctx context.Context, st *store.Store, sp *spool.Spool, w File, at func(member string) string) ([]layer.Entry, error) {
	f, err := openVerified(ctx, st, w)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("reading the wheel: %w", err)
	}
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("reading the wheel: more than %d files", maxFiles)
	}
	var entries []layer.Entry
	var total uint64
	for _, m := range z.File {
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		if err := layer.CheckPath(m.Name); err != nil {
			return nil, fmt.Errorf("reading the wheel: %w", err)
		}
		to := at(m.Name)
		if to == "" {
			continue
		}
		if m.Mode()&fs.ModeType != 0 {
			return nil, fmt.Errorf("reading the wheel: %s is no regular file", m.Name)
		}
		if total += m.UncompressedSize64; m.UncompressedSize64 > maxFile || total > maxTotal {
			return nil, fmt.Errorf("reading the wheel: %s is larger than anything expected", m.Name)
		}
		e, err := member(ctx, sp, m, to)
		if err != nil {
			return nil, fmt.Errorf("reading the wheel: %s: %w", m.Name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func member(ctx context.Context, sp *spool.Spool, m *zip.File, to string) (layer.Entry, error) {
	size := int64(m.UncompressedSize64)
	r, err := m.Open()
	if err != nil {
		return layer.Entry{}, err
	}
	defer r.Close()
	open, err := sp.Put(ctx, r, size)
	if err != nil {
		return layer.Entry{}, err
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r, 1)); n > 0 || err != nil { // the checksum comes with the end
		return layer.Entry{}, errors.Join(err, ifMore(n))
	}
	return regular(to, m.Mode().Perm()&0o100 != 0, size, open)
}

func ifMore(n int64) error {
	if n > 0 {
		return errors.New("has more bytes than its header says")
	}
	return nil
}

// regular is a file of a tree. In bin, programs are executable whatever their
// archive says of them: some wheels forget it.
func regular(to string, executable bool, size int64, open func() (io.ReadCloser, error)) (layer.Entry, error) {
	mode := int64(0o644)
	if !executable && slices.Contains(strings.Split(path.Dir(to), "/"), "bin") {
		r, err := open()
		if err != nil {
			return layer.Entry{}, err
		}
		magic := make([]byte, 4)
		n, _ := io.ReadFull(r, magic)
		_ = r.Close()
		executable = strings.HasPrefix(string(magic[:n]), "\x7fELF") || strings.HasPrefix(string(magic[:n]), "#!")
	}
	if executable {
		mode = 0o755
	}
	return layer.Entry{Path: to, Type: '0', Mode: mode, Size: size, Open: open}, nil
}

// toolkitPath is where a wheel's member goes in the toolkit.
func toolkitPath(w File) func(string) string {
	return func(name string) string {
		if licence(name) {
			return path.Join("share/licenses", w.Name, path.Base(name))
		}
		first, rest, _ := strings.Cut(name, "/")
		_, rest, ok := strings.Cut(rest, "/")
		if first != "nvidia" || !ok || path.Base(rest) == "__init__.py" || strings.HasPrefix(rest, "__pycache__/") {
			return ""
		}
		return installed(rest)
	}
}

// installed is where a file of an archive's or wheel's top lies in a toolkit.
func installed(p string) string {
	if rest, ok := strings.CutPrefix(p, "lib/"); ok {
		return "lib64/" + rest
	}
	return p
}

// licence tells a licence text among a wheel's metadata.
func licence(name string) bool {
	dir, base := path.Split(name)
	lower := strings.ToLower(base)
	return strings.Contains(dir, ".dist-info/") && (strings.HasPrefix(lower, "licen") || strings.HasPrefix(lower, "notice"))
}

// newSpool keeps contents beside the store's blobs.
func newSpool(st *store.Store) (*spool.Spool, error) {
	return spool.New(filepath.Join(st.Dir(), "ingest"))
}
