package normalize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// A pump reads the content of a layer ahead of its consumer: decompression and
// both hashes run in goroutines of their own.
type pump struct {
	t     *layerTask
	plain bool // not compressed: one hash is both
	blob  hash.Hash
	diff  hash.Hash

	free    chan *chunk
	filled  chan *chunk
	cur     *chunk
	at      int
	stop    func() // closes stopped, once
	stopped chan struct{}
	done    sync.WaitGroup
	err     error // of the content, io.EOF at its end; set before filled is closed
}

type chunk struct {
	buf  []byte
	used sync.WaitGroup // hash
}

const (
	chunkSize = 512 << 10
	chunks    = 4
)

// newPump starts to read b. close must be called.
func newPump(ctx context.Context, t *layerTask, b *io.SectionReader) (*pump, error) {
	p := &pump{
		t: t, diff: sha256.New(),
		free: make(chan *chunk, chunks), filled: make(chan *chunk, chunks), stopped: make(chan struct{}),
	}
	p.stop = sync.OnceFunc(func() { close(p.stopped) })
	var raw io.Reader = contextReader{ctx, io.NewSectionReader(b, 0, b.Size())}
	c, err := sniff(b)
	if err != nil {
		return nil, err
	}
	if p.plain = c == layer.None; !p.plain {
		p.blob = sha256.New()
		raw = io.TeeReader(raw, p.blob)
	}
	content, _, err := layer.NewDecompressor(raw)
	if err != nil {
		return nil, err
	}
	for range chunks {
		p.free <- &chunk{buf: make([]byte, 0, chunkSize)}
	}
	toHash := make(chan *chunk, chunks)
	p.done.Go(func() {
		for c := range toHash {
			p.diff.Write(c.buf)
			c.used.Done()
		}
	})
	p.done.Go(func() {
		defer close(p.filled)
		defer close(toHash)
		defer content.Close()
		if p.err = p.fill(content, toHash); p.err == io.EOF {
			// What follows the compressed data belongs to the blob.
			if _, err := io.Copy(io.Discard, raw); err != nil {
				p.err = err
			}
		}
	})
	return p, nil
}

// fill passes on content until its end, an error, or stop.
func (p *pump) fill(content io.Reader, toHash chan<- *chunk) error {
	for {
		var c *chunk
		select {
		case c = <-p.free:
		case <-p.stopped:
			return errStopped
		}
		n, err := io.ReadFull(content, c.buf[:chunkSize])
		if err == io.ErrUnexpectedEOF && n > 0 {
			err = p.end(content)
		}
		c.buf = c.buf[:n]
		if n > 0 {
			c.used.Add(1)
			toHash <- c
			p.filled <- c
		}
		if err != nil {
			return err
		}
	}
}

// end tells a short last read from content that is cut off: io.ReadFull gives
// both the same error.
func (p *pump) end(content io.Reader) error {
	var one [1]byte
	if _, err := content.Read(one[:]); err != nil {
		return err
	}
	return errors.New("content after its end")
}

var errStopped = errors.New("stopped")

func (p *pump) Read(to []byte) (int, error) {
	if p.cur == nil {
		c, ok := <-p.filled
		if !ok {
			return 0, p.err
		}
		p.cur, p.at = c, 0
	}
	n := copy(to, p.cur.buf[p.at:])
	if p.at += n; p.at == len(p.cur.buf) {
		p.cur.used.Wait()
		p.free <- p.cur
		p.cur = nil
	}
	return n, nil
}

// finish reads what is left and verifies digest and diff ID.
func (p *pump) finish() error {
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{p}); err != nil {
		return err
	}
	p.done.Wait()
	diff := digest.NewDigest(digest.SHA256, p.diff)
	blob := diff
	if !p.plain {
		blob = digest.NewDigest(digest.SHA256, p.blob)
	}
	if blob != p.t.desc.Digest {
		return digestError(p.t.desc.Digest, blob)
	}
	if diff != p.t.diffID {
		return fault.Hint(fmt.Errorf("its content has the digest %s, the config says %s", diff, p.t.diffID),
			"the image was damaged or put together wrongly; get it again")
	}
	return nil
}

// close ends all goroutines, wherever they are.
func (p *pump) close() {
	p.stop()
	p.done.Wait()
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
