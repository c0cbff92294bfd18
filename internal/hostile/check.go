package hostile

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/layer"
)

// Rules are what a reader may let through.
type Rules struct {
	Devices bool // what an image's root file system may have
	Links   bool // symbolic links to anywhere: who unpacks the tree has it as the root
	Setuid  bool
	Owners  bool
	Lower   bool // hard links to what a lower layer may have
}

// most is how many bytes one of these archives may become.
const most = 1 << 20

// Entries are those of what a reader made of an archive: none if it refused it. It
// takes what such a reader returns, and its error is that of closing.
func Entries(tree *layer.Tree, made io.Closer, refused error) ([]layer.Entry, error) {
	if refused != nil {
		return nil, nil
	}
	entries := tree.Entries()
	return entries, made.Close()
}

// Check says what is dangerous about entries that a reader took from an archive.
func Check(entries []layer.Entry, may Rules) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	kinds := map[string]byte{}
	for _, e := range entries {
		if e.Path != "." && layer.CheckPath(e.Path) != nil {
			say("%.60q is no path inside", e.Path)
		}
		if e.Path == "." && e.Type != tar.TypeDir {
			say("the root is no folder")
		}
		for up := path.Dir(e.Path); up != "." && up != "/"; up = path.Dir(up) {
			if k, ok := kinds[up]; ok && k != tar.TypeDir {
				say("%.60q lies below %.60q, which is no folder", e.Path, up)
			}
		}
		switch e.Type {
		case tar.TypeReg:
			if e.Size < 0 || e.Size > most {
				say("%.60q has %d bytes", e.Path, e.Size)
			}
		case tar.TypeDir:
		case tar.TypeSymlink:
			if !may.Links && !stays(e.Path, e.Linkname) {
				say("%.60q is a link to %.60q", e.Path, e.Linkname)
			}
			if e.Linkname == "" || strings.ContainsRune(e.Linkname, 0) {
				say("%.60q is a link to %.60q", e.Path, e.Linkname)
			}
		case tar.TypeLink:
			if k, ok := kinds[e.Linkname]; !ok && !(may.Lower && layer.CheckPath(e.Linkname) == nil) || ok && k != tar.TypeReg && k != tar.TypeLink {
				say("%.60q is a hard link to %.60q, which is no file before it", e.Path, e.Linkname)
			}
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			if !may.Devices {
				say("%.60q is a device or fifo", e.Path)
			}
		default:
			say("%.60q has the type %q", e.Path, e.Type)
		}
		if !may.Setuid && e.Mode&0o7000 != 0 {
			say("%.60q has the mode %o", e.Path, e.Mode)
		}
		if e.UID < 0 || e.GID < 0 || !may.Owners && (e.UID != 0 || e.GID != 0) || e.UID > 1<<32-2 || e.GID > 1<<32-2 {
			say("%.60q belongs to %d:%d", e.Path, e.UID, e.GID)
		}
		if e.ModTime < 0 {
			say("%.60q has the time %d", e.Path, e.ModTime)
		}
		kinds[e.Path] = e.Type
	}
	return bad
}

// stays says whether a relative link's target lies in the tree: the first part of
// its path is the archive's own folder.
func stays(at, target string) bool {
	if path.IsAbs(target) || strings.Contains(target, `\`) {
		return false
	}
	p := path.Join(path.Dir(at), target)
	return p != ".." && !strings.HasPrefix(p, "../")
}

// Outside makes the folder that archives aim at, with a file b in it. The function
// returned says what was done to it.
func Outside(dir string) func() error {
	err := os.WriteFile(dir+"/b", []byte("as it was"), 0o600)
	return func() error {
		if err != nil {
			return err
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if text, err := os.ReadFile(dir + "/b"); err != nil || string(text) != "as it was" || len(files) != 1 {
			return fmt.Errorf("%s was written to: %v, %.100q, %v", dir, files, text, err)
		}
		return nil
	}
}
