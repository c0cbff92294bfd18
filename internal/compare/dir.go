package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dirs compares two directories by their paths. An OCI image layout is
// compared as the image that it holds. Symbolic links are not followed; of
// the modes only the executable bit counts, since a directory in which
// artefacts lie has been through someone's umask.
func (c *run) dirs(name, a, b string) (*Finding, error) {
	f := &Finding{Name: name, Kind: Directory}
	la, lb := dirLayout(a), dirLayout(b)
	if la.is() && lb.is() {
		f.Kind = Image
		err := c.layouts(f, name, la, lb, 0)
		if err == nil && len(f.Parts) > 0 {
			return f, nil
		}
		if err != nil {
			if c.ctx.Err() != nil {
				return nil, c.ctx.Err()
			}
			f = &Finding{Name: name, Kind: Directory, Note: "compared as files, not as an image: " + err.Error()}
		}
		// The same image: compare the files, as the layout may hold more.
	}
	fa, err := c.list(a)
	if err != nil {
		return nil, err
	}
	fb, err := c.list(b)
	if err != nil {
		return nil, err
	}
	f.Parts, f.More, err = pair(c, fa, fb, func(e file) key { return key{name: e.rel} },
		func(e file, side string) *Finding {
			return onlyIn(side, e.rel, join(name, e.rel), kindOf(e.info), e.info.Size())
		},
		func(x, y file) (*Finding, error) { return c.filesInDirs(name, a, b, x, y) })
	if err != nil || len(f.Parts) == 0 {
		return nil, err
	}
	return f, nil
}

type file struct {
	rel  string // with slashes
	info fs.FileInfo
}

func (c *run) list(root string) ([]file, error) {
	var out []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		if len(out) >= c.lim.Entries {
			return errors.New("too many files")
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		out = append(out, file{filepath.ToSlash(rel), i})
		return errors.Join(err, c.ctx.Err())
	})
	return out, err
}

func (c *run) filesInDirs(name, a, b string, x, y file) (*Finding, error) {
	path := join(name, x.rel)
	pa, pb := filepath.Join(a, x.rel), filepath.Join(b, y.rel)
	ma, mb := x.info.Mode(), y.info.Mode()
	leaf := func(text string) *Finding {
		return note(x.rel, path, kindOf(x.info), x.info.Size(), y.info.Size(), text)
	}
	switch {
	case ma.Type() != mb.Type():
		return leaf(fmt.Sprintf("%s in A, %s in B", typeName(ma), typeName(mb))), nil
	case ma&fs.ModeSymlink != 0:
		ta, err := os.Readlink(pa)
		if err != nil {
			return nil, err
		}
		tb, err := os.Readlink(pb)
		if err != nil || ta == tb {
			return nil, err
		}
		return leaf(fmt.Sprintf("link target is %q in A, %q in B", ta, tb)), nil
	case !ma.IsRegular():
		return nil, nil
	}
	f, err := c.files(x.rel, path, pa, pb, 1)
	if err == nil && f == nil && (ma^mb)&0o111 != 0 {
		f = leaf(fmt.Sprintf("mode is %#o in A, %#o in B", ma.Perm(), mb.Perm()))
	}
	return f, err
}

// mixed compares a directory with a file: an image layout with an archive of
// one.
func (c *run) mixed(name, a, b string, ia, ib fs.FileInfo) (*Finding, error) {
	la, closeA, err := c.anyLayout(a, ia)
	if err != nil {
		return nil, err
	}
	defer closeA()
	lb, closeB, err := c.anyLayout(b, ib)
	if err != nil {
		return nil, err
	}
	defer closeB()
	if la == nil || lb == nil {
		return note(name, name, Raw, ia.Size(), ib.Size(), fmt.Sprintf("%s in A, %s in B", typeName(ia.Mode()), typeName(ib.Mode()))), nil
	}
	f := &Finding{Name: name, Kind: Image}
	if err := c.layouts(f, name, la, lb, 0); err != nil {
		return nil, err
	}
	if len(f.Parts) == 0 {
		text := "the images are the same; one is a directory, the other an archive"
		f = note(name, name, Image, ia.Size(), ib.Size(), text)
	}
	return f, nil
}

// anyLayout opens a layout in a directory or in an uncompressed tar; nil if it
// is none.
func (c *run) anyLayout(p string, i fs.FileInfo) (layout, func(), error) {
	nothing := func() {}
	if i.IsDir() {
		if d := dirLayout(p); d.is() {
			return d, nothing, nil
		}
		return nil, nothing, nil
	}
	b, err := openBlob(p)
	if err != nil {
		return nil, nothing, err
	}
	done := func() { release(b) }
	if k, err := sniff(b); err != nil || k != Tar {
		return nil, done, err
	}
	index, err := c.index(b.source())
	if err != nil || !isLayout(index) {
		return nil, done, nil
	}
	return tarLayout{b, index}, done, nil
}
