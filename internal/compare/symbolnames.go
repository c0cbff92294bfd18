package compare

import (
	"debug/elf"
	"fmt"
	"strings"
)

const symbolTable = "[symbols]"

// maxNames is how many symbols of a side are looked at by name.
const maxNames = 300_000

// symbolNames says which symbols only one side has, and where their order in
// memory first goes apart.
func (c *run) symbolNames(path string, a, b *object) (*Finding, error) {
	if same, err := c.sameSymbols(a, b); err != nil || same {
		return nil, err
	}
	a.load()
	b.load()
	if len(a.symbols) == 0 || len(b.symbols) == 0 || len(a.symbols) > maxNames || len(b.symbols) > maxNames {
		return nil, c.ctx.Err()
	}
	onlyA, commonA := apart(a.symbols, b.symbols)
	onlyB, commonB := apart(b.symbols, a.symbols)
	f := &Finding{Name: symbolTable, Kind: Symbols, SizeA: int64(len(a.symbols)), SizeB: int64(len(b.symbols))}
	f.Fields = differ(f.Fields, "symbols of one side", listed(onlyA), listed(onlyB))
	if len(commonA) == len(commonB) {
		for i := range commonA {
			if commonA[i] != commonB[i] {
				f.Fields = append(f.Fields, Field{"order", commonA[i], commonB[i]})
				break
			}
		}
	}
	if len(f.Fields) == 0 {
		return nil, c.ctx.Err()
	}
	f.Note = text(f.Fields)
	f.Ranges = note(f.Name, path+":"+symbolTable, Symbols, f.SizeA, f.SizeB, f.Note).Ranges
	return f, c.ctx.Err()
}

// sameSymbols says whether both have the same tables, byte for byte: then nothing of them
// need be read.
func (c *run) sameSymbols(a, b *object) (bool, error) {
	ta, tb := a.symbolTables(), b.symbolTables()
	if len(ta) != len(tb) {
		return false, nil
	}
	for i := range ta {
		if same, err := c.equal(ta[i].blob, tb[i].blob); err != nil || !same || ta[i].index != tb[i].index {
			return false, err
		}
	}
	return true, nil
}

// symbolTables are the sections that symbols come from.
func (o *object) symbolTables() (out []region) {
	for _, r := range o.sections {
		switch o.file.Sections[r.index].Type {
		case elf.SHT_SYMTAB, elf.SHT_DYNSYM, elf.SHT_STRTAB:
			out = append(out, r)
		}
	}
	return out
}

// apart divides a's names by whether b has them. Unnamed and local compiler labels are
// left out.
func apart(a, b []symbol) (only, common []string) {
	inB := map[string]int{}
	for _, s := range b {
		inB[s.name]++
	}
	for _, s := range a {
		if strings.HasPrefix(s.name, ".L") || strings.HasPrefix(s.name, "$") {
			continue
		}
		if inB[s.name] > 0 {
			inB[s.name]--
			common = append(common, s.name)
		} else {
			only = append(only, s.name)
		}
	}
	return only, common
}

func listed(names []string) string {
	const most = 4
	if len(names) == 0 {
		return "none"
	}
	s := strings.Join(names[:min(len(names), most)], " ")
	if len(s) > 400 {
		s = s[:400] + "…"
	}
	if len(names) > most {
		s += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return s
}
