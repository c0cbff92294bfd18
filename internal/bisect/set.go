package bisect

import "math/bits"

// Set is a set of axes: bit i stands for axis i.
type Set uint64

// MaxAxes is how many axes a Set can hold.
const MaxAxes = 64

// First is the set of the first n axes.
func First(n int) Set {
	if n >= MaxAxes {
		return ^Set(0)
	}
	return 1<<n - 1
}

// Of is the set of the given axes.
func Of(axes ...int) Set {
	var s Set
	for _, a := range axes {
		s |= 1 << a
	}
	return s
}

// Len is the number of axes in s.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// Has says whether axis i is in s.
func (s Set) Has(i int) bool { return s>>i&1 == 1 }

// Contains says whether all of t is in s.
func (s Set) Contains(t Set) bool { return t&^s == 0 }

// Axes are the axes in s, in order.
func (s Set) Axes() []int {
	var out []int
	for ; s != 0; s &= s - 1 {
		out = append(out, bits.TrailingZeros64(uint64(s)))
	}
	return out
}

// prefix is the set of the first n axes in s.
func (s Set) prefix(n int) Set {
	var p Set
	for ; n > 0 && s != 0; n-- {
		p |= s & -s
		s &= s - 1
	}
	return p
}
