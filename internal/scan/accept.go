package scan

import "strconv"

// around is how many bytes on either side of a match an acceptor may see.
const around = 48

// acceptor decides by what stands around a match. At the file's ends that is
// shorter.
//
// Rust puts string literals side by side with nothing between, so that a letter before a date or a
// long name does not mean that it is part of a word.
type acceptor func(before, match, after []byte) bool

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// notInNumber refuses a match that more digits precede or follow.
func notInNumber(before, _, after []byte) bool {
	return (len(before) == 0 || !digit(before[len(before)-1])) && (len(after) == 0 || !digit(after[0]))
}

// wholeWord refuses a match that a letter, digit, "_" or "-" precedes or follows.
func wholeWord(before, _, after []byte) bool {
	in := func(c byte) bool { return digit(c) || letter(c) || c == '_' || c == '-' }
	return (len(before) == 0 || !in(before[len(before)-1])) && (len(after) == 0 || !in(after[0]))
}

// digits are how many digits p starts with.
func digits(p []byte) int {
	n := 0
	for n < len(p) && digit(p[n]) {
		n++
	}
	return n
}

// compactDate takes eight digits that stand alone or are followed by a time
// of day: hours and minutes, seconds, milliseconds.
func compactDate(before, _, after []byte) bool {
	if len(before) > 0 && digit(before[len(before)-1]) {
		return false
	}
	switch digits(after) {
	case 0:
		return true
	case 4, 6, 9:
		return string(after[:2]) < "24" && after[2] < '6'
	}
	return false
}

// decimalIn takes ten digits in a window of which the match is the start,
// followed by no more digits or three, six or nine.
func decimalIn(from, to int64) acceptor {
	return func(before, match, after []byte) bool {
		if n := len(before); n > 0 && (digit(before[n-1]) || before[n-1] == '.') {
			return false
		}
		free := 10 - len(match)
		if n := digits(after) - free; n < 0 || n > 9 || n%3 != 0 {
			return false
		}
		v, err := strconv.ParseInt(string(match)+string(after[:free]), 10, 64)
		return err == nil && from <= v && v <= to
	}
}
