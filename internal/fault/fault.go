// Package fault attaches a hint to an error: what the user can do about it.
//
// The command prints an error as one line, `twice: error: …`, and its hint as
// a second, `twice: hint: …`. Both are lower case and have no full stop.
package fault

import (
	"errors"
	"fmt"
)

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint returns err with a hint. The hint nearest to the cause is the one that
// HintOf finds. A nil err stays nil.
func Hint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// Hintf is Hint with a format.
func Hintf(err error, format string, a ...any) error {
	return Hint(err, fmt.Sprintf(format, a...))
}

// HintOf returns the innermost hint in err's chain, or "". Of joined errors
// the first one that carries a hint decides.
func HintOf(err error) string {
	var hint string
	for err != nil {
		var h *hinted
		if !errors.As(err, &h) {
			return hint
		}
		hint, err = h.hint, h.error
	}
	return hint
}
