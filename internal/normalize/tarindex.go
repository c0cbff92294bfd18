package normalize

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/layer"
)

// A cursor reads a section and knows where it is, so that content can be found
// again. archive/tar skips content by Seek.
type cursor struct {
	r   *io.SectionReader
	pos int64
}

func (c *cursor) Read(p []byte) (int, error) {
	n, err := c.r.ReadAt(p, c.pos)
	c.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (c *cursor) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.r.Size()
	}
	if offset < 0 {
		return c.pos, errors.New("seek before the start")
	}
	c.pos = offset
	return offset, nil
}

func isSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// tarIndex is the files of an image archive by name.
type tarIndex struct {
	r     *io.SectionReader
	files map[string]*io.SectionReader
	links map[string]string
}

const maxMembers = 1 << 18

func indexTar(ctx context.Context, r *io.SectionReader) (*tarIndex, error) {
	ix := &tarIndex{r: r, files: map[string]*io.SectionReader{}, links: map[string]string{}}
	c := &cursor{r: r}
	err := layer.ReadTar(ctx, c, layer.Limits{Entries: maxMembers, Rooted: true}, func(h *tar.Header, _ io.Reader) error {
		delete(ix.files, h.Name)
		delete(ix.links, h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			if isSparse(h) {
				return fmt.Errorf("%s: a sparse file in an image archive", h.Name)
			}
			if c.pos+h.Size > r.Size() {
				return fmt.Errorf("%s: %w", h.Name, io.ErrUnexpectedEOF)
			}
			ix.files[h.Name] = io.NewSectionReader(r, c.pos, h.Size)
		case tar.TypeLink:
			ix.links[h.Name] = h.Linkname
		case tar.TypeSymlink: // docker save links equal layers
			ix.links[h.Name] = path.Join(path.Dir(h.Name), h.Linkname)
		}
		return nil
	})
	return ix, err
}

// file returns a file, through links within the archive.
func (ix *tarIndex) file(name string) (*io.SectionReader, error) {
	name = path.Clean(name)
	for range 8 {
		if f, ok := ix.files[name]; ok {
			return f, nil
		}
		to, ok := ix.links[name]
		if !ok {
			break
		}
		name = to
	}
	return nil, fmt.Errorf("%.200s: %w in the archive", name, fs.ErrNotExist)
}

// read returns a small file.
func (ix *tarIndex) read(name string, limit int64) ([]byte, error) {
	f, err := ix.file(name)
	if err != nil {
		return nil, err
	}
	if f.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than %d", name, f.Size(), limit)
	}
	b := make([]byte, f.Size())
	_, err = io.ReadFull(io.NewSectionReader(f, 0, f.Size()), b)
	return b, err
}
