package compare

import (
	"errors"
	"slices"
)

// maxDepth is how deep a stored tree of findings may be: more than Limits.Depth
// containers, with the sections and members in them.
const maxDepth = 64

// Trim is a copy of the tree with at most n findings and ranges in it. The parts
// of a finding share what there is; what one of them doesn't need the next ones
// have. More counts what is left out. A nil finding stays nil.
func (f *Finding) Trim(n int) *Finding {
	if f == nil {
		return nil
	}
	t, _ := f.trim(max(n, 1))
	return t
}

// trim returns how much of n is left.
func (f *Finding) trim(n int) (*Finding, int) {
	t := *f
	n--
	t.Ranges = slices.Clone(f.Ranges[:min(len(f.Ranges), n)])
	n -= len(t.Ranges)
	t.Parts = nil
	for i, p := range f.Parts {
		if n <= 0 {
			t.More += len(f.Parts) - i
			break
		}
		share := max(1, n/(len(f.Parts)-i))
		part, left := p.trim(share)
		t.Parts = append(t.Parts, part)
		n -= share - left
	}
	return &t, n
}

// Count is how many findings and ranges are in the tree.
func (f *Finding) Count() int {
	if f == nil {
		return 0
	}
	n := 1 + len(f.Ranges)
	for _, p := range f.Parts {
		n += p.Count()
	}
	return n
}

// Check refuses a tree that can't be a finding's: one that was read from a file
// somebody else may have written.
func (f *Finding) Check() error { return f.check(0) }

func (f *Finding) check(depth int) error {
	switch {
	case f == nil:
		return errors.New("a finding is missing")
	case depth > maxDepth:
		return errors.New("findings are nested too deeply")
	case f.SizeA < -1 || f.SizeB < -1 || f.More < 0:
		return errors.New("a finding has an impossible size")
	}
	for _, d := range f.Ranges {
		if err := d.Check(); err != nil {
			return err
		}
	}
	for _, p := range f.Parts {
		if err := p.check(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// Check refuses a difference whose numbers contradict its bytes.
func (d *Difference) Check() error {
	if d.Before < 0 || d.Before > len(d.A) && d.Before > len(d.B) || d.Count < 0 || d.Offset < 0 || d.SizeA < -1 || d.SizeB < -1 {
		return errors.New("a difference has an impossible size")
	}
	return nil
}
