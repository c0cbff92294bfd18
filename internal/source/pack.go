package source

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
	"strings"

	"github.com/craton-co/twice/internal/spool"
)

var packKinds = map[string]byte{"commit": 1, "tree": 2, "blob": 3, "tag": 4}

type pack struct {
	name  string // hex of the pack's checksum
	size  int64
	open  func() (io.ReadCloser, error)
	index []byte
}

type packed struct {
	id     [sha1.Size]byte
	offset int64
	crc    uint32
}

// writePack writes the objects, which are sorted, into a pack and makes its index.
func writePack(ctx context.Context, sp *spool.Spool, r repo, ids []string) (pack, error) {
	sizes, err := r.sizes(ctx, ids)
	if err != nil {
		return pack{}, err
	}
	total := int64(12 + sha1.Size)
	for _, n := range sizes {
		total += packedSize(n)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cat, err := r.catFile(ctx)
	if err != nil {
		return pack{}, err
	}
	defer cat.Close()
	pr, pw := io.Pipe()
	w := &packWriter{w: pw, sum: sha1.New()}
	done := make(chan error, 1)
	go func() {
		err := w.write(cat, ids, sizes)
		pw.CloseWithError(err)
		done <- err
	}()
	open, err := sp.Put(ctx, pr, total)
	pr.CloseWithError(errors.New("nobody reads"))
	if err := errors.Join(<-done, err); err != nil {
		return pack{}, err
	}
	name := w.sum.Sum(nil)
	return pack{name: hex.EncodeToString(name), size: total, open: open, index: packIndex(w.objects, name)}, nil
}

// sizes asks for the size of each object.
func (r repo) sizes(ctx context.Context, ids []string) ([]int64, error) {
	c := r.command(ctx, "cat-file", "--batch-check=%(objectname) %(objectsize)")
	c.Stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
	out, stderr := &limited{max: maxOutput}, &limited{max: 64 << 10, drop: true}
	c.Stdout, c.Stderr = out, stderr
	if err := c.Run(); err != nil {
		return nil, gitError(ctx, err, []string{"cat-file"}, stderr.Bytes())
	}
	sizes := make([]int64, 0, len(ids))
	for line := range strings.Lines(out.String()) {
		var id string
		var n int64
		if _, err := fmt.Sscanf(line, "%s %d", &id, &n); err != nil || len(sizes) == len(ids) || id != ids[len(sizes)] {
			return nil, fmt.Errorf("object missing: %.100q", line)
		}
		sizes = append(sizes, n)
	}
	if len(sizes) != len(ids) {
		return nil, errors.New("git cat-file: answers missing")
	}
	return sizes, nil
}

const storedBlock = 1<<16 - 1

// packedSize is what an object of n bytes takes in the pack.
func packedSize(n int64) int64 {
	head := int64(1)
	for rest := n >> 4; rest > 0; rest >>= 7 {
		head++
	}
	blocks := max(1, (n+storedBlock-1)/storedBlock)
	return head + 2 + 5*blocks + n + 4
}

type packWriter struct {
	w       io.Writer
	sum     hash.Hash
	crc     hash.Hash32
	at      int64
	objects []packed
}

func (p *packWriter) Write(b []byte) (int, error) {
	p.sum.Write(b)
	if p.crc != nil {
		p.crc.Write(b)
	}
	p.at += int64(len(b))
	return p.w.Write(b)
}

func (p *packWriter) write(cat *catFile, ids []string, sizes []int64) error {
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(ids)))
	if _, err := p.Write(head); err != nil {
		return err
	}
	for i, id := range ids {
		p.crc = crc32.NewIEEE()
		o := packed{offset: p.at}
		if _, err := hex.Decode(o.id[:], []byte(id)); err != nil {
			return err
		}
		err := cat.object(id, func(kind string, size int64, r io.Reader) error {
			code, ok := packKinds[kind]
			if !ok || size != sizes[i] {
				return fmt.Errorf("object %s: a %s of %d bytes", id, kind, size)
			}
			return p.object(code, size, r)
		})
		if err != nil {
			return err
		}
		o.crc = p.crc.Sum32()
		p.objects = append(p.objects, o)
	}
	p.crc = nil
	_, err := p.w.Write(p.sum.Sum(nil))
	return err
}

// object writes an object's header and its content as stored blocks.
func (p *packWriter) object(code byte, size int64, r io.Reader) error {
	b := code<<4 | byte(size&15)
	var head []byte
	for rest := size >> 4; rest > 0; rest >>= 7 {
		head = append(head, b|0x80)
		b = byte(rest & 0x7f)
	}
	head = append(head, b, 0x78, 0x01)
	if _, err := p.Write(head); err != nil {
		return err
	}
	sum := adler32.New()
	buf := make([]byte, 5+min(size, storedBlock))
	for left := size; ; {
		n := min(left, storedBlock)
		left -= n
		buf[0] = 0
		if left == 0 {
			buf[0] = 1
		}
		binary.LittleEndian.PutUint16(buf[1:], uint16(n))
		binary.LittleEndian.PutUint16(buf[3:], ^uint16(n))
		if _, err := io.ReadFull(r, buf[5:5+n]); err != nil {
			return err
		}
		sum.Write(buf[5 : 5+n])
		if _, err := p.Write(buf[:5+n]); err != nil {
			return err
		}
		if left == 0 {
			break
		}
	}
	_, err := p.Write(sum.Sum(nil))
	return err
}

// packIndex is the index, version 2, of objects that are sorted by id.
func packIndex(objects []packed, checksum []byte) []byte {
	var b bytes.Buffer
	b.WriteString("\xfftOc\x00\x00\x00\x02")
	word := func(n uint32) { b.Write(binary.BigEndian.AppendUint32(nil, n)) }
	i := 0
	for first := range 256 {
		for i < len(objects) && int(objects[i].id[0]) == first {
			i++
		}
		word(uint32(i))
	}
	for _, o := range objects {
		b.Write(o.id[:])
	}
	for _, o := range objects {
		word(o.crc)
	}
	var large []byte
	for _, o := range objects {
		if o.offset < 1<<31 {
			word(uint32(o.offset))
			continue
		}
		word(1<<31 | uint32(len(large)/8))
		large = binary.BigEndian.AppendUint64(large, uint64(o.offset))
	}
	b.Write(large)
	b.Write(checksum)
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return b.Bytes()
}
