package compare

import (
	"context"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
)

const debugInformation = "[debug information]"

// compiled is a compilation unit, as its first entry and the head of its line table have it.
type compiled struct {
	key
	values [3]string // name, directory, producer
	files  []lineFile
}

// lineFile is an entry of a line table. DWARF 2 to 4 have the mtime and the
// size of the file there, 0 where the compiler does not say.
type lineFile struct {
	name        string
	mtime, size uint64
}

const (
	maxUnits      = 20_000
	maxFiles      = 20_000    // of one unit
	maxFilesInAll = 1_000_000 // after that, no more line tables are read
	maxLines      = 24 << 20  // a longer section of line tables is not read

	// In an object, relocations say which table of abbreviations a unit has.
	maxObjectUnits   = 256
	maxObjectAbbrevs = 256 << 10
)

// abbreviationsAreSound says whether the tables of abbreviations follow each
// other without overlapping. debug/dwarf reads a table for each unit: tables in tables
// would cost it memory and time without bounds.
func (o *object) abbreviationsAreSound(heads []unitHead) bool {
	var section *elf.Section
	for _, s := range o.file.Sections {
		if s.Name == ".debug_abbrev" || s.Name == ".zdebug_abbrev" {
			section = s
		}
	}
	if section == nil || len(heads) == 0 {
		return false
	}
	if o.file.Type == elf.ET_REL {
		return len(heads) <= maxObjectUnits && section.Size <= maxObjectAbbrevs
	}
	p, err := section.Data()
	if err != nil {
		return false
	}
	var tables []uint64
	for _, h := range heads {
		tables = append(tables, h.abbreviations)
	}
	slices.Sort(tables)
	tables = slices.Compact(tables)
	for i, at := range tables {
		end := uint64(len(p))
		if i+1 < len(tables) {
			end = min(end, tables[i+1])
		}
		if at >= end || !abbreviationsEnd(p[at:end]) {
			return false
		}
	}
	return true
}

// abbreviationsEnd says whether a table of abbreviations (DWARF 5, 7.5.3) ends in p.
func abbreviationsEnd(p []byte) bool {
	number := func() (uint64, bool) {
		v, n := leb(p)
		p = p[n:]
		return v, n > 0
	}
	for {
		code, ok := number()
		if !ok || code == 0 {
			return ok
		}
		if _, ok := number(); !ok || len(p) == 0 {
			return false
		}
		p = p[1:] // whether it has children
		for {
			name, ok1 := number()
			form, ok2 := number()
			if !ok1 || !ok2 {
				return false
			}
			if form == 0x21 { // a constant in the place of a value
				if _, ok := number(); !ok {
					return false
				}
			}
			if name == 0 && form == 0 {
				break
			}
		}
	}
}

// debugInfo compares the compilation units of two files.
func (c *run) debugInfo(path string, a, b *object) (*Finding, error) {
	var ub []compiled
	done := make(chan struct{})
	go func() {
		defer close(done)
		ub = b.units(c.ctx)
	}()
	ua := a.units(c.ctx)
	<-done
	if err := c.ctx.Err(); err != nil || len(ua) == 0 || len(ub) == 0 {
		return nil, err
	}
	path += ":" + debugInformation
	f := &Finding{Name: debugInformation, Kind: Debug, SizeA: int64(len(ua)), SizeB: int64(len(ub))}
	var err error
	f.Parts, f.More, err = pair(c, ua, ub, func(u compiled) key { return u.key },
		func(u compiled, side string) *Finding {
			return onlyIn(side, u.String(), join(path, u.String()), Unit, 1)
		},
		func(x, y compiled) (*Finding, error) {
			var fields []Field
			for i, n := range []string{"name", "directory", "producer"} {
				fields = differ(fields, n, x.values[i], y.values[i])
			}
			fields = append(fields, lineFields(x.files, y.files)...)
			if len(fields) == 0 {
				return nil, nil
			}
			p := note(x.String(), join(path, x.String()), Unit, 1, 1, text(fields))
			p.Fields = fields
			return p, nil
		})
	if err != nil || len(f.Parts) == 0 {
		return nil, err
	}
	return f, nil
}

// lineFields are the first few differences of two tables of files.
func lineFields(a, b []lineFile) (out []Field) {
	if len(a) != len(b) {
		out = differ(out, "files", len(a), len(b))
	}
	for i := range min(len(a), len(b)) {
		if len(out) >= 4 {
			break
		}
		n := fmt.Sprintf("file %d", i+1)
		out = differ(out, n, a[i].name, b[i].name)
		out = differ(out, n+" mtime", a[i].mtime, b[i].mtime)
		out = differ(out, n+" size", a[i].size, b[i].size)
	}
	return out
}

// units reads the compilation units; what can't be read has none. Its sections
// differ all the same.
func (o *object) units(ctx context.Context) (out []compiled) {
	defer func() {
		if recover() != nil { // debug/dwarf does not expect hostile input
			out = nil
		}
	}()
	var size uint64
	var line, info *elf.Section
	for _, s := range o.file.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") || strings.HasPrefix(s.Name, ".rela.debug_") {
			if size += s.Size; s.Size > maxDebug || size > maxDebug {
				return nil
			}
		}
		switch s.Name {
		case ".debug_line":
			line = s
		case ".debug_info":
			info = s
		}
	}
	if info == nil {
		if line == nil {
			return nil
		}
		return o.bareLines(line)
	}
	p, err := info.Data()
	if err != nil {
		return nil
	}
	heads := unitHeads(p, o.file.ByteOrder)
	if !o.abbreviationsAreSound(heads) {
		return nil
	}
	d, err := o.dwarf(p)
	if err != nil {
		return nil
	}
	seen := map[string]int{}
	files := 0 // read from line tables so far
	for _, h := range heads {
		if ctx.Err() != nil {
			return nil
		}
		off := h.first
		r := d.Reader()
		r.Seek(off)
		e, err := r.Next()
		if err != nil || e == nil || e.Tag != dwarf.TagCompileUnit {
			continue
		}
		u := compiled{}
		for i, a := range []dwarf.Attr{dwarf.AttrName, dwarf.AttrCompDir, dwarf.AttrProducer} {
			u.values[i], _ = e.Val(a).(string)
		}
		u.name = path.Base(u.values[0])
		u.nth = seen[u.name]
		seen[u.name]++
		if files > maxFilesInAll || line == nil || line.Size > maxLines {
			// no more of them
		} else if l, err := d.LineReader(e); err == nil && l != nil {
			files += len(l.Files())
			for i, f := range l.Files() {
				if f != nil && i < maxFiles {
					u.files = append(u.files, lineFile{f.Name, f.Mtime, uint64(f.Length)})
				}
			}
		}
		out = append(out, u)
	}
	return out
}

// dwarf takes only the sections that are needed: the others of a large program
// are decompressed or copied for nothing. In an object they need relocating.
func (o *object) dwarf(info []byte) (*dwarf.Data, error) {
	if o.file.Type == elf.ET_REL {
		return o.file.DWARF()
	}
	data := map[string][]byte{}
	for _, n := range []string{".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str", ".debug_str_offsets", ".debug_addr"} {
		s := o.file.Section(n)
		if s == nil {
			continue
		}
		var err error
		if data[n], err = s.Data(); err != nil {
			return nil, err
		}
	}
	d, err := dwarf.New(data[".debug_abbrev"], nil, nil, info, data[".debug_line"], nil, nil, data[".debug_str"])
	if err != nil {
		return nil, err
	}
	for _, n := range []string{".debug_line_str", ".debug_str_offsets", ".debug_addr"} {
		if data[n] != nil {
			if err := d.AddSection(n, data[n]); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// unitHead is a unit's header: where its first entry is, and its table of
// abbreviations.
type unitHead struct {
	first         dwarf.Offset
	abbreviations uint64
}

// unitHeads reads the units' headers (DWARF 5, 7.5.1).
func unitHeads(p []byte, bo binary.ByteOrder) (out []unitHead) {
	for at := uint64(0); at+12 <= uint64(len(p)) && len(out) < maxUnits; {
		n, head := uint64(bo.Uint32(p[at:])), uint64(4)
		wide := n == 0xffffffff
		if wide {
			n, head = bo.Uint64(p[at+4:]), 12
		}
		if n > uint64(len(p))-at-head || n < 8 {
			return out
		}
		word := uint64(4)
		if wide {
			word = 8
		}
		first, table := at+head+2+word+1, at+head+2 // version, abbreviations, address size
		if v := bo.Uint16(p[at+head:]); v >= 5 {
			first++ // type of the unit
			table += 2
			if t := p[at+head+2]; t == 4 || t == 5 {
				first += 8 // identifier of a split unit
			}
		}
		if first > at+head+n || table+word > uint64(len(p)) {
			return out
		}
		h := unitHead{first: dwarf.Offset(first), abbreviations: uint64(bo.Uint32(p[table:]))}
		if wide {
			h.abbreviations = bo.Uint64(p[table:])
		}
		out = append(out, h)
		at += head + n
	}
	return out
}

// bareLines reads the line tables of a file that has no other debug
// information, as ptxas -lineinfo leaves it: DWARF 2 to 4, 6.2.4.
func (o *object) bareLines(s *elf.Section) (out []compiled) {
	p, err := s.Data()
	if err != nil {
		return nil
	}
	bo := o.file.ByteOrder
	for len(p) >= 15 && len(out) < maxUnits {
		n := uint64(bo.Uint32(p))
		if n > uint64(len(p)-4) || n < 11 {
			return out
		}
		unit := p[4 : 4+n]
		p = p[4+n:]
		version := bo.Uint16(unit)
		if version < 2 || version > 4 {
			continue
		}
		if u, ok := oldLineTable(unit[6:], version); ok {
			u.key = key{"line table", len(out)}
			out = append(out, u)
		}
	}
	return out
}

// oldLineTable reads what follows the header's length.
func oldLineTable(p []byte, version uint16) (u compiled, ok bool) {
	skip := 4 // minimum length, is_stmt, line base, line range
	if version == 4 {
		skip++
	}
	if len(p) < skip+1 {
		return u, false
	}
	opcodes := int(p[skip])
	if p = p[skip+1:]; opcodes < 1 || len(p) < opcodes-1 {
		return u, false
	}
	p = p[opcodes-1:]
	next := func() (string, bool) {
		s, _, found := strings.Cut(string(p[:min(len(p), 4096)]), "\x00")
		if !found {
			return "", false
		}
		p = p[len(s)+1:]
		return s, true
	}
	dirs := []string{""}
	for len(dirs) < maxFiles {
		s, found := next()
		if !found {
			return u, false
		}
		if s == "" {
			break
		}
		dirs = append(dirs, s)
	}
	for len(u.files) < maxFiles {
		s, found := next()
		if !found {
			return u, false
		}
		if s == "" {
			return u, true
		}
		var v [3]uint64 // directory, mtime, size
		for i := range v {
			x, n := leb(p)
			if n == 0 {
				return u, false
			}
			v[i], p = x, p[n:]
		}
		if v[0] > 0 && v[0] < uint64(len(dirs)) {
			s = dirs[v[0]] + "/" + s
		}
		u.files = append(u.files, lineFile{s, v[1], v[2]})
	}
	return u, true
}
