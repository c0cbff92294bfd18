package linkage

import (
	"bytes"
	"errors"
	"strings"
)

// Tags of the dynamic section.
const (
	dtNeeded     = 1
	dtStrtab     = 5
	dtSymtab     = 6
	dtStrsz      = 10
	dtSoname     = 14
	dtRpath      = 15
	dtRunpath    = 29
	dtVersym     = 0x6ffffff0
	dtVerdef     = 0x6ffffffc
	dtVerdefnum  = 0x6ffffffd
	dtVerneed    = 0x6ffffffe
	dtVerneednum = 0x6fffffff
)

func (m *memory) dynamic(o *Object, s segment) error {
	if s.bytes > maxDynamic {
		return errors.New("broken ELF file: impossible dynamic section")
	}
	p, err := m.read(s.offset, s.bytes)
	if err != nil {
		return err
	}
	var needed []uint64
	word := m.bits / 8
	for ; len(p) >= 2*word; p = p[2*word:] {
		tag, value := m.word(p), m.word(p[word:])
		if tag == 0 {
			break
		}
		if tag == dtNeeded {
			if needed = append(needed, value); len(needed) > maxNeeded {
				return errors.New("broken ELF file: too many libraries")
			}
			continue
		}
		m.dyn[tag] = value
	}
	for _, n := range needed {
		name, err := m.str(n)
		if err != nil {
			return err
		}
		o.Needed = append(o.Needed, name)
	}
	list := func(tag uint64) ([]string, error) {
		v, ok := m.dyn[tag]
		if !ok {
			return nil, nil
		}
		s, err := m.str(v)
		if err != nil || s == "" {
			return nil, err
		}
		return strings.Split(s, ":"), nil
	}
	if o.Rpath, err = list(dtRpath); err != nil {
		return err
	}
	if o.Runpath, err = list(dtRunpath); err != nil {
		return err
	}
	if v, ok := m.dyn[dtSoname]; ok {
		if o.Soname, err = m.str(v); err != nil {
			return err
		}
	}
	if err := m.verneed(o); err != nil {
		return err
	}
	return m.verdef(o)
}

func (m *memory) word(p []byte) uint64 {
	if m.bits == 64 {
		return m.order.Uint64(p)
	}
	return uint64(m.order.Uint32(p))
}

// str is a string of the dynamic string table.
func (m *memory) str(off uint64) (string, error) {
	size := m.dyn[dtStrsz]
	if off >= size {
		return "", errors.New("broken ELF file: a name is outside of the string table")
	}
	p, err := m.readAddr(m.dyn[dtStrtab]+off, min(size-off, maxString))
	if err != nil {
		return "", err
	}
	s, _, ok := bytes.Cut(p, []byte{0})
	if !ok {
		return "", errors.New("broken ELF file: a name without end")
	}
	return string(s), nil
}
