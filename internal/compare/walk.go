package compare

import (
	"archive/tar"
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// errNotInStep says that two tars can't be compared entry by entry as they come.
var errNotInStep = errors.New("the archives don't go in step")

const (
	tarBlock = 512
	maxExtra = 1 << 20 // bytes that come before a header and belong to it, as archive/tar has it
)

// walker takes a tar in pieces, in any cut. What it knows is small and can be copied, which
// a tar.Reader's state can't.
type walker struct {
	raw   []byte // blocks of the header that comes, with those that belong to it
	need  int    // how many bytes raw must have before it is looked at
	data  bool   // what comes into raw is the content of such a block
	skip  int64  // padding that comes before
	zeros int    // blocks of zeros before
	ended bool

	open   *item // whose content comes; nil: a header comes
	left   int64 // bytes of its content that are to come
	opened int   // entries so far
	names  int   // bytes of their names
	keep   func(size int64) (*kept, error)
}

// item is an entry as it comes.
type item struct {
	name    string
	meta    meta
	size    int64
	content *kept // nil: it isn't kept
}

func newWalker(keep func(size int64) (*kept, error)) *walker {
	return &walker{need: tarBlock, keep: keep}
}

// close gives up what an entry keeps, if there is one.
func (m *item) close() {
	if m != nil {
		m.content.close()
	}
}

// feed takes bytes until an entry is complete, which it returns, or there are no more. n is
// how many it took.
func (w *walker) feed(p []byte) (n int, done *item, err error) {
	for n < len(p) && !w.ended {
		switch rest := p[n:]; {
		case w.skip > 0:
			m := min(w.skip, int64(len(rest)))
			w.skip -= m
			n += int(m)
		case w.open == nil:
			m := min(w.need-len(w.raw), len(rest))
			w.raw = append(w.raw, rest[:m]...)
			n += m
			if len(w.raw) < w.need {
				continue
			}
			if err := w.header(); err != nil {
				return n, nil, err
			}
			if w.open != nil && w.left == 0 {
				return n, w.close(), nil
			}
		default:
			m := min(w.left, int64(len(rest)))
			if w.open.content != nil {
				if _, err := w.open.content.Write(rest[:m]); err != nil {
					return n, nil, err
				}
			}
			n += int(m)
			if w.left -= m; w.left == 0 {
				return n, w.close(), nil
			}
		}
	}
	if w.ended {
		n = len(p) // what follows the end is no entry
	}
	return n, nil, nil
}

func (w *walker) close() *item {
	m := w.open
	w.skip = -m.size & (tarBlock - 1)
	w.open = nil
	return m
}

// header looks at raw, whose last block is new. A header may have others before it
// that say more of the entry: those of pax, and GNU's long names. archive/tar reads all of them.
func (w *walker) header() error {
	if w.data {
		w.data = false
		w.need += tarBlock
		return nil
	}
	last := w.raw[len(w.raw)-tarBlock:]
	if len(w.raw) == tarBlock && len(bytes.Trim(last, "\x00")) == 0 {
		w.raw, w.need = w.raw[:0], tarBlock
		w.zeros++
		w.ended = w.zeros == 2
		return nil
	}
	switch typ := last[156]; {
	case w.zeros > 0 || typ == tar.TypeXGlobalHeader:
		return errNotInStep
	case typ == tar.TypeXHeader || typ == tar.TypeGNULongName || typ == tar.TypeGNULongLink:
		size, err := strconv.ParseInt(strings.Trim(string(last[124:136]), " \x00"), 8, 64)
		if err != nil || size <= 0 || int64(len(w.raw))+size > maxExtra {
			return errNotInStep
		}
		w.need += int(size+tarBlock-1) / tarBlock * tarBlock
		w.data = true
		return nil
	}
	h, err := tar.NewReader(bytes.NewReader(w.raw)).Next()
	if err != nil || sparse(h) {
		return errNotInStep
	}
	w.raw, w.need = w.raw[:0], tarBlock
	w.opened++
	w.names += len(h.Name) + len(h.Linkname)
	w.open = &item{name: h.Name, meta: metaOf(h), size: contentSize(h)}
	w.left = w.open.size
	w.open.content, err = w.keep(w.open.size)
	return err
}

// contentSize is how much content follows a header.
func contentSize(h *tar.Header) int64 {
	switch h.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return 0
	}
	return h.Size
}

// inState says whether both have taken the same, as far as it matters for what comes.
// The contents of open entries, so far, are the caller's to compare.
func (w *walker) inState(o *walker) bool {
	if w.open != nil && o.open != nil && (w.open.name != o.open.name || w.open.meta != o.open.meta || w.open.size != o.open.size) {
		return false
	}
	return (w.open == nil) == (o.open == nil) && w.left == o.left && w.opened == o.opened && w.skip == o.skip && w.zeros == o.zeros && w.ended == o.ended &&
		w.need == o.need && w.data == o.data && bytes.Equal(w.raw, o.raw)
}

// complete says whether a tar may end here.
func (w *walker) complete() bool { return w.ended || w.open == nil && len(w.raw) == 0 }
