package compare

import "fmt"

// regions compares the named stretches of two files, in A's order. The symbol
// function names what holds an offset of a stretch, where that is known.
func (c *run) regions(path string, a, b []region, symbol func(region, uint64) string, depth int) ([]*Finding, int, error) {
	return pair(c, a, b,
		func(r region) key { return key{r.name, r.nth} },
		func(r region, side string) *Finding {
			n := sectionName(r)
			out := onlyIn(side, n, path+":"+n, Section, r.size)
			out.Ranges[0].Section = n
			return out
		},
		func(ra, rb region) (*Finding, error) { return c.section(path, symbol, ra, rb, depth) })
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

// contents are the kinds that a section may be a file of.
var contents = map[Kind]bool{Fatbin: true, Rmeta: true}

func (c *run) section(path string, symbol func(region, uint64) string, ra, rb region, depth int) (*Finding, error) {
	same, err := c.equal(ra.blob, rb.blob)
	if err != nil || same {
		return nil, err
	}
	f := &Finding{Name: sectionName(ra), Kind: Section, SizeA: ra.size, SizeB: rb.size}
	path += ":" + f.Name
	if k, err := sniffBoth(ra.blob, rb.blob); err == nil && contents[k] && depth < c.lim.Depth {
		inner, err := c.blobs(string(k), path, ra.blob, rb.blob, depth+1)
		if err != nil {
			return nil, err
		}
		if inner != nil && inner.Kind == k {
			f.Parts = []*Finding{inner}
			setSection(inner, f.Name)
			return f, nil
		}
	}
	if err := c.data(f, path, ra, rb); err != nil {
		return nil, err
	}
	for i := range f.Ranges {
		d := &f.Ranges[i]
		d.Section = f.Name
		d.Symbol = symbol(ra, uint64(d.Offset))
	}
	return f, nil
}

// setSection names the outermost section of the ranges in a tree.
func setSection(f *Finding, name string) {
	for i := range f.Ranges {
		f.Ranges[i].Section = name
	}
	for _, p := range f.Parts {
		setSection(p, name)
	}
}

// data fills in the ranges of a section, by its strings where they moved.
func (c *run) data(f *Finding, path string, ra, rb region) error {
	if !ra.code && rank(ra.name) <= 3 {
		if ok, err := c.shifted(f, path, ra.blob, rb.blob); ok || err != nil {
			return err
		}
	}
	return c.ranges(f, path, ra.blob, rb.blob)
}

// shifted fills in a leaf's ranges by its strings if data moved in it.
func (c *run) shifted(f *Finding, path string, a, b blob) (bool, error) {
	spans, count, err := c.spans(a, b, 1)
	if err != nil || len(spans) == 0 {
		return false, err
	}
	if s := spans[0]; s.lenA == s.lenB && s.lenA < longRange {
		if count > 1 { // a few strings may have changed places
			return false, c.sameWords(f, a, b)
		}
		return false, nil
	}
	return c.moved(f, path, a, b)
}
