package compare

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
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
	blob
}

// openELF guards against what debug/elf does not expect of its input.
func openELF(b blob) (o *object, err error) {
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("broken ELF file: %v", r)
		}
	}()
	f, err := elf.NewFile(b.r)
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
			code: s.Flags&elf.SHF_EXECINSTR != 0, blob: b.part(off, size)})
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

func (c *run) elf(f *Finding, path string, a, b blob, _ int) error {
	oa, err := openELF(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	ob, err := openELF(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	parts, more, err := pair(c, oa.sections, ob.sections,
		func(r region) key { return key{r.name, r.nth} },
		func(r region, side string) *Finding {
			n := sectionName(r)
			out := onlyIn(side, n, path+":"+n, Section, r.size)
			out.Ranges[0].Section = n
			return out
		},
		func(ra, rb region) (*Finding, error) { return c.section(path, oa, ra, rb) })
	if err != nil {
		return err
	}
	slices.SortStableFunc(parts, func(x, y *Finding) int { return cmp.Compare(rank(x.Name), rank(y.Name)) })
	f.Parts, f.More = parts, more
	if len(parts) == 0 {
		f.Note = "every section is the same; the difference is between them"
	}
	return nil
}

func sectionName(r region) string {
	if r.name == "" {
		return fmt.Sprintf("[section %d]", r.index)
	}
	if r.nth > 0 {
		return fmt.Sprintf("%s(%d)", r.name, r.nth+1)
	}
	return r.name
}

// data fills in the ranges of a section, by its strings where they moved.
func (c *run) data(f *Finding, path string, ra, rb region) error {
	if !ra.code && rank(ra.name) <= 3 {
		spans, _, err := c.spans(ra.blob, rb.blob, 1)
		if err != nil {
			return err
		}
		if len(spans) > 0 && (spans[0].lenA != spans[0].lenB || spans[0].lenA >= longRange) {
			if ok, err := c.moved(f, path, ra.blob, rb.blob); ok || err != nil {
				return err
			}
		}
	}
	return c.ranges(f, path, ra.blob, rb.blob)
}

func (c *run) section(path string, oa *object, ra, rb region) (*Finding, error) {
	same, err := c.equal(ra.blob, rb.blob)
	if err != nil || same {
		return nil, err
	}
	f := &Finding{Name: sectionName(ra), Kind: Section, SizeA: ra.size, SizeB: rb.size}
	if err := c.data(f, path+":"+f.Name, ra, rb); err != nil {
		return nil, err
	}
	for i := range f.Ranges {
		d := &f.Ranges[i]
		d.Section = f.Name
		d.Symbol = oa.symbolAt(ra, uint64(d.Offset))
	}
	return f, nil
}
