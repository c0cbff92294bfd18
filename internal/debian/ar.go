package debian

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// member is a file in an ar archive.
type member struct {
	name         string
	offset, size int64
}

const (
	arMagic    = "!<arch>\n"
	arHeader   = 60
	maxMembers = 16 // a .deb has three, and a few more if signed
)

// arMembers lists the members of the ar archive that a .deb is. Names as dpkg
// writes them: at most 16 bytes, with or without a "/" at the end.
func arMembers(r io.ReaderAt, size int64) ([]member, error) {
	var head [arHeader]byte
	if _, err := r.ReadAt(head[:len(arMagic)], 0); err != nil || string(head[:len(arMagic)]) != arMagic {
		return nil, errors.New("not an ar archive")
	}
	var all []member
	for off := int64(len(arMagic)); off < size; {
		if len(all) == maxMembers {
			return nil, fmt.Errorf("more than %d members", maxMembers)
		}
		if size-off < arHeader {
			return nil, errors.New("cut off in the header of a member")
		}
		if _, err := r.ReadAt(head[:], off); err != nil {
			return nil, fmt.Errorf("reading ar header: %w", err)
		}
		if string(head[58:60]) != "`\n" {
			return nil, errors.New("malformed header of a member")
		}
		off += arHeader
		m := member{name: strings.TrimSuffix(strings.TrimRight(string(head[:16]), " "), "/"), offset: off}
		n, err := strconv.ParseInt(strings.TrimRight(string(head[48:58]), " "), 10, 64)
		if err != nil || n < 0 || n > size-off {
			return nil, fmt.Errorf("member %q: size %q is none or goes past the end", m.name, head[48:58])
		}
		m.size = n
		all = append(all, m)
		off += n + n&1
	}
	return all, nil
}
