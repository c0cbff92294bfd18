package compare

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// noteAt names the ELF note that holds an offset of a section of notes. A note
// is three words (length of the name, length of the content, type), the name
// and the content, each padded to four bytes.
func noteAt(r region, bo binary.ByteOrder, off uint64) string {
	p, err := r.head(64 << 10)
	if err != nil {
		return ""
	}
	for at := uint64(0); at+12 <= uint64(len(p)); {
		name, desc, typ := uint64(bo.Uint32(p[at:])), uint64(bo.Uint32(p[at+4:])), bo.Uint32(p[at+8:])
		body := at + 12 + (name+3)&^3
		end := body + (desc+3)&^3
		if end > uint64(len(p)) {
			return ""
		}
		if off < end {
			return "note " + noteName(strings.TrimRight(string(p[at+12:at+12+name]), "\x00"), typ)
		}
		at = end
	}
	return ""
}

func noteName(owner string, typ uint32) string {
	names := map[string]string{"GNU/1": "GNU ABI tag", "GNU/3": "GNU build ID", "GNU/4": "GNU gold version", "GNU/5": "GNU properties"}
	if n := names[fmt.Sprintf("%s/%d", owner, typ)]; n != "" {
		return n
	}
	return fmt.Sprintf("%.32q %d", owner, typ)
}
