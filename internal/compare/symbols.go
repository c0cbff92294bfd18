package compare

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
)

// symbol is a named stretch of memory, or in a relocatable file of a section.
type symbol struct {
	name    string
	section elf.SectionIndex
	value   uint64
	size    uint64
	nth     int // in the table
}

// symbolAt names the function or object that holds an offset of a section:
// "main+0x12", as the file's symbol table of A has it. It is empty where no
// symbol holds it.
func (o *object) symbolAt(r region, off uint64) string {
	if r.notes {
		return noteAt(r, o.file.ByteOrder, off)
	}
	if r.index == 0 {
		return ""
	}
	o.load()
	at := off
	if o.file.Type != elf.ET_REL {
		if !r.alloc {
			return ""
		}
		at += r.at
	}
	// The last symbol of this section that starts at or before the place.
	i, _ := slices.BinarySearchFunc(o.symbols, symbol{section: r.index, value: at}, func(s, t symbol) int {
		if n := cmp.Or(cmp.Compare(s.section, t.section), cmp.Compare(s.value, t.value)); n != 0 {
			return n
		}
		return -1 // to the end of the equal ones
	})
	for i--; i >= 0 && o.symbols[i].section == r.index; i-- {
		s := o.symbols[i]
		if at-s.value < s.size {
			return fmt.Sprintf("%s+%#x", s.name, at-s.value)
		}
		if s.size > 0 {
			break
		}
	}
	return ""
}

func (o *object) load() {
	if !o.loaded {
		o.loaded = true
		o.symbols = o.loadSymbols()
	}
}

func (o *object) loadSymbols() (out []symbol) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	if !o.smallTables() {
		return nil
	}
	syms, err := o.file.Symbols()
	if err != nil || len(syms) == 0 {
		if syms, err = o.file.DynamicSymbols(); err != nil {
			return nil
		}
	}
	for _, s := range syms {
		t := elf.ST_TYPE(s.Info)
		if s.Name == "" || t != elf.STT_FUNC && t != elf.STT_OBJECT && t != elf.STT_NOTYPE && t != elf.STT_TLS {
			continue
		}
		if s.Section == elf.SHN_UNDEF || s.Section >= elf.SHN_LORESERVE {
			continue
		}
		out = append(out, symbol{s.Name, s.Section, s.Value, s.Size, len(out)})
	}
	slices.SortFunc(out, func(s, t symbol) int {
		return cmp.Or(cmp.Compare(s.section, t.section), cmp.Compare(s.value, t.value), cmp.Compare(s.nth, t.nth))
	})
	return out
}

// smallTables says whether the symbol and string tables may be read whole.
func (o *object) smallTables() bool {
	for _, s := range o.file.Sections {
		switch s.Type {
		case elf.SHT_STRTAB:
			if s.FileSize > maxStrtab || s.Size > maxStrtab {
				return false
			}
		case elf.SHT_SYMTAB, elf.SHT_DYNSYM:
			if s.FileSize > maxSymtab || s.Size > maxSymtab {
				return false
			}
		}
	}
	return true
}
