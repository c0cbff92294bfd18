package main

import (
	"archive/tar"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

func memory(b *bench) (lines []line) {
	size := int64(2e9)
	switch {
	case b.small:
		size = 1e8
	case b.full:
		size = 10e9
	}
	dir := b.path("large")
	for _, c := range []layer.Compression{layer.None, layer.Gzip} {
		st := must(store.Open(dir))
		b.putImage(st, []layer.Layer{b.putLayer(st, c, func(w io.Writer) { writeLarge(w, size) })})
		var peaks []float64
		for range b.n {
			peaks = append(peaks, b.peak("normalize", dir, "-o", b.path("normalized.tar"), "--compression", "gzip"))
		}
		lines = append(lines, line{What: fmt.Sprintf("peak memory, layer of %.1f GB in %q", float64(size)/1e9, c), Twice: peaks, Unit: "MB", Goal: 100})
		check(os.RemoveAll(dir))
	}
	return lines
}

// peak returns the most resident memory that a command had, in megabytes. The
// kernel's counter only grows, so what is missed is growth in its last 5 ms.
// (ru_maxrss would miss nothing, but it begins with the parent's peak.)
func (b *bench) peak(args ...string) (peak float64) {
	c := b.twice(args...)
	check(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for tick := time.Tick(5 * time.Millisecond); ; {
		select {
		case err := <-ended:
			check(err)
			return peak
		case <-tick:
			peak = max(peak, number(field(fmt.Sprintf("/proc/%d/status", c.Process.Pid), "VmHWM"), 0)*1024/1e6)
		}
	}
}

// writeLarge writes a tar of size bytes of zeros and 50,000 small files.
func writeLarge(w io.Writer, size int64) {
	tw := tar.NewWriter(w)
	file := func(name string, content io.Reader, size int64) {
		check(tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(1793500000, 0)}))
		must(io.CopyN(tw, content, size))
	}
	zero := must(os.Open("/dev/zero"))
	defer zero.Close()
	for i := range int64(4) {
		file(fmt.Sprintf("zeros/%d", i), zero, size/4)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 50000 {
		file(fmt.Sprintf("files/%d/%d", i/1000, i), strings.NewReader(strconv.FormatUint(1<<63|r.Uint64(), 36)), 12)
	}
	check(tw.Close())
}
