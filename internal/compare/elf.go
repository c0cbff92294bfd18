package compare

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// object is an ELF file as far as it is needed to name a place in it.
type object struct {
	blob
	file     *elf.File
	sections []region
	symbols  []symbol // loaded when first asked for
	loaded   bool
}

// region is a named stretch of the file: a section that has bytes, or a table
// of headers.
type region struct {
	name  string
	nth   int // among those of the same name
	index elf.SectionIndex
	at    uint64 // address
	alloc bool
	code  bool
	notes bool
	blob
}

// cudaVersion hides the version that ptxas puts into e_version since CUDA 12: debug/elf
// knows the standard's 1 only.
type cudaVersion struct{ io.ReaderAt }

func (r cudaVersion) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	const machine, version, cuda = 18, 20, 190
	if off <= machine && off+int64(n) >= version+4 {
		if h := p[machine-off:]; h[0] == cuda && h[1] == 0 && h[version-machine] != 1 {
			copy(h[version-machine:], []byte{1, 0, 0, 0})
		}
	}
	return n, err
}

// openELF guards against what debug/elf does not expect of its input.
func openELF(b blob) (o *object, err error) {
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("broken ELF file: %v", r)
		}
	}()
	f, err := elf.NewFile(cudaVersion{b.r})
	if err != nil {
		return nil, err
	}
	o = &object{blob: b, file: f}
	seen := map[string]int{}
	for i, s := range f.Sections {
		if s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS {
			continue
		}
		off, size := int64(s.Offset), int64(s.FileSize)
		if off < 0 || size < 0 || off > b.size || size > b.size-off {
			return nil, fmt.Errorf("section %q reaches past the end of the file", s.Name)
		}
		o.sections = append(o.sections, region{name: s.Name, nth: seen[s.Name], index: elf.SectionIndex(i),
			at: s.Addr, alloc: s.Flags&elf.SHF_ALLOC != 0,
			code: s.Flags&elf.SHF_EXECINSTR != 0, notes: s.Type == elf.SHT_NOTE, blob: b.part(off, size)})
		seen[s.Name]++
	}
	if len(o.sections) == 0 {
		return nil, errors.New("no sections")
	}
	return o, o.addHeaders()
}

// addHeaders adds the tables that lie outside of the sections.
func (o *object) addHeaders() error {
	h, err := o.head(64)
	if err != nil {
		return err
	}
	bo := o.file.ByteOrder
	var ehsize, phoff, shoff, phsize, shsize int64
	if o.file.Class == elf.ELFCLASS64 && len(h) >= 64 {
		ehsize = 64
		phoff, shoff = int64(bo.Uint64(h[32:])), int64(bo.Uint64(h[40:]))
		phsize = int64(bo.Uint16(h[54:])) * int64(bo.Uint16(h[56:]))
		shsize = int64(bo.Uint16(h[58:])) * int64(len(o.file.Sections))
	} else if o.file.Class == elf.ELFCLASS32 && len(h) >= 52 {
		ehsize = 52
		phoff, shoff = int64(bo.Uint32(h[28:])), int64(bo.Uint32(h[32:]))
		phsize = int64(bo.Uint16(h[42:])) * int64(bo.Uint16(h[44:]))
		shsize = int64(bo.Uint16(h[46:])) * int64(len(o.file.Sections))
	}
	o.sections = append(o.sections,
		region{name: "[ELF header]", blob: o.part(0, ehsize)},
		region{name: "[program headers]", blob: o.part(phoff, phsize)},
		region{name: "[section headers]", blob: o.part(shoff, shsize)})
	return nil
}

// rank orders sections by how much a difference in them explains. A build id
// is a hash of the rest, tables and code shift when data changes its size, and
// debug information follows both.
func rank(name string) int {
	switch {
	case name == debugInformation, name == symbolTable:
		return 5
	case strings.HasPrefix(name, "["):
		return 9
	case name == ".note.gnu.build-id", name == ".gnu_debuglink", name == ".gnu.hash", name == ".gnu.build.attributes":
		return 8
	case name == ".symtab", strings.HasPrefix(name, ".got"), name == ".llvmbc", strings.HasPrefix(name, ".rel"), strings.HasPrefix(name, ".eh_frame"), name == ".gcc_except_table":
		return 7
	case name == ".debug_str", name == ".debug_line_str", name == ".strtab", name == ".dynstr":
		return 3
	case strings.HasPrefix(name, ".debug_"):
		return 6
	case strings.HasPrefix(name, ".text"), strings.HasPrefix(name, ".data.rel.ro"), name == ".dynamic":
		return 4
	case name == ".comment":
		return 1
	case strings.HasPrefix(name, ".rodata"), strings.HasPrefix(name, ".rmeta"), name == ".rustc", name == ".interp",
		strings.HasPrefix(name, ".nv_fatbin"):
		return 0
	}
	return 2
}

func (c *run) elf(f *Finding, path string, a, b blob, depth int) error {
	oa, err := openELF(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	ob, err := openELF(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	parts, more, err := c.regions(path, oa.sections, ob.sections, oa.symbolAt, depth)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		f.Note = "every section is the same; the difference is between them"
		return nil
	}
	looks := []func(path string, a, b *object) (*Finding, error){c.symbolNames}
	if more > 0 || slices.ContainsFunc(parts, func(p *Finding) bool { return strings.Contains(p.Name, "debug_") }) {
		looks = append(looks, c.debugInfo)
	}
	for _, look := range looks {
		p, err := look(path, oa, ob)
		if err != nil {
			return err
		}
		if p != nil {
			parts = append(parts, p)
		}
	}
	slices.SortStableFunc(parts, func(x, y *Finding) int { return cmp.Compare(rank(x.Name), rank(y.Name)) })
	f.Parts, f.More = parts, more
	return nil
}
