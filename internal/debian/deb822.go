package debian

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds on deb822 input: the longest lines of bookworm are Provides fields of
// about 100 KB.
const (
	maxLine      = 4 << 20
	maxParagraph = 16 << 20
)

// paragraphs reads deb822 text. It calls field for every field of a paragraph,
// with the text after the colon; continuation lines are passed one by one with
// an empty name. It calls end after each paragraph. The slices are good for
// the duration of the call. Comments are skipped.
func paragraphs(r io.Reader, field func(name, value []byte) error, end func() error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	var line, size int
	open := false // in a paragraph, so that a continuation line may come
	for s.Scan() {
		line++
		text := bytes.TrimRight(s.Bytes(), " \t\r")
		if size += len(text); size > maxParagraph {
			return fmt.Errorf("line %d: a paragraph of more than %d bytes", line, maxParagraph)
		}
		var err error
		switch {
		case len(text) == 0:
			if open {
				err = end()
			}
			open, size = false, 0
		case text[0] == '#':
		case text[0] == ' ' || text[0] == '\t':
			if !open {
				return fmt.Errorf("line %d: continues nothing", line)
			}
			err = field(nil, bytes.TrimSpace(text))
		default:
			i := bytes.IndexByte(text, ':')
			if i <= 0 || bytes.ContainsAny(text[:i], " \t") {
				return fmt.Errorf("line %d: no field name in %.40q", line, text)
			}
			open = true
			err = field(text[:i], bytes.TrimSpace(text[i+1:]))
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if err := s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("line %d: longer than %d bytes", line+1, maxLine)
		}
		return err
	}
	if open {
		return end()
	}
	return nil
}
