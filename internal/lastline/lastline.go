// Package lastline makes of errors the text that the log of a call
// ends with, for engines that show an error's text and nothing else, and for
// people who read the end of a log first. The last line says what happened and
// what to do:
//
//	pushing to …: the registry answers 401 Unauthorized; hint: it wants a login: …
//
// More, where there is more, stands above it.
package lastline

import (
	"regexp"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

const sep = "; hint: "

// noise is what engines add to the errors of their own calls, and the folder
// that a call of the Dagger module works in.
var noise = regexp.MustCompile(` ?\[traceparent:[0-9a-f-]+\]|\bwork-[0-9]+/`)

// Error is err with its hint in the text, which ends without a line feed. A nil
// err stays nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimRight(noise.ReplaceAllString(err.Error(), ""), " \n")
	if h := fault.HintOf(err); h != "" {
		text += sep + h
	}
	return &told{err, text}
}

// Exec is Error for a command that failed: the last of what it printed stands
// above.
func Exec(err error, stdout, stderr string) error {
	if printed := Of(stdout+stderr, 20); err != nil && printed[0] != "" {
		return &told{err, strings.Join(printed, "\n") + "\n" + Error(err).Error()}
	}
	return Error(err)
}

// told is an error with another text.
type told struct {
	error
	text string
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.error }

// Of is the last n lines of a text; an empty text has one, which is empty.
func Of(text string, n int) []string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return all[max(0, len(all)-n):]
}
