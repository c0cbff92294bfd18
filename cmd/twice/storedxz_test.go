package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os/exec"
	"testing"

	"github.com/therootcompany/xz"
)

// storedXZ writes an xz file of one block whose LZMA2 chunks are not compressed.
type storedXZ struct {
	w       io.Writer
	buf     []byte
	size    uint64 // of the content
	written uint64 // of the block, with its header
	sum     uint32
	err     error
}

const chunk = 1 << 16 // the most that a stored chunk can hold

func newStoredXZ(w io.Writer) *storedXZ {
	s := &storedXZ{w: w}
	flags := []byte{0, 1} // CRC-32
	s.put([]byte("\xfd7zXZ\x00"), flags, checksum(flags))
	s.written = 0
	header := []byte{2, 0, 0x21, 1, 0, 0, 0, 0} // 12 bytes, one filter: LZMA2 with a dictionary of 4 KiB
	s.put(header, checksum(header))
	return s
}

func checksum(p []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(p))
}

func (s *storedXZ) put(parts ...[]byte) {
	for _, p := range parts {
		if s.err == nil {
			_, s.err = s.w.Write(p)
			s.written += uint64(len(p))
		}
	}
}

func (s *storedXZ) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), chunk-len(s.buf))
		s.buf, p = append(s.buf, p[:k]...), p[k:]
		if len(s.buf) == chunk {
			s.flush()
		}
	}
	return n, s.err
}

func (s *storedXZ) flush() {
	control := byte(2)
	if s.size == 0 {
		control = 1 // with a new dictionary
	}
	s.put(binary.BigEndian.AppendUint16([]byte{control}, uint16(len(s.buf)-1)), s.buf)
	s.sum = crc32.Update(s.sum, crc32.IEEETable, s.buf)
	s.size += uint64(len(s.buf))
	s.buf = s.buf[:0]
}

func (s *storedXZ) Close() error {
	if len(s.buf) > 0 {
		s.flush()
	}
	s.put([]byte{0})
	unpadded := s.written + 4
	for s.written%4 != 0 {
		s.put([]byte{0})
	}
	s.put(binary.LittleEndian.AppendUint32(nil, s.sum))
	index := binary.AppendUvarint(binary.AppendUvarint([]byte{0, 1}, unpadded), s.size)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	s.put(index, checksum(index))
	back := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4)), 0, 1)
	s.put(checksum(back), back, []byte("YZ"))
	return s.err
}

// What storedXZ writes is xz, by a reader of its own and by xz(1).
func TestStoredXZ(t *testing.T) {
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + 7} {
		content := bytes.Repeat([]byte("0123456"), n/7+1)[:n]
		var b bytes.Buffer
		w := newStoredXZ(&b)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := xz.NewReader(bytes.NewReader(b.Bytes()), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: %d read, %v", n, len(got), err)
		}
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = &b
		if got, err := cmd.Output(); err != nil || !bytes.Equal(got, content) {
			t.Errorf("xz, %d bytes: %d read, %v", n, len(got), err)
		}
	}
}
