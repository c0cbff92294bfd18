package cuda

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

var (
	declared = regexp.MustCompile(`\bCUDAAPI\s+(cu[A-Z][A-Za-z0-9_]*)\s*\(`)
	renamed  = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+(cu[A-Z][A-Za-z0-9_]*)[ \t]+(?:__CUDA_API_(PTDS|PTSZ)\((cu[A-Z][A-Za-z0-9_]*)\)|(cu[A-Z][A-Za-z0-9_]*))[ \t]*\r?$`)
)

// Symbols are the functions of the driver's library that cuda.h names, sorted:
// those that it declares, those that its macros put in the place of them
// (cuMemAlloc_v2), and their variants for a default stream of each thread
// (…_ptds, …_ptsz).
func Symbols(header []byte) []string {
	var list []string
	for _, m := range declared.FindAllSubmatch(header, -1) {
		list = append(list, string(m[1]))
	}
	for _, m := range renamed.FindAllSubmatch(header, -1) {
		switch to := string(m[3]) + string(m[4]); string(m[2]) {
		case "PTDS":
			list = append(list, to, to+"_ptds")
		case "PTSZ":
			list = append(list, to, to+"_ptsz")
		default:
			list = append(list, to)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// soname is the driver's library, which every machine with a driver has.
const soname = "libcuda.so.1"

// Stub is a shared library for x86-64 to link against where there is no driver:
// it exports the functions of cuda.h and has the driver's SONAME. Each of them
// returns 34, CUDA_ERROR_STUB_LIBRARY. It is a function of those names alone.
//
// The file has what linkers and ld.so need (System V gABI): .hash, .dynsym, .dynstr, .text in
// one segment, .dynamic in another.
func Stub(header []byte) ([]byte, error) {
	names := Symbols(header)
	if len(names) == 0 {
		return nil, errors.New("cuda.h declares no function of the driver")
	}
	const (
		page    = 0x1000
		headers = 64 + 4*56
	)
	var strs bytes.Buffer
	strs.WriteByte(0)
	str := func(s string) uint32 {
		at := uint32(strs.Len())
		strs.WriteString(s + "\x00")
		return at
	}
	so := str(soname)
	symbols := make([]elf.Sym64, 1, len(names)+1)
	for _, n := range names {
		symbols = append(symbols, elf.Sym64{Name: str(n), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: 4, Size: uint64(len(code))})
	}
	hash := hashTable(names)
	hashAt := uint64(headers)
	symAt := align(hashAt+uint64(len(hash))*4, 8)
	strAt := symAt + uint64(len(symbols))*elf.Sym64Size
	textAt := align(strAt+uint64(strs.Len()), 16)
	for i := 1; i < len(symbols); i++ {
		symbols[i].Value = textAt
	}
	dynAt := align(textAt+uint64(len(code)), page)
	dynamic := []elf.Dyn64{
		{Tag: int64(elf.DT_SONAME), Val: uint64(so)},
		{Tag: int64(elf.DT_HASH), Val: hashAt},
		{Tag: int64(elf.DT_STRTAB), Val: strAt},
		{Tag: int64(elf.DT_SYMTAB), Val: symAt},
		{Tag: int64(elf.DT_STRSZ), Val: uint64(strs.Len())},
		{Tag: int64(elf.DT_SYMENT), Val: elf.Sym64Size},
		{Tag: int64(elf.DT_NULL)},
	}
	dynSize := uint64(len(dynamic)) * 16
	const sections = "\x00.hash\x00.dynsym\x00.dynstr\x00.text\x00.dynamic\x00.shstrtab\x00"
	section := func(name string) uint32 { return uint32(bytes.Index([]byte(sections), []byte("\x00"+name+"\x00")) + 1) }
	namesAt := dynAt + dynSize
	tableAt := align(namesAt+uint64(len(sections)), 8)

	out := new(image)
	out.at(0, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Shoff: tableAt, Ehsize: 64, Phentsize: 56, Phnum: 4, Shentsize: 64, Shnum: 7, Shstrndx: 6,
	})
	code64 := uint64(len(code))
	out.at(64, []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Filesz: textAt + code64, Memsz: textAt + code64, Align: page},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: dynAt, Vaddr: dynAt, Paddr: dynAt, Filesz: dynSize, Memsz: dynSize, Align: page},
		{Type: uint32(elf.PT_DYNAMIC), Flags: uint32(elf.PF_R | elf.PF_W), Off: dynAt, Vaddr: dynAt, Paddr: dynAt, Filesz: dynSize, Memsz: dynSize, Align: 8},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	})
	out.at(hashAt, hash)
	out.at(symAt, symbols)
	out.at(strAt, strs.Bytes())
	out.at(textAt, code)
	out.at(dynAt, dynamic)
	out.at(namesAt, []byte(sections))
	alloc := uint64(elf.SHF_ALLOC)
	out.at(tableAt, []elf.Section64{
		{},
		{Name: section(".hash"), Type: uint32(elf.SHT_HASH), Flags: alloc, Addr: hashAt, Off: hashAt, Size: uint64(len(hash)) * 4, Link: 2, Addralign: 8, Entsize: 4},
		{Name: section(".dynsym"), Type: uint32(elf.SHT_DYNSYM), Flags: alloc, Addr: symAt, Off: symAt, Size: strAt - symAt, Link: 3, Info: 1, Addralign: 8, Entsize: elf.Sym64Size},
		{Name: section(".dynstr"), Type: uint32(elf.SHT_STRTAB), Flags: alloc, Addr: strAt, Off: strAt, Size: uint64(strs.Len()), Addralign: 1},
		{Name: section(".text"), Type: uint32(elf.SHT_PROGBITS), Flags: alloc | uint64(elf.SHF_EXECINSTR), Addr: textAt, Off: textAt, Size: code64, Addralign: 16},
		{Name: section(".dynamic"), Type: uint32(elf.SHT_DYNAMIC), Flags: alloc | uint64(elf.SHF_WRITE), Addr: dynAt, Off: dynAt, Size: dynSize, Link: 3, Addralign: 8, Entsize: 16},
		{Name: section(".shstrtab"), Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(sections)), Addralign: 1},
	})
	return out.b, out.err
}

// code is `mov $34, %eax; ret`.
var code = []byte{0xb8, 34, 0, 0, 0, 0xc3}

// hashTable is the gABI's: the counts, the buckets, the chains.
func hashTable(names []string) []uint32 {
	buckets := uint32(len(names)/2 | 1)
	t := make([]uint32, 2+int(buckets)+len(names)+1)
	t[0], t[1] = buckets, uint32(len(names)+1)
	for i, n := range names {
		b := 2 + sysvHash(n)%buckets
		t[2+int(buckets)+i+1] = t[b]
		t[b] = uint32(i + 1)
	}
	return t
}

func sysvHash(name string) uint32 {
	var h uint32
	for i := range len(name) {
		h = h<<4 + uint32(name[i])
		g := h & 0xf0000000
		h = (h ^ g>>24) &^ g
	}
	return h
}

func align(n, to uint64) uint64 { return (n + to - 1) / to * to }

// image is a file that is written from low to high offsets.
type image struct {
	b   []byte
	err error
}

func (m *image) at(offset uint64, v any) {
	if uint64(len(m.b)) > offset {
		m.err = errors.Join(m.err, fmt.Errorf("two parts of the stub overlap at %d: this is a bug in Twice", offset))
		return
	}
	m.b = append(m.b, make([]byte, offset-uint64(len(m.b)))...)
	b, err := binary.Append(m.b, binary.LittleEndian, v)
	m.b, m.err = b, errors.Join(m.err, err)
}
