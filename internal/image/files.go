package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/layer"
)

// Whiteouts, as OCI's layer specification has them.
const (
	Whiteout       = ".wh."
	OpaqueWhiteout = ".wh..wh..opq"
)

// Files calls fn for everything that a container of img finds in its root file
// system: layers are applied in order, whiteouts too, and the last one wins.
// Headers are as layer.ReadTar has them, devices included, except that the name
// of an entry is where it ends up (below a link to a directory that is in that
// directory), and that of a file with several names the first is the file and
// the others are links to it. Files come in the order of the layers that hold
// them, and a directory that no entry names doesn't come at all.
//
// The layers are read twice, and verified by digest and diff ID before fn is
// called for the first time.
func Files(ctx context.Context, st Blobs, img Image, fn func(h *tar.Header, r io.Reader) error) error {
	m := merged{st: st, img: img}
	for i := range img.Manifest.Layers {
		if err := m.apply(ctx, i); err != nil {
			return fmt.Errorf("layer %d (%s): %w", i+1, img.Manifest.Layers[i].Digest, err)
		}
	}
	names := map[*layer.Inode][]string{}
	for _, n := range m.view.Names() {
		names[n.Inode] = append(names[n.Inode], n.Path)
	}
	for i := range img.Manifest.Layers {
		at := m.first[i]
		err := m.read(ctx, i, func(h *tar.Header, r io.Reader) error {
			paths := names[m.inodes[at]]
			at++
			return emit(h, r, paths, fn)
		})
		if err != nil {
			return fmt.Errorf("layer %d (%s): %w", i+1, img.Manifest.Layers[i].Digest, err)
		}
	}
	return nil
}

// Whiteouts returns the first entry of img's layers that takes away what a lower
// layer has, or "": what unpacking the layers one over the other would get
// wrong. The layers are read and verified.
func Whiteouts(ctx context.Context, st Blobs, img Image) (string, error) {
	m, found := merged{st: st, img: img}, ""
	for i := range img.Manifest.Layers {
		err := m.read(ctx, i, func(h *tar.Header, _ io.Reader) error {
			if found == "" && strings.HasPrefix(path.Base(h.Name), Whiteout) {
				found = h.Name
			}
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("layer %d (%s): %w", i+1, img.Manifest.Layers[i].Digest, err)
		}
	}
	return found, nil
}

// emit passes on an entry under all the names that are left of it.
func emit(h *tar.Header, r io.Reader, paths []string, fn func(h *tar.Header, r io.Reader) error) error {
	for i, p := range paths {
		c := *h
		c.Name = p
		if i > 0 {
			c.Typeflag, c.Linkname, c.Size = tar.TypeLink, paths[0], 0
			r = strings.NewReader("")
		}
		if err := fn(&c, r); err != nil {
			return err
		}
	}
	return nil
}

// merged is the view of an image while its layers are applied.
type merged struct {
	st     Blobs
	img    Image
	view   layer.View
	inodes []*layer.Inode // of each entry of each layer; nil: a whiteout or hard link
	first  []int          // of each layer: its first inode
}

// entry is what a view has to know of one.
type entry struct {
	kind       byte
	name, link string
}

func (m *merged) apply(ctx context.Context, i int) error {
	m.first = append(m.first, len(m.inodes))
	var entries []entry
	err := m.read(ctx, i, func(h *tar.Header, _ io.Reader) error {
		entries = append(entries, entry{h.Typeflag, h.Name, h.Linkname})
		return nil
	})
	if err != nil {
		return err
	}
	// A whiteout hides what lower layers have, wherever in its own layer it is.
	for _, e := range entries {
		if dir, base := path.Split(e.name); base == OpaqueWhiteout {
			m.view.Clear(path.Clean(dir))
		} else if hidden, ok := strings.CutPrefix(base, Whiteout); ok && hidden != "" {
			m.view.Remove(path.Join(dir, hidden))
		}
	}
	for _, e := range entries {
		ino, err := m.set(e)
		if err != nil {
			return err
		}
		m.inodes = append(m.inodes, ino)
	}
	return nil
}

// set puts an entry into the view. It returns nil where no entry of its own is needed.
func (m *merged) set(e entry) (*layer.Inode, error) {
	if strings.HasPrefix(path.Base(e.name), Whiteout) {
		return nil, nil
	}
	if e.kind == tar.TypeLink {
		ino := m.view.Lookup(e.link)
		if ino == nil || ino.Dir {
			return nil, fmt.Errorf("%s: hard link to %s, which is no file", e.name, e.link)
		}
		return nil, m.view.Set(e.name, ino)
	}
	ino := &layer.Inode{Dir: e.kind == tar.TypeDir}
	if e.kind == tar.TypeSymlink {
		ino.Symlink = e.link
	}
	return ino, m.view.Set(e.name, ino)
}

// read reads layer i and verifies it.
func (m *merged) read(ctx context.Context, i int, fn func(h *tar.Header, r io.Reader) error) error {
	blob, err := openVerified(m.st, m.img.Manifest.Layers[i].Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	content, _, err := layer.NewDecompressor(blob)
	if err != nil {
		return err
	}
	defer content.Close()
	diff := sha256.New()
	tee := io.TeeReader(content, diff)
	if err := layer.ReadTar(ctx, tee, layer.Limits{Devices: true, Rooted: true}, fn); err != nil {
		return err
	}
	// What follows the end of the tar counts for both digests.
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return err
	}
	if got, want := digest.NewDigest(digest.SHA256, diff), m.img.Config.RootFS.DiffIDs[i]; got != want {
		return fmt.Errorf("its content has the digest %s, the config says %s", got, want)
	}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{blob}); err != nil {
		return err
	}
	return nil
}
