package layer

import (
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
)

// An Encoder compresses what is written to it and hashes it on the way. Blocks
// are hashed, compressed and written in goroutines of their own, with a few
// blocks in flight.
type Encoder struct {
	f    format
	w    io.Writer
	size int64
	crc  uint32
	cur  *block

	free   chan *block // empty blocks
	jobs   chan *block // to the workers
	toHash chan *block // to the hash, in order
	toOut  chan *block // to the output, in order
	wg     sync.WaitGroup
	out    chan struct{} // closed when the output is done

	hash   hash.Hash // nil: not wanted
	mu     sync.Mutex
	err    error // the first
	closed bool
}

type block struct {
	buf  []byte // dictionary, then content
	dict int    // bytes of dictionary
	comp []byte
	err  error
	done chan struct{}  // compressed
	used sync.WaitGroup // hash and output
}

// NewEncoder returns an Encoder that writes to w. Close must be called.
func NewEncoder(w io.Writer, c Compression) (*Encoder, error) {
	return newEncoder(w, c, true)
}

func newEncoder(w io.Writer, c Compression, hashed bool) (*Encoder, error) {
	f, err := formatOf(c)
	if err != nil {
		return nil, err
	}
	depth := f.workers + 2
	e := &Encoder{
		f: f, w: w,
		free:  make(chan *block, depth+1),
		jobs:  make(chan *block, depth),
		toOut: make(chan *block, depth),
		out:   make(chan struct{}),
	}
	for range depth + 1 {
		e.free <- &block{}
	}
	if hashed {
		e.hash = sha256.New()
		e.toHash = make(chan *block, depth)
		e.wg.Go(e.hashBlocks)
	}
	for range f.workers {
		e.wg.Go(e.compressBlocks)
	}
	go e.writeBlocks()
	return e, nil
}

// Write implements io.Writer. It reports errors of the underlying writer,
// though maybe not at once; Close reports them all the same.
func (e *Encoder) Write(p []byte) (int, error) {
	if e.closed {
		return 0, io.ErrClosedPipe
	}
	n := 0
	for len(p) > 0 {
		if e.cur == nil {
			if err := e.failure(); err != nil {
				return n, err
			}
			e.cur = e.next(nil)
		}
		b := e.cur
		k := min(len(p), b.dict+e.f.block-len(b.buf))
		b.buf = append(b.buf, p[:k]...)
		n, p = n+k, p[k:]
		if len(b.buf) == b.dict+e.f.block {
			e.cur = e.next(b)
			e.submit(b)
		}
	}
	return n, nil
}

// next returns an empty block that follows prev.
func (e *Encoder) next(prev *block) *block {
	b := <-e.free
	if b.buf == nil {
		b.buf = make([]byte, 0, e.f.dict+e.f.block)
	}
	b.buf, b.comp, b.err, b.done = b.buf[:0], b.comp[:0], nil, make(chan struct{})
	if prev != nil {
		b.buf = append(b.buf, prev.buf[max(0, len(prev.buf)-e.f.dict):]...)
	}
	b.dict = len(b.buf)
	return b
}

func (e *Encoder) submit(b *block) {
	content := b.buf[b.dict:]
	e.size += int64(len(content))
	if e.f.crc {
		e.crc = crc32.Update(e.crc, crc32.IEEETable, content)
	}
	b.used.Add(1)
	if e.hash != nil {
		b.used.Add(1)
		e.toHash <- b
	}
	if e.f.newWorker == nil {
		close(b.done)
	} else {
		e.jobs <- b
	}
	e.toOut <- b
}

// Close writes what is left and waits for all goroutines.
func (e *Encoder) Close() error {
	if e.closed {
		return e.failure()
	}
	e.closed = true
	if e.cur != nil && len(e.cur.buf) > e.cur.dict {
		e.submit(e.cur)
	}
	e.cur = nil
	close(e.jobs)
	close(e.toOut)
	if e.toHash != nil {
		close(e.toHash)
	}
	e.wg.Wait()
	<-e.out
	return e.failure()
}

// DiffID returns the digest of what was written, after Close.
func (e *Encoder) DiffID() digest.Digest { return digest.NewDigest(digest.SHA256, e.hash) }

// Size returns how many bytes were written, after Close.
func (e *Encoder) Size() int64 { return e.size }

func (e *Encoder) hashBlocks() {
	for b := range e.toHash {
		e.hash.Write(b.buf[b.dict:])
		b.used.Done()
	}
}

func (e *Encoder) compressBlocks() {
	compress := e.f.newWorker()
	for b := range e.jobs {
		b.comp, b.err = compress(b.comp, b.buf[:b.dict], b.buf[b.dict:])
		close(b.done)
	}
}

func (e *Encoder) writeBlocks() {
	defer close(e.out)
	e.write(e.f.header)
	for b := range e.toOut {
		<-b.done
		data := b.comp
		if e.f.newWorker == nil {
			data = b.buf[b.dict:]
		}
		e.fail(b.err)
		e.write(data)
		b.used.Done()
		b.used.Wait()
		e.free <- b
	}
	if e.f.trailer != nil {
		e.write(e.f.trailer(e.crc, e.size))
	}
}

func (e *Encoder) write(p []byte) {
	if len(p) == 0 || e.failure() != nil {
		return
	}
	_, err := e.w.Write(p)
	e.fail(err)
}

func (e *Encoder) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

func (e *Encoder) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}
