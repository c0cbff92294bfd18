package cause

import (
	"cmp"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// place is a difference and the parts that lead to it: a range of bytes, a
// field of a header, or a part that only one side has.
type place struct {
	// chain are the findings from the artefact to the innermost part.
	chain []*compare.Finding
	path  string
	// field is the field that differs, if the place is one.
	field *compare.Field
	// d is the range, if the place is one.
	d compare.Difference
	// a and b are what the sides have there, as far as it was kept, and at is
	// where they first differ.
	a, b []byte
	at   int
}

// part is the innermost part.
func (p *place) part() *compare.Finding { return p.chain[len(p.chain)-1] }

// container is the part around the innermost one.
func (p *place) container() *compare.Finding {
	if len(p.chain) < 2 {
		return &compare.Finding{}
	}
	return p.chain[len(p.chain)-2]
}

// inside says whether some part around the place, or itself, is of a kind.
func (p *place) inside(k compare.Kind) bool {
	for _, f := range p.chain {
		if f.Kind == k {
			return true
		}
	}
	return false
}

// note is what was said of the place in words.
func (p *place) note() string { return cmp.Or(p.d.Note, p.part().Note) }

// only is the side, "A" or "B", that alone has the part; empty if both do.
func (p *place) only() string {
	if s, ok := strings.CutPrefix(p.d.Note, "only in "); ok {
		return s
	}
	return ""
}

// pointer is the place in a JSON document.
func (p *place) pointer() string {
	if p.part().Kind != compare.JSON || p.field != nil {
		return ""
	}
	if i := strings.LastIndex(p.path, ":/"); i >= 0 {
		return p.path[i+1:]
	}
	return ""
}

const maxPlaces = 400 // of one finding that rules look at

// places lists where the sides differ, in the tree's order: of each part its
// fields, what is in it, its ranges.
func places(f *compare.Finding) []*place {
	var out []*place
	add := func(p *place) {
		if len(out) < maxPlaces {
			out = append(out, p)
		}
	}
	var walk func(f *compare.Finding, chain []*compare.Finding, path string)
	walk = func(f *compare.Finding, chain []*compare.Finding, path string) {
		if f == nil || len(out) >= maxPlaces {
			return
		}
		chain = append(chain[:len(chain):len(chain)], f)
		if len(chain) > 1 {
			path += "/" + f.Name
		}
		at := path
		if len(f.Ranges) > 0 {
			at = f.Ranges[0].Path
		}
		for i := range f.Fields {
			x := &f.Fields[i]
			add(&place{chain: chain, path: at, field: x, a: []byte(x.A), b: []byte(x.B), at: common(x.A, x.B)})
		}
		for _, p := range f.Parts {
			walk(p, chain, path)
		}
		for _, d := range f.Ranges {
			if len(f.Fields) > 0 && len(d.A) == 0 && len(d.B) == 0 {
				continue // it says in words what the fields are
			}
			p := &place{chain: chain, path: d.Path, d: d, a: d.WideA, b: d.WideB, at: d.WideAt}
			if p.a == nil && p.b == nil {
				p.a, p.b, p.at = d.A, d.B, d.Before
			}
			add(p)
		}
		if len(f.Ranges) == 0 && len(f.Fields) == 0 && f.Note != "" {
			add(&place{chain: chain, path: at, d: compare.Difference{Path: at, Note: f.Note, SizeA: f.SizeA, SizeB: f.SizeB}})
		}
	}
	if f != nil {
		walk(f, nil, f.Name)
	}
	return out
}

// common is how many bytes at their starts two strings share.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// word is the printable run around a place in a side's bytes.
func word(p []byte, at int) string {
	printable := func(c byte) bool { return c >= ' ' && c < 0x7f }
	at = min(at, len(p))
	from, to := at, at
	for from > 0 && printable(p[from-1]) {
		from--
	}
	for to < len(p) && printable(p[to]) {
		to++
	}
	return string(p[from:to])
}

// words are the printable runs of both sides around the place.
func (p *place) words() (a, b string) { return word(p.a, p.at), word(p.b, p.at) }
