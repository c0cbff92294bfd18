package compare

import (
	"fmt"
	"testing"
)

// bush is a tree of the given depth with as many parts each and one range a leaf.
func bush(depth, parts int) *Finding {
	f := &Finding{Name: fmt.Sprint(depth), Kind: Tar}
	if depth == 0 {
		f.Kind, f.Ranges = Raw, []Difference{{Length: 1, Count: 1}}
		return f
	}
	for range parts {
		f.Parts = append(f.Parts, bush(depth-1, parts))
	}
	return f
}

func TestTrim(t *testing.T) {
	f := bush(3, 5)
	whole := f.Count()
	if whole != 1+5+25+125*2 {
		t.Fatalf("%d", whole)
	}
	for n := range whole + 10 {
		got := f.Trim(n)
		if c := got.Count(); c > max(n, 1) || n >= whole && c != whole {
			t.Errorf("trimmed to %d: %d of %d", n, c, whole)
		}
		var walk func(f, g *Finding)
		walk = func(f, g *Finding) {
			if len(g.Parts)+g.More != len(f.Parts)+f.More {
				t.Errorf("trimmed to %d: %d parts and %d more of %d", n, len(g.Parts), g.More, len(f.Parts))
			}
			for i := range g.Parts {
				walk(f.Parts[i], g.Parts[i])
			}
		}
		walk(f, got)
	}
	if f.Count() != whole {
		t.Error("the tree itself was changed")
	}
	// The first of many parts does not take all.
	if got := f.Trim(60); len(got.Parts) != 5 || len(got.Parts[4].Parts) == 0 {
		t.Errorf("%d parts", len(got.Parts))
	}
	if (*Finding)(nil).Trim(3) != nil || (*Finding)(nil).Count() != 0 {
		t.Error("nil is not nil")
	}
}

func TestCheck(t *testing.T) {
	if err := bush(3, 2).Check(); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]*Finding{
		"deep":     bush(maxDepth+1, 1),
		"a hole":   {Parts: []*Finding{nil}},
		"size":     {SizeA: -2},
		"before":   {Ranges: []Difference{{A: Bytes("x"), Before: 2}}},
		"negative": {Ranges: []Difference{{Before: -1}}},
		"count":    {Ranges: []Difference{{Count: -1}}},
	} {
		if f.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
