package compare

import (
	"fmt"
	"regexp"
	"strings"
)

// key pairs parts: the n-th of a name with the n-th.
type key struct {
	name string
	nth  int
}

// String is the name as a path shows it.
func (k key) String() string {
	if k.nth == 0 {
		return k.name
	}
	return fmt.Sprintf("%s(%d)", k.name, k.nth+1)
}

// pair goes through the parts of two containers: those of A in their order,
// then those that only B has. Parts that differ in their bytes come before those that only
// one side has. It reports at most c.lim.Findings and the number of the rest.
func pair[T any](c *run, a, b []T, id func(T) key, only func(part T, side string) *Finding,
	both func(a, b T) (*Finding, error)) (parts []*Finding, more int, err error) {
	inB := make(map[key]T, len(b))
	for _, p := range b {
		inB[id(p)] = p
	}
	inA := make(map[key]bool, len(a))
	for _, p := range a {
		inA[id(p)] = true
	}
	renamed := rename(a, b, id, inA, inB)
	var single []*Finding
	for _, pa := range a {
		if err := c.ctx.Err(); err != nil {
			return nil, 0, err
		}
		pb, ok := inB[id(pa)]
		other, isRenamed := renamed[id(pa)]
		if isRenamed {
			pb, ok = inB[other], true
		}
		if !ok {
			if len(single) < c.lim.Findings {
				single = append(single, only(pa, "A"))
			} else {
				more++
			}
			continue
		}
		f, err := both(pa, pb)
		if isRenamed && err == nil {
			f = named(f, only(pa, "A"), id(pa), other)
		}
		switch {
		case err != nil:
			return nil, 0, err
		case f == nil:
		case len(parts) < c.lim.Findings:
			parts = append(parts, f)
		default:
			more++
		}
	}
	taken := map[key]bool{}
	for _, k := range renamed {
		taken[k] = true
	}
	for _, pb := range b {
		if inA[id(pb)] || taken[id(pb)] {
			continue
		}
		if len(single) < c.lim.Findings {
			single = append(single, only(pb, "B"))
		} else {
			more++
		}
	}
	if over := len(parts) + len(single) - c.lim.Findings; over > 0 {
		single, more = single[:len(single)-over], more+over
	}
	return append(parts, single...), more, nil
}

// hashes are what compilers put into names.
var hashes = regexp.MustCompile(`[0-9a-f]{8,}`)

// rename finds the parts that only one side has and whose names differ in
// nothing but a hash: from the key in A to that in B.
func rename[T any](a, b []T, id func(T) key, inA map[key]bool, inB map[key]T) map[key]key {
	mask := func(k key) string {
		if strings.HasPrefix(k.name, ".rodata.") { // compilers name the sections of constants by size, number or hash
			return ".rodata.#"
		}
		return hashes.ReplaceAllString(k.name, "#")
	}
	byMask := map[string][]key{}
	for _, p := range b {
		if k := id(p); !inA[k] && mask(k) != k.name {
			byMask[mask(k)] = append(byMask[mask(k)], k)
		}
	}
	out := map[key]key{}
	if len(byMask) == 0 {
		return out
	}
	for _, p := range a {
		k := id(p)
		if _, ok := inB[k]; ok {
			continue
		}
		if m := mask(k); len(byMask[m]) > 0 {
			out[k] = byMask[m][0]
			byMask[m] = byMask[m][1:]
		}
	}
	return out
}

// named adds to a finding that its part has two names; alone is the finding to use if
// nothing else differs.
func named(f, alone *Finding, a, b key) *Finding {
	n := fmt.Sprintf("called %s in A, %s in B", a, b)
	if f == nil {
		f = alone
		f.Note, f.SizeB = n, f.SizeA
		for i := range f.Ranges {
			f.Ranges[i].Note, f.Ranges[i].SizeB = n, f.Ranges[i].SizeA
		}
		return f
	}
	f.Note = strings.TrimPrefix(f.Note+"; "+n, "; ")
	return f
}

// order says where two lists of the same parts first go apart.
func order[T any](a, b []T, id func(T) key) string {
	for i := range min(len(a), len(b)) {
		if x, y := id(a[i]), id(b[i]); x != y {
			return fmt.Sprintf("the order differs: part %d is %s in A, %s in B", i+1, x, y)
		}
	}
	return ""
}
