package report

import (
	"fmt"

	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/verdict"
)

// node is a finding on the page.
type node struct {
	Name, Kind, Sizes string
	Notes             []string
	Fields            []compare.Field
	First             *place  // the first range
	Rest              []place // the other ones
	RestText          string  // "5 further places"
	Beyond            string  // "the first 8 of 37 places are shown"
	Parts             []node
	More              string
	Open              bool
}

// place is a range on the page.
type place struct {
	Path, Extent, Note string
	Sides              []side
}

// tree makes the nodes of a finding. Those on the way to the first difference
// are open.
func tree(f *compare.Finding, open bool) node {
	n := node{Name: verdict.Clean(f.Name), Kind: verdict.Clean(string(f.Kind)), Sizes: bothSizes(f.SizeA, f.SizeB), Open: open}
	if f.Kind == compare.Raw {
		n.Kind = ""
	}
	if f.Note != "" {
		n.Notes = append(n.Notes, verdict.Clean(f.Note))
	}
	for _, x := range f.Fields {
		n.Fields = append(n.Fields, compare.Field{Name: verdict.Clean(x.Name), A: verdict.Clean(x.A), B: verdict.Clean(x.B)})
	}
	if len(n.Fields) > 0 {
		n.Notes = nil // the note says the same in words
	}
	for i := range f.Ranges {
		p := newPlace(&f.Ranges[i], f.Note)
		if i == 0 {
			n.First = &p
			continue
		}
		n.Rest = append(n.Rest, p)
	}
	if len(n.Rest) > 0 {
		n.RestText = count(len(n.Rest), "further place")
	}
	if len(f.Ranges) > 0 {
		if c := f.Ranges[0].Count; c > len(f.Ranges) {
			n.Beyond = fmt.Sprintf("%d of %s are shown", len(f.Ranges), count(c, "place"))
			if c >= 1000 {
				n.Beyond = fmt.Sprintf("%d of 1000 or more places are shown", len(f.Ranges))
			}
		}
	}
	for i, p := range f.Parts {
		n.Parts = append(n.Parts, tree(p, open && i == 0))
	}
	if f.More > 0 {
		n.More = "and " + count(f.More, "more part") + " that differ"
		if f.More == 1 {
			n.More = "and 1 more part that differs"
		}
	}
	return n
}

// newPlace makes a place; noted is what is said of its part already.
func newPlace(d *compare.Difference, noted string) place {
	p := place{Path: verdict.Clean(d.Path), Extent: extent(d)}
	if d.Note != noted {
		p.Note = verdict.Clean(d.Note)
	}
	if len(d.A) > 0 || len(d.B) > 0 {
		p.Sides = sides(d)
	}
	return p
}

// extent says how much differs and in what: "18 bytes in main+0x12".
func extent(d *compare.Difference) string {
	s := ""
	if d.Length > 0 {
		s = verdict.Size(d.Length)
	}
	if d.Symbol != "" {
		s += " in " + verdict.Clean(d.Symbol)
	}
	return s
}

// bothSizes tells two sizes of a part apart; -1 means that it isn't there.
func bothSizes(a, b int64) string {
	x, y := verdict.Size(a), verdict.Size(b)
	switch {
	case a < 0 && b < 0:
		return ""
	case a < 0:
		return y + ", only in B"
	case b < 0:
		return x + ", only in A"
	case a == b:
		return x
	case x == y:
		x, y = fmt.Sprintf("%d bytes", a), fmt.Sprintf("%d bytes", b)
	}
	return x + " in A, " + y + " in B"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
