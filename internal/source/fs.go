package source

import (
	"archive/tar"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/layer"
)

// treeFS is a tree as a file system.
type treeFS struct {
	tree     *layer.Tree
	children map[string][]layer.Entry // by directory
}

func newTreeFS(tree *layer.Tree) treeFS {
	t := treeFS{tree: layer.NewTree(), children: map[string][]layer.Entry{".": nil}}
	for _, e := range tree.Entries() {
		if t.tree.Add(e) != nil {
			continue // cannot be: it was in a tree
		}
		dir := path.Dir(e.Path)
		t.children[dir] = append(t.children[dir], e)
	}
	return t
}

// find returns the entry at name. Links are followed on the way there, and
// if last is true name itself is, too.
func (t treeFS) find(op, name string, last bool) (layer.Entry, error) {
	fail := func(err error) (layer.Entry, error) {
		return layer.Entry{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	walk := name
	if !last {
		walk = path.Dir(name)
	}
	at, err := follow(t.tree, walk)
	if err != nil {
		return fail(err)
	}
	if !last && name != "." {
		at = path.Join(at, path.Base(name))
	}
	if at == "" {
		return layer.Entry{Path: ".", Type: tar.TypeDir, Mode: 0o755}, nil
	}
	e, ok := t.tree.Get(at)
	if ok && e.Type == tar.TypeLink {
		target, found := t.tree.Get(e.Linkname)
		target.Path = e.Path
		e, ok = target, found
	}
	if !ok {
		return fail(fs.ErrNotExist)
	}
	return e, nil
}

func (t treeFS) Open(name string) (fs.File, error) {
	e, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	info := entryInfo{e, path.Base(name)}
	if e.Type == tar.TypeDir {
		return &openDir{info: info, entries: t.list(e.Path)}, nil
	}
	var content io.ReadCloser = io.NopCloser(strings.NewReader(""))
	if e.Open != nil {
		if content, err = e.Open(); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return openFile{content, info}, nil
}

func (t treeFS) Stat(name string) (fs.FileInfo, error) {
	e, err := t.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return entryInfo{e, path.Base(name)}, nil
}

func (t treeFS) Lstat(name string) (fs.FileInfo, error) {
	e, err := t.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return entryInfo{e, path.Base(name)}, nil
}

func (t treeFS) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name, false)
	if err == nil && e.Type != tar.TypeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return e.Linkname, err
}

func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if e.Type != tar.TypeDir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return t.list(e.Path), nil
}

func (t treeFS) list(dir string) []fs.DirEntry {
	entries := make([]fs.DirEntry, 0, len(t.children[dir]))
	for _, e := range t.children[dir] {
		entries = append(entries, fs.FileInfoToDirEntry(entryInfo{e, path.Base(e.Path)}))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries
}

type entryInfo struct {
	e    layer.Entry
	name string
}

func (i entryInfo) Name() string       { return i.name }
func (i entryInfo) Size() int64        { return i.e.Size }
func (i entryInfo) ModTime() time.Time { return time.Unix(i.e.ModTime, 0).UTC() }
func (i entryInfo) IsDir() bool        { return i.e.Type == tar.TypeDir }
func (i entryInfo) Sys() any           { return nil }
func (i entryInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.e.Mode & 0o777)
	switch i.e.Type {
	case tar.TypeDir:
		mode |= fs.ModeDir
	case tar.TypeSymlink:
		mode |= fs.ModeSymlink
	}
	return mode
}

type openFile struct {
	io.ReadCloser
	info entryInfo
}

func (f openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

type openDir struct {
	info    entryInfo
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	var some []fs.DirEntry
	some, d.entries = d.entries[:n], d.entries[n:]
	return some, nil
}
