package pe

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// stamp clears the second word of a directory, which is a time.
func (f *file) stamp(name string) func(at, size int) error {
	return func(at, size int) error {
		if _, err := f.u32(at + 4); err != nil {
			return err
		}
		if size < 8 {
			return nil
		}
		f.drop(name, at+4, 4)
		return nil
	}
}

// Bounds of a resource tree: three levels are usual.
const (
	maxResourceDepth = 16
	maxResourceDirs  = 1 << 16
)

func (f *file) resources(at, _ int) error {
	seen := map[int]bool{}
	var walk func(dir, depth int) error
	walk = func(dir, depth int) error {
		if seen[dir] {
			return nil
		}
		if seen[dir] = true; depth > maxResourceDepth || len(seen) > maxResourceDirs {
			return errors.New("it is too deep or too large")
		}
		named, err := f.u16(dir + 12)
		if err != nil {
			return err
		}
		ids, err := f.u16(dir + 14)
		if err != nil {
			return err
		}
		f.drop("time stamp of a resource directory", dir+4, 4)
		f.mark(dir+12, 4)
		for i := range named + ids {
			to, err := f.u32(dir + 16 + i*8 + 4)
			if err != nil {
				return err
			}
			f.mark(dir+16+i*8+4, 4)
			if to&0x8000_0000 == 0 {
				continue
			}
			if err := walk(at+to&0x7fff_ffff, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(at, 0)
}

// Types of the debug directory's entries.
const (
	typeCodeView    = 2
	typeRepro       = 16
	typePDBChecksum = 19
)

const debugEntry = 28 // bytes

func (f *file) debug(at, size int) error {
	if size > debugEntry*1024 {
		return fmt.Errorf("it has %d bytes", size)
	}
	for e := at; e+debugEntry <= at+size; e += debugEntry {
		kind, err := f.u32(e + 12)
		if err != nil {
			return err
		}
		length, err := f.u32(e + 16)
		if err != nil {
			return err
		}
		data, err := f.u32(e + 24)
		if err != nil {
			return err
		}
		f.drop("time stamp of the debug directory", e+4, 4)
		f.mark(e+12, 16)
		if data == 0 || length == 0 {
			continue
		}
		if data > len(f.data) || length > len(f.data)-data {
			return fmt.Errorf("an entry's data is not in the file")
		}
		f.debugData(kind, data, f.data[data:data+length])
	}
	return nil
}

func (f *file) debugData(kind, at int, b []byte) {
	switch {
	case kind == typeCodeView && len(b) >= 24 && bytes.HasPrefix(b, []byte("RSDS")):
		f.mark(at, 4)
		f.drop("debug GUID", at+4, 16)
	case kind == typeCodeView && len(b) >= 16 && bytes.HasPrefix(b, []byte("NB10")):
		f.mark(at, 4)
		f.drop("debug signature", at+8, 4)
	case kind == typeRepro && len(b) > 4:
		f.drop("reproducibility hash", at+4, len(b)-4)
	case kind == typePDBChecksum:
		if name := bytes.IndexByte(b, 0); name >= 0 && name+1 < len(b) {
			f.mark(at, name+1)
			f.drop("checksum of the PDB", at+name+1, len(b)-name-1)
		}
	}
}

// separate refuses fields to clear that are something else as well: what is
// read afterwards must be what was read before.
func (f *file) separate() error {
	type piece struct {
		at, end int
		clear   bool
	}
	pieces := []piece{{f.checksum.Offset, f.checksum.Offset + f.checksum.Size, false}}
	for _, x := range f.read {
		pieces = append(pieces, piece{x.Offset, x.Offset + x.Size, false})
	}
	for _, x := range f.clear {
		if x.Offset+x.Size > len(f.data) {
			return fmt.Errorf("it ends before the offset %#x", x.Offset+x.Size)
		}
		pieces = append(pieces, piece{x.Offset, x.Offset + x.Size, true})
	}
	slices.SortFunc(pieces, func(a, b piece) int { return a.at - b.at })
	end, clearEnd := 0, 0 // of all pieces so far, of those to clear
	for _, p := range pieces {
		if p.clear && p.at < end || p.at < clearEnd {
			return fmt.Errorf("what is at the offset %#x has two meanings", p.at)
		}
		end = max(end, p.end)
		if p.clear {
			clearEnd = max(clearEnd, p.end)
		}
	}
	return nil
}
