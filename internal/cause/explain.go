package cause

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// place is a difference and the parts that lead to it.
type place struct {
	// chain are the findings from the artefact to the innermost part.
	chain []*compare.Finding
	// d is the range; its fields are zero where the part itself is the
	// difference.
	d compare.Difference
}

// part is the innermost part.
func (p *place) part() *compare.Finding { return p.chain[len(p.chain)-1] }

const (
	maxPlaces = 400 // of one finding that rules look at
	maxCauses = 12  // of one finding
)

// places lists where the sides differ, in the tree's order.
func places(f *compare.Finding) []*place {
	var out []*place
	var walk func(f *compare.Finding, chain []*compare.Finding)
	walk = func(f *compare.Finding, chain []*compare.Finding) {
		if f == nil || len(out) >= maxPlaces {
			return
		}
		chain = append(slices.Clip(chain), f)
		for _, p := range f.Parts {
			walk(p, chain)
		}
		for _, d := range f.Ranges {
			if len(out) < maxPlaces {
				out = append(out, &place{chain, d})
			}
		}
		if len(f.Ranges) == 0 && (f.Note != "" || len(f.Fields) > 0) && len(out) < maxPlaces {
			out = append(out, &place{chain, compare.Difference{Note: f.Note, SizeA: f.SizeA, SizeB: f.SizeB}})
		}
	}
	walk(f, nil)
	return out
}

// Explain gives the causes of a finding, the most telling first. A nil finding
// has none; any other has at least one.
func Explain(f *compare.Finding, c Context) []Cause {
	if f == nil {
		return nil
	}
	type hit struct {
		rank int
		Cause
	}
	var hits []hit
	seen := map[string]int{}
	x := &explainer{Context: c}
	all := places(f)
	var unknown []*place
	for _, p := range all {
		known := false
		for rank, r := range rules {
			for _, h := range r.match(x, p) {
				known = true
				h.Rule, h.Known = r.Name, true
				h.Title, h.Fix, h.Axis = cmp.Or(h.Title, r.Title), cmp.Or(h.Fix, r.Fix), cmp.Or(h.Axis, r.Axis)
				h.Path = cmp.Or(h.Path, p.d.Path, f.Name)
				key := h.Rule + "\x00" + h.Where + "\x00" + h.Title
				if _, ok := seen[key]; ok {
					continue
				}
				seen[key] = len(hits)
				hits = append(hits, hit{rank, h})
			}
			if known {
				break
			}
		}
		if !known {
			unknown = append(unknown, p)
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.rank, b.rank) })
	var out []Cause
	for _, h := range hits {
		// What follows from something else is the last resort.
		if rules[h.rank].follows && len(out) > 0 {
			continue
		}
		out = append(out, h.Cause)
	}
	if len(out) > maxCauses {
		out = out[:maxCauses]
	}
	if u := unexplained(f, unknown, out); u != nil {
		out = append(out, *u)
	}
	return out
}

// explainer is one run of Explain.
type explainer struct {
	Context
}

// unexplained is the cause of what no rule knew. Where some cause is known,
// code, tables and debug information are taken to follow from it.
func unexplained(f *compare.Finding, list []*place, known []Cause) *Cause {
	list = slices.DeleteFunc(slices.Clone(list), func(p *place) bool {
		return len(known) > 0 && consequence(p)
	})
	if len(list) == 0 && len(known) > 0 {
		return nil
	}
	u := &Cause{Rule: Unknown, Title: "no rule knows this difference", Path: f.Name,
		Fix: "build again with fewer axes (--vary) to find what it depends on"}
	for i, p := range list {
		if i == 0 {
			u.Path = cmp.Or(p.d.Path, f.Name)
		}
		if i == 3 {
			u.Proof = append(u.Proof, fmt.Sprintf("and %d more places", len(list)-i))
			break
		}
		u.Proof = append(u.Proof, evidence(p))
	}
	return u
}

// evidence is a place in one line.
func evidence(p *place) string {
	var s strings.Builder
	s.WriteString(cmp.Or(p.d.Path, p.part().Name))
	if p.d.Symbol != "" {
		fmt.Fprintf(&s, " (%s)", p.d.Symbol)
	}
	if len(p.d.A) > 0 || len(p.d.B) > 0 {
		fmt.Fprintf(&s, ": %s in A, %s in B", quote(p.d.A), quote(p.d.B))
	} else if n := cmp.Or(p.d.Note, p.part().Note); n != "" {
		s.WriteString(": " + n)
	}
	return s.String()
}

// quote shows bytes in a line: as a string if they are text, else in
// hexadecimal.
func quote(p []byte) string {
	const most = 48
	cut := ""
	if len(p) > most {
		p, cut = p[:most], "…"
	}
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return fmt.Sprintf("%x%s", p[:min(len(p), 16)], map[bool]string{true: "…"}[len(p) > 16 || cut != ""])
		}
	}
	return fmt.Sprintf("%q%s", p, cut)
}

// consequence says whether a place follows from others in its file: code that
// moved, tables, debug information, hashes over the rest.
func consequence(p *place) bool {
	f := p.part()
	switch f.Kind {
	case compare.Section:
		n := f.Name
		for _, s := range []string{"[", ".text", ".debug_", ".symtab", ".strtab", ".rel", ".got", ".eh_frame", ".gcc_except_table",
			".note.gnu.build-id", ".gnu", ".dyn", ".hash", ".init_array", ".fini_array", ".data.rel.ro", ".tdata", ".llvmbc", ".group"} {
			if strings.HasPrefix(n, s) {
				return true
			}
		}
	case compare.JSON:
		// A digest or a size in a manifest follows from the layers.
		return strings.Contains(p.d.Path, "digest") || strings.HasSuffix(p.d.Path, "/size") || strings.Contains(p.d.Path, "diff_ids")
	}
	switch f.Name {
	case "/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED", "manifest", "index":
		return true
	}
	return false
}
