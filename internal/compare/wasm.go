package compare

import (
	"errors"
	"fmt"
)

// wasmSections are the names of sections by their identifier, after the
// WebAssembly core specification, 5.5.2.
var wasmSections = []string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count", "tag"}

// wasm compares two modules section by section.
func (c *run) wasm(f *Finding, path string, a, b blob, depth int) error {
	ra, err := c.wasmRegions(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	rb, err := c.wasmRegions(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	f.Parts, f.More, err = c.regions(path, ra, rb, func(region, uint64) string { return "" }, depth)
	if err == nil && len(f.Parts) == 0 {
		f.Note = "every section is the same; the order or the encoding of the sizes differs"
	}
	return err
}

func (c *run) wasmRegions(b blob) ([]region, error) {
	out := []region{{name: "[header]", blob: b.part(0, 8)}}
	seen := map[string]int{}
	for off := int64(8); off < b.size; {
		h, err := b.part(off, 11).head(11)
		if err != nil {
			return nil, err
		}
		size, n := leb(h[1:])
		start := off + 1 + int64(n)
		if n == 0 || size > uint64(b.size-start) {
			return nil, fmt.Errorf("the section at %#x reaches past the end", off)
		}
		if len(out) >= c.lim.Entries {
			return nil, errors.New("too many sections")
		}
		r := region{name: fmt.Sprintf("section %d", h[0]), blob: b.part(start, int64(size)), code: h[0] == 10}
		if int(h[0]) < len(wasmSections) {
			r.name = wasmSections[h[0]]
		}
		if h[0] == 0 {
			if r.name, r.blob, err = wasmCustom(r.blob); err != nil {
				return nil, err
			}
		}
		r.nth = seen[r.name]
		seen[r.name]++
		out = append(out, r)
		off = start + int64(size)
	}
	return out, nil
}

// wasmCustom takes the name off a custom section.
func wasmCustom(b blob) (string, blob, error) {
	h, err := b.head(300)
	if err != nil {
		return "", b, err
	}
	size, n := leb(h)
	if n == 0 || size > 256 || n+int(size) > len(h) {
		return "", b, errors.New("a custom section without a name")
	}
	from := n + int(size)
	return "custom " + string(h[n:from]), b.part(int64(from), b.size), nil
}
