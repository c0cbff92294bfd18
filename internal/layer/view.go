package layer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A View is what a sequence of tar entries leaves when it is unpacked in that
// order below an empty root: later entries replace earlier ones, a directory
// stays when another comes over it, and a path leads through the symbolic links
// that are there when its entry comes. It knows names, not content: an entry
// is an Inode with whatever number its owner gave it.
type View struct {
	root viewNode
}

// An Inode is one file, directory or link of a View.
type Inode struct {
	Item    int    // what the caller said
	Dir     bool   // a directory
	Symlink string // the target of a symbolic link
}

type viewNode struct {
	inode    *Inode // nil: a directory that no entry named
	children map[string]*viewNode
}

// maxLinks is how many symbolic links a path may lead through, as on Linux.
const maxLinks = 40

var (
	errLinks = errors.New("too many symbolic links")
	errDeep  = errors.New("too deep")
)

// Set puts ino at the clean path p.
func (v *View) Set(p string, ino *Inode) error {
	if p == "." {
		v.root.inode = ino
		return nil
	}
	dir, err := v.dir(path.Dir(p))
	if err != nil {
		return err
	}
	n := dir.child(path.Base(p))
	if !ino.Dir {
		n.children = nil
	}
	n.inode = ino
	return nil
}

// Lookup returns the inode at p, or nil. It follows symbolic links on the way
// to p but not p itself, as link(2) does.
func (v *View) Lookup(p string) *Inode {
	n := v.find(p)
	if n == nil {
		return nil
	}
	return n.inode
}

// Has tells whether p is there. Its inode is nil if it is a directory that no
// entry named.
func (v *View) Has(p string) (*Inode, bool) {
	n := v.find(p)
	if n == nil || n.inode == nil && len(n.children) == 0 {
		return nil, false
	}
	return n.inode, true
}

// Remove removes p and everything below it.
func (v *View) Remove(p string) {
	if d, _ := v.walk(path.Dir(p), false); d != nil && p != "." {
		delete(d.children, path.Base(p))
	}
}

// Clear removes everything below the directory p. If p is a link, nothing is.
func (v *View) Clear(p string) {
	if n := v.find(p); n != nil {
		n.children = nil
	}
}

// A Name is a path in a View.
type Name struct {
	Path  string
	Inode *Inode
}

// Names returns all entries in canonical order. Names of one file have the
// same Inode. Directories that no entry named are left out.
func (v *View) Names() []Name {
	var names []Name
	if v.root.inode != nil {
		names = append(names, Name{".", v.root.inode})
	}
	names = v.root.names("", names)
	slices.SortFunc(names, func(a, b Name) int {
		return ComparePaths(sortKey(a.Path), sortKey(b.Path))
	})
	return names
}

// sortKey has the root come first, where "." would not.
func sortKey(p string) string {
	if p == "." {
		return ""
	}
	return p
}

func (n *viewNode) names(prefix string, to []Name) []Name {
	for base, c := range n.children {
		p := prefix + base
		if c.inode != nil {
			to = append(to, Name{p, c.inode})
		}
		if c.children != nil {
			to = c.names(p+"/", to)
		}
	}
	return to
}

func (n *viewNode) child(name string) *viewNode {
	c := n.children[name]
	if c == nil {
		c = &viewNode{}
		if n.children == nil {
			n.children = map[string]*viewNode{}
		}
		n.children[name] = c
	}
	return c
}

// dir returns the node of directory p, through symbolic links, and makes what is missing.
func (v *View) dir(p string) (*viewNode, error) { return v.walk(p, true) }

// find returns the node of p, or nil. Its last element isn't followed.
func (v *View) find(p string) *viewNode {
	if p == "." {
		return &v.root
	}
	d, _ := v.walk(path.Dir(p), false)
	if d == nil {
		return nil
	}
	return d.children[path.Base(p)]
}

func (v *View) walk(p string, create bool) (*viewNode, error) {
	stack := []*viewNode{&v.root} // where ".." leads
	links := 0
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..": // only in link targets; the root's parent is the root
			stack = stack[:max(1, len(stack)-1)]
			continue
		}
		here := stack[len(stack)-1]
		n := here.children[name]
		if n == nil {
			if !create {
				return nil, nil
			}
			n = here.child(name)
		}
		switch {
		case n.inode == nil || n.inode.Dir:
			if stack = append(stack, n); len(stack) > maxPath/2 {
				return nil, fmt.Errorf("%s: %w", p, errDeep)
			}
		case n.inode.Symlink != "":
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s: %w", p, errLinks)
			}
			if strings.HasPrefix(n.inode.Symlink, "/") {
				stack = stack[:1]
			}
			rest = n.inode.Symlink + "/" + rest
		default:
			return nil, fmt.Errorf("%s: %s in it is not a directory", p, name)
		}
	}
	return stack[len(stack)-1], nil
}
