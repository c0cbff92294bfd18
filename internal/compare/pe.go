package compare

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// isPE looks for the signature where the DOS header points.
func isPE(h []byte) bool {
	if len(h) < 64 || h[0] != 'M' || h[1] != 'Z' {
		return false
	}
	at := binary.LittleEndian.Uint32(h[60:])
	return uint64(at)+4 <= uint64(len(h)) && string(h[at:at+4]) == "PE\x00\x00"
}

// portable is a PE file as far as it is needed: Microsoft's PE format, the
// sections "COFF File Header", "Optional Header", "Section Table", "Debug Directory".
type portable struct {
	blob
	head     []byte // up to the end of the section table
	coff     int    // offset of the COFF header
	opt      int    // offset of the optional header
	dirs     int    // offset of the data directories; 0: none
	ndirs    int
	sections []region
	rva      []uint32 // of the sections
}

func openPE(b blob) (*portable, error) {
	le := binary.LittleEndian
	h, err := b.head(64 << 10)
	if err != nil {
		return nil, err
	}
	p := &portable{blob: b, head: h, coff: int(le.Uint32(h[60:])) + 4}
	if p.coff < 0 || p.coff+24 > len(h) {
		return nil, errors.New("the COFF header is cut off")
	}
	p.opt = p.coff + 20
	table := p.opt + int(le.Uint16(h[p.coff+16:]))
	if table > len(h) {
		return nil, errors.New("the optional header is cut off")
	}
	if opt := h[p.opt:table]; len(opt) >= 96 {
		at := 92 // of the number of data directories
		if le.Uint16(opt) == 0x20b {
			at = 108
		}
		if len(opt) >= at+4 {
			p.dirs = p.opt + at + 4
			p.ndirs = int(min(le.Uint32(opt[at:]), uint32(len(opt)-at-4)/8))
		}
	}
	seen := map[string]int{}
	for i := range int(le.Uint16(h[p.coff+2:])) {
		s := table + 40*i
		if s+40 > len(h) {
			return nil, errors.New("the section table is cut off")
		}
		size, off := int64(le.Uint32(h[s+16:])), int64(le.Uint32(h[s+20:]))
		if size > 0 && (off > b.size || size > b.size-off) {
			return nil, fmt.Errorf("section %d reaches past the end of the file", i+1)
		}
		name := string(bytes.TrimRight(h[s:s+8], "\x00"))
		p.sections = append(p.sections, region{name: name, nth: seen[name], code: le.Uint32(h[s+36:])&0x20 != 0, blob: b.part(off, size)})
		p.rva = append(p.rva, le.Uint32(h[s+12:]))
		seen[name]++
		table := int64(s + 40)
		p.head = h[:max(p.opt, int(table))]
	}
	p.sections = append(p.sections, region{name: "[headers]", blob: b.part(0, int64(len(p.head)))})
	return p, nil
}

// at reads n bytes at a relative virtual address; nil if there are none.
func (p *portable) at(rva uint32, n int) []byte {
	for i, r := range p.rva {
		if off := int64(rva) - int64(r); off >= 0 && off+int64(n) <= p.sections[i].size {
			if h, err := p.sections[i].part(off, int64(n)).head(n); err == nil && len(h) == n {
				return h
			}
		}
	}
	return nil
}

// values are what a linker writes without being asked.
func (p *portable) values() [][2]string {
	le := binary.LittleEndian
	when := func(v uint32) string {
		return fmt.Sprintf("%#08x (%s)", v, time.Unix(int64(v), 0).UTC().Format(time.RFC3339))
	}
	out := [][2]string{{"TimeDateStamp", when(le.Uint32(p.head[p.coff+4:]))}, {"CheckSum", ""}, {"export TimeDateStamp", ""},
		{"debug TimeDateStamp", ""}, {"CodeView GUID", ""}, {"PDB path", ""}}
	if p.opt+68 <= len(p.head) && p.dirs > 0 {
		out[1][1] = fmt.Sprintf("%#08x", le.Uint32(p.head[p.opt+64:]))
	}
	dir := func(i int) (uint32, uint32) {
		if i >= p.ndirs || p.dirs+8*i+8 > len(p.head) {
			return 0, 0
		}
		return le.Uint32(p.head[p.dirs+8*i:]), le.Uint32(p.head[p.dirs+8*i+4:])
	}
	if rva, size := dir(0); size >= 40 {
		if e := p.at(rva, 40); e != nil {
			out[2][1] = when(le.Uint32(e[4:]))
		}
	}
	rva, size := dir(6)
	for i := uint32(0); i < min(size/28, 16); i++ {
		e := p.at(rva+28*i, 28)
		if e == nil {
			break
		}
		out[3][1] += when(le.Uint32(e[4:])) + " "
		n := int64(le.Uint32(e[16:]))
		if le.Uint32(e[12:]) != 2 || n < 24 || n > 1024 {
			continue
		}
		if cv, err := p.part(int64(le.Uint32(e[24:])), n).head(int(n)); err == nil && len(cv) >= 24 && string(cv[:4]) == "RSDS" {
			out[4][1] = fmt.Sprintf("%x age %d", cv[4:20], le.Uint32(cv[20:]))
			out[5][1] = fmt.Sprintf("%q", bytes.TrimRight(cv[24:], "\x00"))
		}
	}
	return out
}

func (c *run) pe(f *Finding, path string, a, b blob, depth int) error {
	pa, err := openPE(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	pb, err := openPE(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	va, vb := pa.values(), pb.values()
	for i := range va {
		f.Fields = differ(f.Fields, va[i][0], va[i][1], vb[i][1])
	}
	f.Note = text(f.Fields)
	f.Parts, f.More, err = c.regions(path, pa.sections, pb.sections, func(region, uint64) string { return "" }, depth)
	if err == nil && len(f.Parts) == 0 && f.Note == "" {
		f.Note = "every section is the same; the difference is after them"
	}
	return err
}
