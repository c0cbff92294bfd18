package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what a zstd frame may ask for. `zstd --long` without a
// number stays within it.
const maxWindow = 128 << 20

// NewDecompressor looks at how r begins and returns its content and how it was
// compressed. Anything that isn't known to be compressed is None.
func NewDecompressor(r io.Reader) (io.ReadCloser, Compression, error) {
	br := bufio.NewReaderSize(r, copyBuffer)
	magic, err := br.Peek(6)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b, 8}):
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, "", err
		}
		return zr, Gzip, nil
	case isZstd(magic):
		zr, err := zstd.NewReader(br, zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, "", err
		}
		return zr.IOReadCloser(), Zstd, nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return nil, "", fmt.Errorf("bzip2: %w", errCompression)
	case bytes.Equal(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return nil, "", fmt.Errorf("xz: %w", errCompression)
	}
	return io.NopCloser(br), None, nil
}

var errCompression = errors.New("no compression of OCI layers; gzip, zstd and none are")

// isZstd also knows the skippable frames that some writers start with.
func isZstd(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(b) >= 4 && b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18})
}
