package debian

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// maxWindow bounds what a decompressor may allocate for its window; xz -9 and
// zstd --ultra -22 stay below it.
const maxWindow = 128 << 20

// Decompress returns what a file of that name holds: by its suffix xz, gzip or
// zstd, or the bytes as they are.
//
// For xz this is github.com/therootcompany/xz, a port of xz-embedded: it takes
// 1.5 s for gcc-12's 67 MB, github.com/ulikunitz/xz 2.3 s, xz(1) 1.1 s.
func Decompress(ctx context.Context, name string, r io.Reader) (io.ReadCloser, error) {
	r = contextReader{ctx, r}
	switch ext := path.Ext(name); ext {
	case ".xz":
		x, err := xz.NewReader(r, maxWindow)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	case ".gz":
		return gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case ".tar", "":
		return io.NopCloser(r), nil
	default:
		return nil, fmt.Errorf("unknown compression %s", ext)
	}
}

func decompress(ctx context.Context, m member, r io.ReaderAt) (io.ReadCloser, error) {
	return Decompress(ctx, m.name, bufio.NewReaderSize(io.NewSectionReader(r, m.offset, m.size), 64<<10))
}

// contextReader ends reading when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
