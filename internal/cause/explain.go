package cause

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

const maxCauses = 8 // of one finding

// explainer is one run of Explain.
type explainer struct {
	Context
	// settled are parts of which nothing more is to be said.
	settled map[*compare.Finding]bool
	ordered []extent            // bytes of which it was said that they are in another order
	sources map[string]*sources // of crates, by name and version
}

// extent are bytes of a part.
type extent struct {
	part     *compare.Finding
	from, to int64
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
	seen := map[string]bool{}
	x := &explainer{Context: c, settled: map[*compare.Finding]bool{}, sources: map[string]*sources{}}
	var rest []*place
	for _, p := range places(f) {
		if x.settled[p.part()] {
			continue
		}
		if derived(p) {
			rest = append(rest, p)
			continue
		}
		rank, found := x.ask(p)
		if rank < 0 {
			rest = append(rest, p)
			continue
		}
		for _, h := range found {
			x.blame(&rules[rank], p, &h)
			// One rule speaks once of one thing.
			key := h.Rule + "\x00" + h.Where + "\x00" + h.Title
			if !seen[key] {
				seen[key] = true
				hits = append(hits, hit{rank, h})
			}
		}
	}
	// Of the same thing, what names somebody says more.
	hits = slices.DeleteFunc(hits, func(h hit) bool {
		return h.Where == "" && slices.ContainsFunc(hits, func(o hit) bool { return o.Rule == h.Rule && o.Title == h.Title && o.Where != "" })
	})
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.rank, b.rank) })
	open := slices.ContainsFunc(rest, func(p *place) bool { return !consequence(p) })
	var out []Cause
	for _, h := range hits {
		if rules[h.rank].follows && (len(out) > 0 || open && (h.Rule == buildID || h.Rule == targetCPU)) {
			continue // it follows from what is known already, or from what is not known
		}
		if len(out) < maxCauses {
			out = append(out, h.Cause)
		}
	}
	if u := unexplained(f, rest, out); u != nil {
		out = append(out, *u)
	}
	return out
}

// ask finds the first rule that knows a place, and what it says of it. A rule
// that knows a place and says nothing tells that it means nothing.
func (x *explainer) ask(p *place) (rank int, found []Cause) {
	for rank, r := range rules {
		found, known := r.match(x, p)
		if !known {
			continue
		}
		for i := range found {
			h := &found[i]
			h.Rule, h.Known = r.Name, true
			h.Title, h.Fix, h.Axis = cmp.Or(h.Title, r.Title), cmp.Or(h.Fix, r.Fix), cmp.Or(h.Axis, r.Axis)
			h.Path = cmp.Or(h.Path, p.path)
			if len(h.Proof) == 0 {
				h.Proof = []string{evidence(p)}
			}
		}
		return rank, found
	}
	return -1, nil
}

// unexplained is the cause of what no rule knew. Where some cause is known,
// code, tables and debug information are taken to follow from it.
func unexplained(f *compare.Finding, list []*place, known []Cause) *Cause {
	list = slices.DeleteFunc(list, func(p *place) bool { return len(known) > 0 && consequence(p) })
	if len(list) == 0 && len(known) > 0 {
		return nil
	}
	u := &Cause{Rule: Unknown, Title: "no rule knows this difference", Path: f.Name,
		Fix: "build again with fewer axes (--vary) to find what it depends on"}
	for i, p := range list {
		if i == 0 {
			u.Path = p.path
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
	s.WriteString(p.path)
	if p.d.Symbol != "" {
		fmt.Fprintf(&s, " (%s)", p.d.Symbol)
	}
	switch n := p.note(); {
	case p.field != nil:
		fmt.Fprintf(&s, ": %s is %s in A, %s in B", p.field.Name, cut(p.field.A), cut(p.field.B))
	case len(p.d.A) > 0 || len(p.d.B) > 0:
		fmt.Fprintf(&s, ": %s in A, %s in B", quote(p.d.A), quote(p.d.B))
	case n != "":
		s.WriteString(": " + cut(n))
	}
	return s.String()
}

// cut shortens a text for a line.
func cut(s string) string {
	if len(s) > 160 {
		return s[:160] + "…"
	}
	return s
}

// quote shows bytes in a line: as a string if they are text, else in
// hexadecimal.
func quote(p []byte) string {
	const most = 72
	for _, c := range p[:min(len(p), most)] {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			if len(p) > 16 {
				return fmt.Sprintf("%x…", p[:16])
			}
			return fmt.Sprintf("%x", p)
		}
	}
	if len(p) > most {
		return fmt.Sprintf("%q…", p[:most])
	}
	return fmt.Sprintf("%q", p)
}

// digestLike is a digest as a member of a document.
var digestLike = regexp.MustCompile(`^"sha(256|512):[0-9a-f]{64}`)

// derived says whether a place is in a table that no rule has to look at.
func derived(p *place) bool {
	f := p.part()
	if p.container().Kind == compare.Ar && (f.Name == "/" || f.Name == "/SYM64/" || strings.HasPrefix(f.Name, "__.SYMDEF")) {
		return true
	}
	if f.Kind == compare.JSON && digestLike.Match(p.d.A) && digestLike.Match(p.d.B) {
		return true
	}
	if f.Kind != compare.Section {
		return false
	}
	for _, s := range []string{"[", ".symtab", ".shstrtab", ".dynsym", ".rel", ".eh_frame", ".gcc_except_table", ".got", ".hash", ".gnu.hash", ".reloc", ".pdata"} {
		if strings.HasPrefix(f.Name, s) {
			return true
		}
	}
	return false
}

// consequence says whether a place follows from others in its file: code that
// moved, tables, debug information, hashes over the rest.
func consequence(p *place) bool {
	f := p.part()
	switch f.Kind {
	case compare.Symbols, compare.Unit, compare.Debug:
		return true
	case compare.Section:
		for _, s := range []string{"[", ".text", ".debug_", ".symtab", ".strtab", ".shstrtab", ".rel", ".got", ".eh_frame", ".gcc_except_table", ".plt",
			".note.gnu.build-id", ".note.go.buildid", ".gnu", ".dyn", ".hash", ".init_array", ".fini_array", ".data.rel.ro", ".tdata", ".llvmbc", ".group",
			".pdata", ".xdata", ".reloc", ".idata", ".edata", "code", "function", "type", "element", "export", "custom name", ".nv"} {
			if strings.HasPrefix(f.Name, s) {
				return true
			}
		}
		// Numbers between strings: addresses and lengths. One that is written in digits is none.
		return len(p.d.A) > 0 && len(p.d.B) > 0 && (len(p.d.A) <= 8 && !textual(p.d.A) || len(p.d.A) <= 2 && len(p.d.B) <= 2) && !inDigits(p)
	case compare.Rmeta:
		return !textual(p.d.A)
	case compare.JSON:
		// A digest or a size in a manifest follows from the layers.
		return strings.HasSuffix(p.path, "/digest") || strings.HasSuffix(p.path, "/size") || strings.Contains(p.path, "/diff_ids/")
	}
	switch f.Name {
	case "/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED", "manifest", "index", "manifest.json":
		return true
	}
	return false
}

// inDigits says whether both sides have another decimal number at a place.
func inDigits(p *place) bool {
	a, b := around(decimal, p.a, p.at), around(decimal, p.b, p.at)
	return a != "" && b != "" && a != b
}

func textual(p []byte) bool {
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return len(p) > 0
}
