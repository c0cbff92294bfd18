// Package mutate damages data, for the tests that a damaged input is found out.
package mutate

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// Bytes changes one byte of data, or its structure. It always returns other bytes.
func Bytes(r *rand.Rand, data []byte) []byte {
	for {
		out := slices.Clone(data)
		n := max(len(out), 1)
		at, length := r.IntN(n), 1+r.IntN(min(n, 64))
		end := min(at+length, len(out))
		switch r.IntN(8) {
		case 0: // one bit
			if len(out) > 0 {
				out[at] ^= 1 << r.IntN(8)
			}
		case 1: // one byte
			if len(out) > 0 {
				out[at] = byte(r.IntN(256))
			}
		case 2: // a part left out
			out = slices.Delete(out, at, end)
		case 3: // a part twice
			out = slices.Insert(out, at, slices.Clone(out[at:end])...)
		case 4: // cut short
			out = out[:at]
		case 5: // longer
			out = append(out, make([]byte, length)...)
		case 6: // two parts change places
			mid := min(at+length/2, len(out))
			out = slices.Concat(out[:at], out[mid:end], out[at:mid], out[end:])
		case 7: // another part of the same file in its place
			from := r.IntN(n)
			copy(out[at:end], out[from:])
		}
		if !bytes.Equal(out, data) {
			return out
		}
	}
}
