package compare

import (
	"bytes"
	"io"
	"os"
)

// kept is content that was written piece by piece and can be read at any place: small
// ones are in memory, others in a temporary file that has no name. Nil is empty.
type kept struct {
	buf bytes.Buffer
	f   *os.File
	n   int64

	base   *kept // what the first shared bytes are read from
	shared int64
}

// Write implements io.Writer.
func (k *kept) Write(p []byte) (int, error) {
	if k.f == nil && k.n-k.shared+int64(len(p)) > maxInMemory {
		f, err := os.CreateTemp("", "twice-compare-")
		if err != nil {
			return 0, err
		}
		k.f = f
		if err := os.Remove(f.Name()); err != nil {
			return 0, err
		}
		if _, err := f.Write(k.buf.Bytes()); err != nil {
			return 0, err
		}
		k.buf = bytes.Buffer{}
	}
	k.n += int64(len(p))
	if k.f == nil {
		return k.buf.Write(p)
	}
	return k.f.Write(p)
}

func (k *kept) blob() blob {
	if k == nil {
		return blob{r: bytes.NewReader(nil)}
	}
	var own io.ReaderAt = bytes.NewReader(k.buf.Bytes())
	if k.f != nil {
		own = k.f
	}
	if k.base != nil {
		own = joined{k.base.blob().r, own, k.shared}
	}
	return blob{own, k.n}
}

// joined is the first bytes of one content and another one after them.
type joined struct {
	first, then io.ReaderAt
	at          int64
}

// ReadAt implements io.ReaderAt.
func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < j.at {
		m := min(int64(len(p)), j.at-off)
		n, err = j.first.ReadAt(p[:m], off)
		if int64(n) < m || n == len(p) {
			if n == len(p) {
				err = nil
			}
			return n, err
		}
	}
	m, err := j.then.ReadAt(p[n:], off+int64(n)-j.at)
	return n + m, err
}

// fork is the same content, that goes on by itself. It is valid as long as k, which may
// go on too.
func (k *kept) fork() *kept {
	if k == nil {
		return nil
	}
	return &kept{base: k, shared: k.n, n: k.n}
}

func (k *kept) close() {
	if k != nil && k.f != nil {
		k.f.Close()
	}
}
