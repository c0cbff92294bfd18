package layer

import (
	"archive/tar"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Tree is a set of entries, by path. Its zero value is not ready; use
// NewTree. A Tree may be read by several goroutines, but not while it changes.
type Tree struct {
	entries map[string]Entry
	below   map[string]int // how many entries lie below a directory, supplied ones included as keys
	linked  map[string]int // how many hard links name a file
}

// NewTree returns an empty tree.
func NewTree() *Tree {
	return &Tree{entries: map[string]Entry{}, below: map[string]int{}, linked: map[string]int{}}
}

// Len returns how many entries were added; supplied directories don't count.
func (t *Tree) Len() int { return len(t.entries) }

// Get returns the entry that was added at path. A hard link comes back as one.
func (t *Tree) Get(path string) (Entry, bool) {
	e, ok := t.entries[path]
	return e, ok
}

// Add adds e. An entry already at that path is replaced: a directory over a
// directory replaces its metadata and leaves what it holds. It is an error to
// replace a directory that holds something by anything else, to add something
// below a file or link, or a hard link to what is not a regular file in the
// tree. When a file that has hard links is replaced the links keep its content.
func (t *Tree) Add(e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	if e.Type != tar.TypeDir && t.below[e.Path] > 0 {
		return fmt.Errorf("%s: a directory that isn't empty is in its place", e.Path)
	}
	for p := parent(e.Path); p != ""; p = parent(p) {
		if up, ok := t.entries[p]; ok {
			if up.Type != tar.TypeDir {
				return fmt.Errorf("%s: its parent %s is not a directory", e.Path, p)
			}
			break // its own parents were checked when it came
		}
	}
	switch e.Type {
	case tar.TypeSymlink:
		e.Mode = 0o777
	case tar.TypeLink:
		target, ok := t.entries[e.Linkname]
		if ok && target.Type == tar.TypeLink {
			e.Linkname = target.Linkname
			target = t.entries[e.Linkname]
		}
		if !ok || target.Type != tar.TypeReg {
			return fmt.Errorf("%s: hard link to %s, which is not a file in the tree", e.Path, e.Linkname)
		}
		if e.Linkname == e.Path {
			return nil // a link to itself changes nothing
		}
	}
	if old, ok := t.entries[e.Path]; ok {
		t.forget(old)
	} else {
		t.count(e.Path, +1)
	}
	if e.Type == tar.TypeLink {
		// forget may have moved the file of this group.
		if target := t.entries[e.Linkname]; target.Type == tar.TypeLink {
			e.Linkname = target.Linkname
		}
		t.linked[e.Linkname]++
	}
	t.entries[e.Path] = e
	return nil
}

// Remove removes path and everything below it.
func (t *Tree) Remove(path string) {
	if t.below[path] > 0 {
		for p := range t.entries {
			if strings.HasPrefix(p, path+"/") {
				t.drop(p)
			}
		}
	}
	t.drop(path)
}

func (t *Tree) drop(path string) {
	if e, ok := t.entries[path]; ok {
		t.forget(e)
		delete(t.entries, path)
		t.count(path, -1)
	}
}

// forget undoes what e is to others, before it is replaced or deleted: if e is
// a file with hard links, the first of them becomes the file.
func (t *Tree) forget(e Entry) {
	if e.Type == tar.TypeLink {
		t.linked[e.Linkname]--
		return
	}
	if t.linked[e.Path] <= 0 {
		return
	}
	var links []string
	for p, l := range t.entries {
		if l.Type == tar.TypeLink && l.Linkname == e.Path {
			links = append(links, p)
		}
	}
	slices.SortFunc(links, ComparePaths)
	delete(t.linked, e.Path)
	first := links[0]
	for _, p := range links[1:] {
		l := t.entries[p]
		l.Linkname = first
		t.entries[p] = l
	}
	t.linked[first] = len(links) - 1
	e.Path = first
	t.entries[first] = e
}

func (t *Tree) count(path string, by int) {
	for p := parent(path); p != ""; p = parent(p) {
		if t.below[p] += by; t.below[p] == 0 {
			delete(t.below, p)
		}
	}
}

// Entries returns the tree in canonical form and order.
func (t *Tree) Entries() []Entry {
	all := make([]Entry, 0, len(t.entries)+len(t.below))
	first := map[string]string{} // of a file with links: the group's first path
	for p, e := range t.entries {
		all = append(all, e)
		if e.Type == tar.TypeLink {
			f, ok := first[e.Linkname]
			if !ok {
				f = e.Linkname
			}
			first[e.Linkname] = firstPath(f, p)
		}
	}
	for p := range t.below {
		if _, ok := t.entries[p]; !ok {
			all = append(all, Dir(p, 0o755, 0))
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
	for i := range all {
		all[i] = t.regroup(all[i], first)
	}
	return all
}

// regroup makes the first path of a hard-link group its file and the other
// paths links.
func (t *Tree) regroup(e Entry, first map[string]string) Entry {
	group := e.Path
	if e.Type == tar.TypeLink {
		group = e.Linkname
	} else if e.Type != tar.TypeReg {
		return e
	}
	file, ok := first[group]
	if !ok {
		return e
	}
	path := e.Path
	e = t.entries[group]
	e.Path = path
	if path != file {
		e.Type, e.Linkname, e.Size, e.Open = tar.TypeLink, file, 0, nil
	}
	return e
}

// ComparePaths is the canonical order of paths.
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == n {
		return cmp.Compare(len(a), len(b))
	}
	switch {
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return +1
	}
	return cmp.Compare(a[i], b[i])
}

func firstPath(a, b string) string {
	if ComparePaths(a, b) < 0 {
		return a
	}
	return b
}

func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}
