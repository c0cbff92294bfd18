package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// checkLinks refuses symbolic links that lead out of the tree, directly or
// through other links.
func checkLinks(tree *layer.Tree) error {
	for _, e := range tree.Entries() {
		if e.Type != tar.TypeSymlink {
			continue
		}
		if strings.HasPrefix(e.Linkname, "/") {
			return linkError(e)
		}
		if _, err := follow(tree, e.Path); errors.Is(err, errEscapes) {
			return linkError(e)
		}
	}
	return nil
}

func linkError(e layer.Entry) error {
	return fault.Hint(fmt.Errorf("%s: symbolic link to %.200q leads out of the source", e.Path, e.Linkname),
		"link inside of the source, or remove the link")
}

var (
	errEscapes = errors.New("leads out of the tree")
	errLoops   = errors.New("too many symbolic links")
)

// follow resolves every symbolic link on the way to p and p itself, and
// returns the path without them. What isn't there is taken for a directory.
func follow(tree *layer.Tree, p string) (string, error) {
	var at []string
	links := 0
	rest := strings.Split(p, "/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return "", errEscapes
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, name)
		e, ok := tree.Get(strings.Join(at, "/"))
		if !ok || e.Type != tar.TypeSymlink {
			continue
		}
		if links++; links > 40 {
			return "", errLoops
		}
		if strings.HasPrefix(e.Linkname, "/") {
			return "", errEscapes
		}
		at = at[:len(at)-1]
		rest = append(strings.Split(e.Linkname, "/"), rest...)
	}
	return strings.Join(at, "/"), nil
}
