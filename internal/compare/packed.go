package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// gzipFields are the differences of two gzip headers (RFC 1952) and of the way in
// which the first block is packed.
func gzipFields(a, b blob) (out []Field) {
	ha, errA := a.head(1 << 10)
	hb, errB := b.head(1 << 10)
	if errA != nil || errB != nil || len(ha) < 18 || len(hb) < 18 {
		return nil
	}
	va, vb := gzipValues(ha), gzipValues(hb)
	for i := range va {
		out = differ(out, va[i][0], va[i][1], vb[i][1])
	}
	return differ(out, "compressed size", a.size, b.size)
}

func gzipValues(h []byte) [][2]string {
	mtime := "none"
	if t := binary.LittleEndian.Uint32(h[4:]); t != 0 {
		mtime = time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
	}
	level := map[byte]string{0: "not told", 2: "best", 4: "fastest"}[h[8]]
	system := map[byte]string{0: "FAT", 3: "Unix, as gzip and zlib write", 10: "NTFS", 255: "unknown, as Go writes"}[h[9]]
	if level == "" {
		level = fmt.Sprint(h[8])
	}
	if system == "" {
		system = fmt.Sprint(h[9])
	}
	rest, flags := h[10:], h[3]
	if flags&4 != 0 && len(rest) > 2 { // extra field
		n := 2 + int(binary.LittleEndian.Uint16(rest))
		rest = rest[min(n, len(rest)):]
	}
	name := "none"
	if flags&8 != 0 {
		s, after, _ := bytes.Cut(rest, []byte{0})
		name, rest = fmt.Sprintf("%.100q", s), after
	}
	block := "none"
	if flags&(2|16) == 0 && len(rest) > 0 {
		block = []string{"stored", "fixed codes", "its own codes", "broken"}[rest[0]>>1&3]
	}
	return [][2]string{{"gzip mtime", mtime}, {"gzip name", name}, {"gzip level", level}, {"gzip system", system}, {"first block", block}}
}

// zstdFields are the differences of two Zstandard frame headers (RFC 8878,
// 3.1.1.1).
func zstdFields(a, b blob) (out []Field) {
	ha, errA := a.head(18)
	hb, errB := b.head(18)
	if errA != nil || errB != nil || len(ha) < 18 || len(hb) < 18 || ha[0] != 0x28 || hb[0] != 0x28 {
		return nil
	}
	window := func(h []byte) string {
		if h[4]&0x20 != 0 {
			return "as large as the content"
		}
		base := uint64(1) << (10 + h[5]>>3)
		return fmt.Sprintf("%d bytes", base+base/8*uint64(h[5]&7))
	}
	has := func(h []byte, bit byte) string {
		if h[4]&bit != 0 {
			return "yes"
		}
		return "no"
	}
	out = differ(out, "zstd window", window(ha), window(hb))
	out = differ(out, "zstd checksum", has(ha, 4), has(hb, 4))
	out = differ(out, "zstd content size", ha[4]>>6, hb[4]>>6)
	return differ(out, "compressed size", a.size, b.size)
}
