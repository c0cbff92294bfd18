package compare

import "fmt"

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
	var single []*Finding
	for _, pa := range a {
		if err := c.ctx.Err(); err != nil {
			return nil, 0, err
		}
		inA[id(pa)] = true
		pb, ok := inB[id(pa)]
		if !ok {
			if len(single) < c.lim.Findings {
				single = append(single, only(pa, "A"))
			} else {
				more++
			}
			continue
		}
		f, err := both(pa, pb)
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
	for _, pb := range b {
		if inA[id(pb)] {
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

// order says where two lists of the same parts first go apart.
func order[T any](a, b []T, id func(T) key) string {
	for i := range min(len(a), len(b)) {
		if x, y := id(a[i]), id(b[i]); x != y {
			return fmt.Sprintf("the order differs: part %d is %s in A, %s in B", i+1, x, y)
		}
	}
	return ""
}
