package inflate

import "math/bits"

const (
	litBits  = 11 // of codes that are looked up at once
	distBits = 9
	preBits  = 7
	maxBits  = 15
)

// A table's entry: how many bits the code has in bits 0 to 7, how many extra bits follow in 8 to
// 11, and the literal, or the least length or distance, from 16 on.
const (
	literal    = 1 << 12
	further    = 1 << 13 // the code is longer: bits 8 to 11 say by how many bits at most, 16 on where in more
	special    = 1 << 14 // no value: an end of block, or no code at all
	endOfBlock = 1 << 15
)

type litTable struct {
	primary [1 << litBits]uint32
	more    [1 << (litBits + 1)]uint32
}

type distTable struct {
	primary [1 << distBits]uint32
	more    [1 << (distBits + 1)]uint32
}

// What the symbols of lengths and distances mean (RFC 1951, 3.2.5).
var litValues, distValues = values()

func values() (lit [288]uint32, dist [32]uint32) {
	for i := range 256 {
		lit[i] = literal | uint32(i)<<16
	}
	lit[256] = special | endOfBlock
	base := uint32(3)
	for i := 257; i < 285; i++ {
		extra := uint32(max(0, i-261) / 4)
		lit[i] = extra<<8 | base<<16
		base += 1 << extra
	}
	lit[285] = 258 << 16
	lit[286], lit[287] = special, special
	base = 1
	for i := range 30 {
		extra := uint32(max(0, i-2) / 2)
		dist[i] = extra<<8 | base<<16
		base += 1 << extra
	}
	dist[30], dist[31] = special, special
	return lit, dist
}

var fixedLit, fixedDist = fixed()

// fixed are the codes of RFC 1951, 3.2.6.
func fixed() (l litTable, d distTable) {
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144 || i >= 280:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		default:
			lens[i] = 7
		}
	}
	var five [32]uint8
	for i := range five {
		five[i] = 5
	}
	if !build(l.primary[:], l.more[:], litBits, lens[:], litValues[:]) || !build(d.primary[:], d.more[:], distBits, five[:], distValues[:]) {
		panic("the fixed codes are none")
	}
	return l, d
}

// build fills a table with the canonical code of these lengths (RFC 1951, 3.2.2).
// It is false if they make none: too many, or, as zlib sees it, too few: then there may be
// one code, of one bit, or none.
func build(primary, more []uint32, width uint, lens []uint8, values []uint32) bool {
	var count [maxBits + 1]int
	for _, n := range lens {
		count[n]++
	}
	count[0] = 0
	left, longest := 1, 0
	var next [maxBits + 2]int
	for n := 1; n <= maxBits; n++ {
		next[n+1] = (next[n] + count[n]) << 1
		if left = left<<1 - count[n]; left < 0 {
			return false
		}
		if count[n] > 0 {
			longest = n
		}
	}
	for i := range primary {
		primary[i] = special
	}
	if left > 0 && longest > 1 {
		return false
	}
	// How many bits beyond width the codes of a prefix take at most.
	var deepest [1 << litBits]uint8
	code := next
	for _, n := range lens {
		if n == 0 {
			continue
		}
		c := code[n]
		code[n]++
		if uint(n) > width {
			p := bits.Reverse16(uint16(c)) >> (16 - n) & (1<<width - 1)
			deepest[p] = max(deepest[p], n-uint8(width))
		}
	}
	used := 0
	for p := range 1 << width {
		if n := deepest[p]; n > 0 {
			if used+1<<n > len(more) {
				return false
			}
			primary[p] = further | uint32(n)<<8 | uint32(used)<<16
			for i := range 1 << n {
				more[used+i] = special
			}
			used += 1 << n
		}
	}
	for s, n := range lens {
		if n == 0 {
			continue
		}
		c := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := values[s] | uint32(n)
		if uint(n) <= width {
			for i := c; i < 1<<width; i += 1 << n {
				primary[i] = e
			}
			continue
		}
		p := primary[c&(1<<width-1)]
		deep, at := uint(p>>8&0xf), int(p>>16)
		for i := c >> width; i < 1<<deep; i += 1 << (uint(n) - width) {
			more[at+i] = e
		}
	}
	return true
}

// order is how the lengths of the code of code lengths come (RFC 1951, 3.2.7).
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes of a block.
func (d *decoder) readCodes() error {
	v, err := d.take(14)
	if err != nil {
		return err
	}
	lits, dists, pres := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if lits > 286 || dists > 30 {
		return errCorrupt
	}
	var pre [19]uint8
	for _, i := range order[:pres] {
		n, err := d.take(3)
		if err != nil {
			return err
		}
		pre[i] = uint8(n)
	}
	var table [1 << preBits]uint32
	var names [19]uint32
	for i := range names {
		names[i] = uint32(i) << 16
	}
	if !build(table[:], nil, preBits, pre[:], names[:]) {
		return errCorrupt
	}
	var lens [286 + 30]uint8
	for i := 0; i < lits+dists; {
		if err := d.need(preBits + 7); err != nil {
			return err
		}
		e := table[d.bits&(1<<preBits-1)]
		if e&special != 0 {
			return errCorrupt
		}
		d.bits >>= e & 0xff
		d.nbits -= uint(e & 0xff)
		sym := uint8(e >> 16)
		if sym < 16 {
			lens[i] = sym
			i++
			continue
		}
		var n uint32
		var again uint8
		switch sym {
		case 16:
			if i == 0 {
				return errCorrupt
			}
			again = lens[i-1]
			n, err = d.take(2)
			n += 3
		case 17:
			n, err = d.take(3)
			n += 3
		case 18:
			n, err = d.take(7)
			n += 11
		}
		if err != nil {
			return err
		}
		if i+int(n) > lits+dists {
			return errCorrupt
		}
		for range n {
			lens[i] = again
			i++
		}
	}
	if lens[256] == 0 {
		return errCorrupt // it would never end
	}
	if !build(d.lit.primary[:], d.lit.more[:], litBits, lens[:lits], litValues[:]) ||
		!build(d.dist.primary[:], d.dist.more[:], distBits, lens[lits:lits+dists], distValues[:]) {
		return errCorrupt
	}
	return nil
}
