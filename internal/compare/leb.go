package compare

// leb reads an unsigned LEB128 number; n is 0 if there is none.
func leb(p []byte) (v uint64, n int) {
	for i, c := range p {
		if i >= 10 {
			return 0, 0
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
