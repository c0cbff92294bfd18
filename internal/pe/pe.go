// Package pe clears what a Windows program says of when it was linked, so that
// two links of the same objects are the same bytes.
//
// # What is cleared
//
//   - TimeDateStamp of the COFF header, of the export directory, of each resource
//     directory, of the load configuration and of each entry of the debug directory
//   - in the debug directory's data: the GUID of a CodeView record (RSDS), the
//     signature of an old one (NB10), the hash of a reproducibility record, and the
//     checksum of the PDB. A PDB is no longer found by them: keep the file as
//     it was linked beside its PDB, for the debugger.
//
// All become zero. CheckSum of the optional header becomes that of the result,
// whether or not the linker had computed one.
//
// # What is not
//
// Everything else is code, data or a name, the PDB's path included: give the
// linker /PDBALTPATH. Stamps of other files' in bound imports stay.
//
// # What is refused
//
// A file with an Authenticode signature, since it would not hold any more: sign what
// comes out. And a file in which a field to clear is also something else:
// no linker writes that, and the result would not be stable.
//
// Normalizing the result changes nothing. Source: Microsoft, PE Format.
package pe

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/craton-co/twice/internal/fault"
)

// A Field is a place that Normalize cleared or computed.
type Field struct {
	Name   string // "time stamp", "debug GUID"
	Offset int    // in the file, in bytes
	Size   int
}

// ErrSigned is why a signed file is refused.
var ErrSigned = errors.New("it has an Authenticode signature, which a change makes invalid")

// Is reports whether data begins like a PE file.
func Is(data []byte) bool { return len(data) >= 2 && data[0] == 'M' && data[1] == 'Z' }

// Normalize clears the fields of the program in data, in place, and returns
// those that weren't clear. On an error data is as it was.
func Normalize(data []byte) ([]Field, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("normalizing PE file: %w", err)
	}
	var changed []Field
	for _, x := range f.clear {
		if f.zero(x) {
			changed = append(changed, x)
		}
	}
	if sum := Checksum(data, f.checksum.Offset); binary.LittleEndian.Uint32(data[f.checksum.Offset:]) != sum {
		binary.LittleEndian.PutUint32(data[f.checksum.Offset:], sum)
		changed = append(changed, f.checksum)
	}
	return changed, nil
}

// Checksum is that of a PE file whose checksum field is at offset: the sum of
// its 16-bit words with carries added again, the field being zero, and its length.
func Checksum(data []byte, offset int) uint32 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		if i == offset&^1 || i == offset&^1+2 {
			continue
		}
		w := uint32(data[i])
		if i+1 < len(data) {
			w |= uint32(data[i+1]) << 8
		}
		sum += w
		sum = sum&0xffff + sum>>16
	}
	return sum + uint32(len(data))
}

func (f *file) zero(x Field) (changed bool) {
	b := f.data[x.Offset : x.Offset+x.Size]
	for i := range b {
		changed = changed || b[i] != 0
		b[i] = 0
	}
	return changed
}

// A file is a parsed program: what it says is read once, before a byte is written.
type file struct {
	data     []byte
	sections []section
	headers  int // where the headers end
	clear    []Field
	checksum Field
	read     []Field // what was understood, and must stay
}

type section struct{ address, size, raw int }

// Directories of the optional header.
const (
	dirExport      = 0
	dirResource    = 2
	dirCertificate = 4
	dirDebug       = 6
	dirLoadConfig  = 10
)

const maxSections = 96 // as Windows has it

func parse(data []byte) (*file, error) {
	f := &file{data: data}
	if !Is(data) {
		return nil, errors.New("it does not begin with MZ")
	}
	at, err := f.u32(0x3c)
	if err != nil || at < 0x40 || at%2 != 0 {
		return nil, errors.New("it has no PE header: it is a program for DOS")
	}
	if sig, err := f.u32(at); err != nil || sig != 'P'|'E'<<8 {
		return nil, errors.New("it has no PE header: it is a program for DOS")
	}
	coff := at + 4
	count, err := f.u16(coff + 2)
	if err != nil {
		return nil, err
	}
	optSize, err := f.u16(coff + 16)
	if err != nil {
		return nil, err
	}
	opt := coff + 20
	magic, err := f.u16(opt)
	if err != nil {
		return nil, err
	}
	dirs := opt + 96
	switch magic {
	case 0x10b:
	case 0x20b:
		dirs = opt + 112
	default:
		return nil, fmt.Errorf("its optional header has the unknown magic %#x", magic)
	}
	if dirs > opt+optSize {
		return nil, fmt.Errorf("its optional header of %d bytes is too short", optSize)
	}
	n, err := f.u32(dirs - 4)
	if err != nil {
		return nil, err
	}
	n = min(n, (opt+optSize-dirs)/8)
	if count > maxSections {
		return nil, fmt.Errorf("it has %d sections", count)
	}
	table := opt + optSize
	f.headers = table + count*40
	if f.headers > len(data) {
		return nil, errors.New("it ends before its section table does")
	}
	f.mark(0x3c, 4)
	f.mark(at, 8)                   // signature, machine, number of sections
	f.mark(coff+8, 12)              // up to the optional header
	f.mark(opt, 64)                 // up to the checksum
	f.mark(opt+68, n*8+dirs-opt-68) // and from there
	f.mark(table, count*40)         // sections
	f.drop("time stamp", coff+4, 4)
	f.checksum = Field{"checksum", opt + 64, 4}
	for i := range count {
		s := table + i*40
		size, _ := f.u32(s + 16)
		address, _ := f.u32(s + 12)
		raw, _ := f.u32(s + 20)
		if size > 0 {
			f.sections = append(f.sections, section{address, size, raw})
		}
	}
	dir := func(i int) (rva, size int) {
		if i >= n {
			return 0, 0
		}
		rva, _ = f.u32(dirs + i*8)
		size, _ = f.u32(dirs + i*8 + 4)
		return rva, size
	}
	if _, size := dir(dirCertificate); size > 0 {
		return nil, fault.Hint(ErrSigned, "normalize the file as it was linked, and sign what comes out")
	}
	for _, step := range []struct {
		dir  int
		name string
		fn   func(at, size int) error
	}{
		{dirExport, "export directory", f.stamp("time stamp of the export directory")},
		{dirLoadConfig, "load configuration", f.stamp("time stamp of the load configuration")},
		{dirResource, "resource directory", f.resources},
		{dirDebug, "debug directory", f.debug},
	} {
		rva, size := dir(step.dir)
		if size == 0 {
			continue
		}
		at, err := f.offset(rva)
		if err == nil {
			err = step.fn(at, size)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return f, f.separate()
}

// offset is where an address of the loaded program is in the file.
func (f *file) offset(rva int) (int, error) {
	for _, s := range f.sections {
		if rva >= s.address && rva-s.address < s.size {
			return rva - s.address + s.raw, nil
		}
	}
	return 0, fmt.Errorf("the address %#x is in no section", rva)
}

func (f *file) u16(at int) (int, error) {
	if at < 0 || at+2 > len(f.data) {
		return 0, fmt.Errorf("it ends before the offset %#x", at)
	}
	return int(binary.LittleEndian.Uint16(f.data[at:])), nil
}

func (f *file) u32(at int) (int, error) {
	if at < 0 || at+4 > len(f.data) {
		return 0, fmt.Errorf("it ends before the offset %#x", at)
	}
	return int(binary.LittleEndian.Uint32(f.data[at:])), nil
}

func (f *file) drop(name string, at, size int) {
	f.clear = append(f.clear, Field{name, at, size})
}

func (f *file) mark(at, size int) { f.read = append(f.read, Field{"", at, size}) }
