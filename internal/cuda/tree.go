package cuda

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Tree is the toolkit of a pin whose files are in the store. Close the closer
// when the tree is no longer read.
func Tree(ctx context.Context, st *store.Store, p Pin) (*layer.Tree, io.Closer, error) {
	sp, err := newSpool(st)
	if err != nil {
		return nil, nil, err
	}
	t, err := toolkit(ctx, st, sp, p)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("unpacking CUDA: %w", err), sp.Close())
	}
	return t, sp, nil
}

func toolkit(ctx context.Context, st *store.Store, sp *spool.Spool, p Pin) (*layer.Tree, error) {
	t := layer.NewTree()
	for _, w := range p.toolkit() {
		entries, err := wheelEntries(ctx, st, sp, w, toolkitPath(w))
		if err == nil {
			err = addAll(t, entries)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", w.Name, w.Version, err)
		}
	}
	for _, a := range p.Archives {
		entries, err := archiveEntries(ctx, st, sp, a)
		if err == nil {
			err = addAll(t, entries)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", a.Name, a.Version, err)
		}
	}
	return t, finish(t)
}

// addAll adds entries, and refuses what two parts have differently.
func addAll(t *layer.Tree, entries []layer.Entry) error {
	for _, e := range entries {
		if old, ok := t.Get(e.Path); ok {
			same, err := equal(old, e)
			if err != nil {
				return err
			}
			if !same {
				return fmt.Errorf("%s is in another part of the toolkit, too, with other content", e.Path)
			}
			continue
		}
		if err := t.Add(e); err != nil {
			return err
		}
	}
	return nil
}

func equal(a, b layer.Entry) (bool, error) {
	if a.Type != b.Type || a.Size != b.Size || a.Linkname != b.Linkname {
		return false, nil
	}
	if a.Type != tar.TypeReg {
		return true, nil
	}
	var sums [2][sha256.Size]byte
	for i, e := range []layer.Entry{a, b} {
		r, err := e.Open()
		if err != nil {
			return false, err
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return false, err
		}
		h.Sum(sums[i][:0])
	}
	return sums[0] == sums[1], nil
}

// stubPath is where linkers find the driver's library.
const stubPath = "lib64/stubs/libcuda.so"

// finish adds what an installed toolkit has besides.
func finish(t *layer.Tree) error {
	for _, l := range [][2]string{{"lib", "lib64"}, {"targets/x86_64-linux/lib", "../../lib64"}, {"targets/x86_64-linux/include", "../../include"}} {
		if _, ok := t.Get(l[0]); !ok {
			if err := t.Add(layer.Symlink(l[0], l[1], 0)); err != nil {
				return err
			}
		}
	}
	for _, e := range t.Entries() {
		dir, base := path.Split(e.Path)
		stem, _, versioned := strings.Cut(base, ".so.")
		if dir != "lib64/" || !versioned || e.Type != tar.TypeReg {
			continue
		}
		if _, ok := t.Get(dir + stem + ".so"); !ok {
			if err := t.Add(layer.Symlink(dir+stem+".so", base, 0)); err != nil {
				return err
			}
		}
	}
	if _, ok := t.Get(stubPath); ok {
		return nil
	}
	h, ok := t.Get("include/cuda.h")
	if !ok {
		return nil
	}
	header, err := contents(h)
	if err != nil {
		return err
	}
	stub, err := Stub(header)
	if err != nil {
		return err
	}
	return t.Add(layer.File(stubPath, 0o755, 0, stub))
}

// maxHeader bounds cuda.h; it has 1.2 MB.
const maxHeader = 32 << 20

func contents(e layer.Entry) ([]byte, error) {
	if e.Size > maxHeader {
		return nil, fmt.Errorf("%s has %d bytes", e.Path, e.Size)
	}
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// headers are those that C has every compiler bring along.
//
//go:embed include
var headers embed.FS

// ClangTree is libclang with the headers that it looks for.
func ClangTree(ctx context.Context, st *store.Store, p Pin) (*layer.Tree, io.Closer, error) {
	sp, err := newSpool(st)
	if err != nil {
		return nil, nil, err
	}
	w, _ := p.clang()
	t, err := clang(ctx, st, sp, w)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("unpacking libclang %s: %w", w.Version, err), sp.Close())
	}
	return t, sp, nil
}

func clang(ctx context.Context, st *store.Store, sp *spool.Spool, w File) (*layer.Tree, error) {
	entries, err := wheelEntries(ctx, st, sp, w, func(name string) string {
		switch {
		case licence(name):
			return "share/licenses/" + LibClang + "/" + path.Base(name)
		case strings.HasSuffix(name, "clang/native/libclang.so"):
			return "lib/libclang.so"
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	t := layer.NewTree()
	if err := addAll(t, entries); err != nil {
		return nil, err
	}
	if _, ok := t.Get("lib/libclang.so"); !ok {
		return nil, errors.New("the wheel has no libclang.so")
	}
	return t, fs.WalkDir(headers, "include", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := headers.ReadFile(name)
		if err != nil {
			return err
		}
		return t.Add(layer.File("lib/clang/"+resourceVersion(w.Version)+"/"+name, 0o644, 0, data))
	})
}

// resourceVersion names the folder in which a libclang looks for its headers:
// since 16 after the major version alone.
func resourceVersion(version string) string {
	major, _, _ := strings.Cut(version, ".")
	if len(major) < 2 || major < "16" {
		return version
	}
	return major
}

// openVerified opens a file of the store and compares its hash: blobs may have
// changed at rest.
func openVerified(ctx context.Context, st *store.Store, f File) (*os.File, error) {
	r, err := st.Open(f.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Hint(fmt.Errorf("%s is not in the store", f.Path), "run `twice fetch`")
	}
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, r}); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.SHA256.Encoded() {
		return nil, errors.Join(fmt.Errorf("%s: its SHA-256 is %s, the lock says %s", f.Path, got, f.SHA256.Encoded()), r.Close())
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
