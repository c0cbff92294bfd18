package compose

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/layer"
)

// A merger puts the files of packages into one tree, whatever their order.
type merger struct {
	tree  *layer.Tree
	owner map[string]*unpacked // of each path in tree: the package whose entry it is
}

// merge returns the tree of all packages' files, with the links of a merged
// /usr.
func merge(pkgs []unpacked) (*layer.Tree, error) {
	m := merger{layer.NewTree(), map[string]*unpacked{}}
	order := make([]*unpacked, len(pkgs))
	for i := range pkgs {
		order[i] = &pkgs[i]
	}
	slices.SortFunc(order, func(a, b *unpacked) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		return strings.Compare(a.pkg.Name, b.pkg.Name)
	})
	for _, links := range []bool{false, true} { // a hard link comes after its file, wherever that is
		for _, u := range order {
			for _, e := range u.entries {
				if links != (e.Type == tar.TypeLink) {
					continue
				}
				if err := m.add(e, u); err != nil {
					return nil, fmt.Errorf("package %s: %w", u.pkg.Name, err)
				}
			}
		}
	}
	return m.tree, m.mergeUsr()
}

// rank puts base-files before all others: its directories' modes count.
func rank(u *unpacked) int {
	if u.pkg.Name == "base-files" {
		return 0
	}
	return 1
}

func (m *merger) add(e layer.Entry, u *unpacked) error {
	before, taken := m.owner[e.Path]
	if taken {
		old, ok := m.tree.Get(e.Path)
		switch {
		case !ok:
			return fmt.Errorf("%s: lost from the tree", e.Path)
		case e.Type == tar.TypeDir && old.Type == tar.TypeDir:
			return nil
		case before == u:
			return fmt.Errorf("%s: twice in the package", e.Path)
		case e.Type == tar.TypeDir || old.Type == tar.TypeDir:
			return fmt.Errorf("%s: a directory here or in %s, but not in both", e.Path, before.pkg.Name)
		}
		mine, err := replaces(u.deb, before)
		if err != nil {
			return err
		}
		theirs, err := replaces(before.deb, u)
		if err != nil {
			return err
		}
		switch {
		case mine == theirs:
			return fmt.Errorf("%s: also in %s", e.Path, before.pkg.Name)
		case theirs:
			return nil
		}
	}
	m.owner[e.Path] = u
	return m.tree.Add(e)
}

// replaces reports whether d's control file says that it replaces files of u.
func replaces(d *debian.Deb, u *unpacked) (bool, error) {
	clauses, err := debian.ParseRelations(d.Fields["Replaces"])
	if err != nil {
		return false, fmt.Errorf("replaces: %w", err)
	}
	return slices.ContainsFunc(clauses, func(c []debian.Relation) bool {
		return c[0].Name == u.pkg.Name && c[0].Admits(u.pkg.Version)
	}), nil
}

// mergeUsr makes /bin, /sbin and /lib links, and of the others those that a
// package has something in.
func (m *merger) mergeUsr() error {
	if m.tree.Len() == 0 {
		return errors.New("the packages hold no files")
	}
	for _, d := range mergedDirs {
		target := "usr/" + d
		if _, ok := m.tree.Get(target); !ok {
			if d != "bin" && d != "sbin" && d != "lib" {
				continue
			}
			if err := m.tree.Add(layer.Dir(target, 0o755, 0)); err != nil {
				return err
			}
		}
		if err := m.tree.Add(layer.Symlink(d, target, 0)); err != nil {
			return err
		}
	}
	return nil
}
