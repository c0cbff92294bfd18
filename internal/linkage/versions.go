package linkage

import (
	"cmp"
	"errors"
	"slices"
)

var errVersions = errors.New("broken ELF file: impossible version tables")

// verneed reads the versions that are asked of libraries: records of 16 bytes
// (version, count, file, first, next), each with a list of 16 bytes (hash,
// flags, index, name, next); the links are relative.
func (m *memory) verneed(o *Object) error {
	addr, ok := m.dyn[dtVerneed]
	if !ok {
		return nil
	}
	for n := min(m.dyn[dtVerneednum], maxVersions); n > 0; n-- {
		p, err := m.readAddr(addr, 16)
		if err != nil {
			return err
		}
		file, err := m.str(uint64(m.order.Uint32(p[4:])))
		if err != nil {
			return err
		}
		aux := addr + uint64(m.order.Uint32(p[8:]))
		for k := m.order.Uint16(p[2:]); k > 0; k-- {
			q, err := m.readAddr(aux, 16)
			if err != nil {
				return err
			}
			name, err := m.str(uint64(m.order.Uint32(q[8:])))
			if err != nil {
				return err
			}
			if len(o.Versions) >= maxVersions {
				return errVersions
			}
			o.Versions = append(o.Versions, Version{Library: file, Name: name,
				Weak: m.order.Uint16(q[4:])&2 != 0, index: m.order.Uint16(q[6:]) & 0x7fff})
			next := m.order.Uint32(q[12:])
			if next == 0 {
				break
			}
			aux += uint64(next)
		}
		next := m.order.Uint32(p[12:])
		if next == 0 {
			break
		}
		addr += uint64(next)
	}
	m.nameSymbols(o)
	slices.SortStableFunc(o.Versions, func(a, b Version) int {
		return cmp.Or(cmp.Compare(a.Library, b.Library), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// nameSymbols finds for each version a symbol that needs it. It is only for
// the error message: tables that make no sense are passed over.
func (m *memory) nameSymbols(o *Object) {
	versym, ok := m.dyn[dtVersym]
	symtab, strtab := m.dyn[dtSymtab], m.dyn[dtStrtab]
	if !ok || strtab <= symtab {
		return
	}
	size := uint64(map[int]int{32: 16, 64: 24}[m.bits])
	n := min((strtab-symtab)/size, maxSymbols) // every linker puts the names right after the symbols
	indexes, err := m.readAddr(versym, 2*n)
	if err != nil {
		return
	}
	first := map[uint16]string{}
	for i := range n {
		v := m.order.Uint16(indexes[2*i:]) & 0x7fff
		if v < 2 || first[v] != "" {
			continue
		}
		sym, err := m.readAddr(symtab+i*size, 4)
		if err != nil {
			return
		}
		if name, err := m.str(uint64(m.order.Uint32(sym))); err == nil {
			first[v] = name
		}
	}
	for i := range o.Versions {
		o.Versions[i].Symbol = first[o.Versions[i].index]
	}
}

// verdef reads the versions that a library has: records of 20 bytes (version,
// flags, index, count, hash, first, next), of whose lists the first name counts.
func (m *memory) verdef(o *Object) error {
	addr, ok := m.dyn[dtVerdef]
	if !ok {
		return nil
	}
	for n := min(m.dyn[dtVerdefnum], maxVersions); n > 0; n-- {
		p, err := m.readAddr(addr, 20)
		if err != nil {
			return err
		}
		if m.order.Uint16(p[2:])&1 == 0 { // not the file's own name
			q, err := m.readAddr(addr+uint64(m.order.Uint32(p[12:])), 8)
			if err != nil {
				return err
			}
			name, err := m.str(uint64(m.order.Uint32(q)))
			if err != nil {
				return err
			}
			if len(o.Defines) >= maxVersions {
				return errVersions
			}
			o.Defines = append(o.Defines, name)
		}
		next := m.order.Uint32(p[16:])
		if next == 0 {
			break
		}
		addr += uint64(next)
	}
	return nil
}
