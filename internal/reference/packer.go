package reference

import (
	"archive/zip"
	"bufio"
	"bytes"
	stdflate "compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/layer"
)

// packed says how both sides of a finding that differs in its compression
// alone are packed. Of an image it is the first layer that differs.
func packed(ctx context.Context, ours, theirs string, f *compare.Finding) (a, b string, err error) {
	if f.Kind == compare.Image || f.Kind == compare.Tar {
		for _, p := range f.Parts {
			if p.Kind != compare.JSON {
				_, how, _ := strings.Cut(p.Note, ": ")
				return "layers by Twice: " + layer.CompressorVersion, p.Name + " by another compressor: " + how, nil
			}
		}
	}
	if a, err = Packer(ctx, ours); err == nil {
		b, err = Packer(ctx, theirs)
	}
	return a, b, err
}

// Packer names the compressor that wrote a file, by trying: the content is
// compressed by each that is at hand, and the one that gives the same bytes has
// its name. It is "an unknown compressor", with what the header tells, if none does.
func Packer(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 18)
	if _, err := io.ReadFull(f, head); err != nil {
		return "", fmt.Errorf("reading how it is packed: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return byTrial(ctx, f, gzips(head), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }, gzipHeader(head))
	case binary.LittleEndian.Uint32(head) == 0xfd2fb528:
		return byTrial(ctx, f, zstds(), func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderMaxWindow(128<<20))
		}, "zstd by an unknown compressor")
	case bytes.HasPrefix(head, []byte("PK")):
		return zipPacker(f)
	}
	return "not compressed in a way that is known", nil
}

// candidate is a compressor with its settings.
type candidate struct {
	name string
	new  func(io.Writer) (io.WriteCloser, error)
}

func gzips(head []byte) []candidate {
	list := []candidate{{"by Twice: " + layer.CompressorVersion, func(w io.Writer) (io.WriteCloser, error) { return layer.NewCompressor(w, layer.Gzip) }}}
	for level := 1; level <= 9; level++ {
		list = append(list, candidate{fmt.Sprintf("gzip by klauspost/compress, level %d", level), func(w io.Writer) (io.WriteCloser, error) {
			return headless(w, head, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, level) })
		}}, candidate{fmt.Sprintf("gzip by Go's standard library, level %d", level), func(w io.Writer) (io.WriteCloser, error) {
			return headless(w, head, func(w io.Writer) (io.WriteCloser, error) { return stdflate.NewWriter(w, level) })
		}})
	}
	return list
}

// headless compares what follows a header of ten bytes: names, times and the
// like are no matter of the compressor's. Headers with more are not tried.
func headless(w io.Writer, head []byte, compress func(io.Writer) (io.WriteCloser, error)) (io.WriteCloser, error) {
	if head[3] != 0 {
		return nil, errOther
	}
	if _, err := w.Write(head[:10]); err != nil {
		return nil, err
	}
	return compress(w)
}

func zstds() []candidate {
	list := []candidate{{"by Twice: " + layer.CompressorVersion, func(w io.Writer) (io.WriteCloser, error) { return layer.NewCompressor(w, layer.Zstd) }}}
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		list = append(list, candidate{"zstd by klauspost/compress, " + level.String(), func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
		}})
	}
	return list
}

var errOther = errors.New("other bytes")

// byTrial finds the candidate that gives the bytes of f. Each stops at the
// first byte that is another.
func byTrial(ctx context.Context, f *os.File, list []candidate, open func(io.Reader) (io.Reader, error), unknown string) (string, error) {
	for _, c := range list {
		same, err := gives(ctx, f, c, open)
		if err != nil {
			return "", fmt.Errorf("reading how it is packed: %w", err)
		}
		if same {
			return c.name, nil
		}
	}
	return unknown, nil
}

// maxTrial bounds the content that is compressed in a trial.
const maxTrial = 4 << 30

func gives(ctx context.Context, f *os.File, c candidate, open func(io.Reader) (io.Reader, error)) (bool, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	content, err := open(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return false, err
	}
	if closer, ok := content.(interface{ Close() }); ok {
		defer closer.Close()
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	want := &matcher{want: bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size()), 1<<16)}
	w, err := c.new(want)
	if errors.Is(err, errOther) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	buf := make([]byte, 256<<10)
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			_ = w.Close()
			return false, context.Cause(ctx)
		}
		k, rerr := content.Read(buf)
		if _, err := w.Write(buf[:k]); err != nil {
			_ = w.Close()
			return false, ignore(err)
		}
		if n += int64(k); n > maxTrial {
			_ = w.Close()
			return false, nil
		}
		if rerr == io.EOF {
			break
		} else if rerr != nil {
			_ = w.Close()
			return false, rerr
		}
	}
	if err := w.Close(); err != nil {
		return false, ignore(err)
	}
	return want.done(), nil
}

// ignore makes of other bytes no error.
func ignore(err error) error {
	if errors.Is(err, errOther) {
		return nil
	}
	return err
}

// matcher is a writer that wants certain bytes.
type matcher struct {
	want *bufio.Reader
	buf  []byte
}

func (m *matcher) Write(p []byte) (int, error) {
	if cap(m.buf) < len(p) {
		m.buf = make([]byte, len(p))
	}
	b := m.buf[:len(p)]
	if _, err := io.ReadFull(m.want, b); err != nil || !bytes.Equal(b, p) {
		return 0, errOther
	}
	return len(p), nil
}

// done says whether nothing more is wanted, but for gzip's trailer, which
// raw deflate does not write.
func (m *matcher) done() bool {
	rest, _ := io.ReadAll(io.LimitReader(m.want, 9))
	return len(rest) == 0 || len(rest) == 8
}

func gzipHeader(head []byte) string {
	level := map[byte]string{2: ", at its best level", 4: ", at its fastest level"}[head[8]]
	system := map[byte]string{3: ", on Unix", 0: ", on FAT", 10: ", on NTFS"}[head[9]]
	return "gzip by an unknown compressor" + level + system
}

func zipPacker(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return "", fmt.Errorf("reading how it is packed: %w", err)
	}
	var packed, plain uint64
	for _, e := range z.File {
		packed, plain = packed+e.CompressedSize64, plain+e.UncompressedSize64
	}
	return fmt.Sprintf("zip, %d bytes of content in %d", plain, packed), nil
}
