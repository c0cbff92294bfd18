package linkage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Machine is a processor as ELF names it.
type Machine struct {
	ID     uint16 `json:"id"`   // e_machine
	Bits   int    `json:"bits"` // 32 or 64
	BigEnd bool   `json:"big,omitempty"`
}

func (m Machine) String() string {
	name, ok := map[uint16]string{3: "i386", 8: "mips", 20: "powerpc", 21: "powerpc64", 22: "s390x", 40: "arm", 62: "x86_64",
		183: "aarch64", 243: "riscv", 258: "loongarch"}[m.ID]
	if !ok {
		name = fmt.Sprintf("machine %d", m.ID)
	}
	if m.Bits == 32 && m.ID == 62 {
		name = "x86_64 (x32)"
	}
	if m.BigEnd && m.ID != 22 {
		name += " (big endian)"
	}
	return name
}

// Object is a program or library as its dynamic linker sees it.
type Object struct {
	Machine     Machine   `json:"machine"`
	Program     bool      `json:"program,omitempty"` // it has an entry point
	Interpreter string    `json:"interpreter,omitempty"`
	Soname      string    `json:"soname,omitempty"`
	Needed      []string  `json:"needed,omitempty"`
	Rpath       []string  `json:"rpath,omitempty"`
	Runpath     []string  `json:"runpath,omitempty"`
	Versions    []Version `json:"versions,omitempty"`
	Defines     []string  `json:"defines,omitempty"`
}

// Version is a symbol version that an object asks of a library.
type Version struct {
	Library string `json:"library"`
	Name    string `json:"name"`
	Weak    bool   `json:"weak,omitempty"`
	Symbol  string `json:"symbol,omitempty"` // the first that needs it
	index   uint16
}

const (
	maxSegments = 1024
	maxDynamic  = 1 << 20
	maxString   = 4096
	maxVersions = 16384
	maxNeeded   = 4096
	maxSymbols  = 1 << 20
)

var errELF = errors.New("not an ELF file")

type segment struct {
	kind                 uint32
	offset, vaddr, bytes uint64
}

// memory reads a file at the addresses that it will have in memory.
type memory struct {
	r     io.ReaderAt
	order binary.ByteOrder
	bits  int
	segs  []segment
	// The dynamic section's entries that occur once.
	dyn map[uint64]uint64
}

// parse reads the header, the program headers and the dynamic section.
func parse(r io.ReaderAt) (*Object, error) {
	var h [64]byte
	n, err := r.ReadAt(h[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n < 52 || string(h[:4]) != "\x7fELF" {
		return nil, errELF
	}
	m := memory{r: r, dyn: map[uint64]uint64{}}
	switch h[5] {
	case 1:
		m.order = binary.LittleEndian
	case 2:
		m.order = binary.BigEndian
	default:
		return nil, errors.New("broken ELF file: no byte order")
	}
	o := &Object{}
	var phoff, entry uint64
	var phsize, phnum uint16
	switch {
	case h[4] == 1:
		m.bits = 32
		entry, phoff = uint64(m.order.Uint32(h[24:])), uint64(m.order.Uint32(h[28:]))
		phsize, phnum = m.order.Uint16(h[42:]), m.order.Uint16(h[44:])
	case h[4] == 2 && n == 64:
		m.bits = 64
		entry, phoff = m.order.Uint64(h[24:]), m.order.Uint64(h[32:])
		phsize, phnum = m.order.Uint16(h[54:]), m.order.Uint16(h[56:])
	default:
		return nil, errors.New("broken ELF file: neither 32 nor 64 bits")
	}
	o.Machine = Machine{m.order.Uint16(h[18:]), m.bits, h[5] == 2}
	o.Program = entry != 0
	if kind := m.order.Uint16(h[16:]); kind != 2 && kind != 3 {
		return nil, errors.New("an object file or core dump, not a program or library")
	}
	if err := m.segments(phoff, phsize, phnum); err != nil {
		return nil, err
	}
	for _, s := range m.segs {
		switch s.kind {
		case 3: // PT_INTERP
			p, err := m.read(s.offset, min(s.bytes, maxString))
			if err != nil {
				return nil, err
			}
			o.Interpreter = string(bytes.TrimRight(p, "\x00"))
		case 2: // PT_DYNAMIC
			if err := m.dynamic(o, s); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// read reads at an offset of the file.
func (m *memory) read(off, n uint64) ([]byte, error) {
	if off > 1<<62 || n > 1<<30 {
		return nil, errors.New("broken ELF file: impossible offset")
	}
	p := make([]byte, n)
	if k, err := m.r.ReadAt(p, int64(off)); uint64(k) < n {
		if err == nil || err == io.EOF {
			err = errors.New("broken ELF file: it is cut")
		}
		return nil, err
	}
	return p, nil
}

func (m *memory) segments(off uint64, size, n uint16) error {
	want := map[int]uint16{32: 32, 64: 56}[m.bits]
	if n == 0 {
		return nil
	}
	if size != want || n > maxSegments {
		return errors.New("broken ELF file: impossible program headers")
	}
	p, err := m.read(off, uint64(size)*uint64(n))
	if err != nil {
		return err
	}
	for ; len(p) > 0; p = p[size:] {
		s := segment{kind: m.order.Uint32(p)}
		if m.bits == 64 {
			s.offset, s.vaddr, s.bytes = m.order.Uint64(p[8:]), m.order.Uint64(p[16:]), m.order.Uint64(p[32:])
		} else {
			s.offset, s.vaddr, s.bytes = uint64(m.order.Uint32(p[4:])), uint64(m.order.Uint32(p[8:])), uint64(m.order.Uint32(p[16:]))
		}
		m.segs = append(m.segs, s)
	}
	return nil
}

// at is where an address is in the file, and how many bytes follow in its
// segment.
func (m *memory) at(addr uint64) (off, rest uint64, err error) {
	for _, s := range m.segs {
		if s.kind == 1 && addr >= s.vaddr && addr-s.vaddr < s.bytes { // PT_LOAD
			return s.offset + (addr - s.vaddr), s.bytes - (addr - s.vaddr), nil
		}
	}
	return 0, 0, fmt.Errorf("broken ELF file: address %#x is in no segment", addr)
}

// readAddr reads n bytes at an address.
func (m *memory) readAddr(addr, n uint64) ([]byte, error) {
	off, rest, err := m.at(addr)
	if err != nil {
		return nil, err
	}
	if n > rest {
		return nil, errors.New("broken ELF file: a table reaches past its segment")
	}
	return m.read(off, n)
}
