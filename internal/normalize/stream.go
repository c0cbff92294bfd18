package normalize

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// A stream rewrites a layer whose entries are in canonical order already, as
// most are, without looking ahead. errUnordered tells of one that has to be
// indexed: entries out of order or twice, a hard link before its
// file or to none, a path through a link, a whiteout of what the layer has.
type stream struct {
	ctx     context.Context
	tw      *tar.Writer
	epoch   int64
	buf     []byte
	dropped map[string]int

	last      string
	above     []step           // last and the directories it is in
	files     map[string]entry // regular files, which hard links may name
	whiteouts map[string]bool  // what they hide
}

type step struct {
	path string
	dir  bool
}

var errUnordered = errors.New("not in canonical order")

// rewriteStream writes the canonical form of the layer that r reads.
func rewriteStream(ctx context.Context, w io.Writer, r io.Reader, epoch int64) (dropped map[string]int, err error) {
	s := &stream{
		ctx: ctx, tw: tar.NewWriter(w), epoch: epoch, buf: make([]byte, 256<<10), dropped: map[string]int{},
		files: map[string]entry{}, whiteouts: map[string]bool{},
	}
	if err := layer.ReadTar(ctx, r, layerLimits, s.entry); err != nil {
		return nil, err
	}
	return s.dropped, s.tw.Close()
}

func (s *stream) entry(h *tar.Header, r io.Reader) error {
	if isAux(h.Name) {
		return nil
	}
	if err := s.follow(h); err != nil {
		return err
	}
	if isWhiteout(h.Name) {
		return writeEntry(s.ctx, s.tw, h.Name, "", whiteout, nil, nil)
	}
	if h.Typeflag == tar.TypeLink {
		file, ok := s.files[h.Linkname]
		if !ok {
			return errUnordered
		}
		return writeEntry(s.ctx, s.tw, h.Name, h.Linkname, file, nil, nil)
	}
	e := newEntry(h, s.epoch, s.dropped)
	if h.Typeflag == tar.TypeReg {
		s.files[h.Name] = entry{kind: e.kind, mode: e.mode, uid: e.uid, gid: e.gid, mtime: e.mtime}
	}
	return writeEntry(s.ctx, s.tw, h.Name, "", e, r, s.buf)
}

// follow checks that h may come after what came.
func (s *stream) follow(h *tar.Header) error {
	before := s.last
	s.last = h.Name
	switch {
	case h.Name == ".":
		if before != "" {
			return errUnordered
		}
		return nil
	case before != "" && before != "." && layer.ComparePaths(before, h.Name) >= 0:
		return errUnordered
	}
	for len(s.above) > 0 && !below(h.Name, s.above[len(s.above)-1].path) {
		s.above = s.above[:len(s.above)-1]
	}
	if n := len(s.above); n > 0 && !s.above[n-1].dir {
		return errUnordered
	}
	s.above = append(s.above, step{h.Name, h.Typeflag == tar.TypeDir && !isWhiteout(h.Name)})

	if isWhiteout(h.Name) && path.Base(h.Name) != image.OpaqueWhiteout {
		hidden := hiddenBy(h.Name)
		if layer.ComparePaths(hidden, h.Name) < 0 {
			return errUnordered // it may have come
		}
		s.whiteouts[hidden] = true
	}
	if len(s.whiteouts) > 0 {
		for p := h.Name; p != "."; p = path.Dir(p) {
			if s.whiteouts[p] {
				return errUnordered
			}
		}
	}
	return nil
}

func below(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}
