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
}

func (k *kept) write(p []byte) error {
	if k.f == nil && k.n+int64(len(p)) > maxInMemory {
		f, err := os.CreateTemp("", "twice-compare-")
		if err != nil {
			return err
		}
		k.f = f
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		if _, err := f.Write(k.buf.Bytes()); err != nil {
			return err
		}
		k.buf = bytes.Buffer{}
	}
	k.n += int64(len(p))
	if k.f == nil {
		k.buf.Write(p)
		return nil
	}
	_, err := k.f.Write(p)
	return err
}

// Write implements io.Writer.
func (k *kept) Write(p []byte) (int, error) { return len(p), k.write(p) }

func (k *kept) blob() blob {
	if k == nil {
		return blob{r: bytes.NewReader(nil)}
	}
	if k.f != nil {
		return blob{k.f, k.n}
	}
	return blob{bytes.NewReader(k.buf.Bytes()), k.n}
}

// copy is the same content, that goes on by itself.
func (k *kept) copy() (*kept, error) {
	if k == nil {
		return nil, nil
	}
	c := &kept{}
	_, err := io.Copy(c, k.blob().reader())
	return c, err
}

func (k *kept) close() {
	if k != nil && k.f != nil {
		k.f.Close()
	}
}
