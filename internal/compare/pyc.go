package compare

import (
	"encoding/binary"
	"fmt"
	"time"
)

// isPyc knows the magic number of Python 3: a version between 3000 and 3999,
// and "\r\n".
func isPyc(h []byte) bool {
	if len(h) < 16 || h[2] != '\r' || h[3] != '\n' {
		return false
	}
	v := binary.LittleEndian.Uint16(h)
	return v >= 3000 && v < 4000
}

// pyc compares compiled Python: a header of 16 bytes (PEP 552) with magic, flags and
// either the source's mtime and size or its hash, and the code.
func (c *run) pyc(f *Finding, path string, a, b blob, _ int) error {
	ha, err := a.head(16)
	if err != nil {
		return err
	}
	hb, err := b.head(16)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	f.Fields = differ(f.Fields, "magic", le.Uint16(ha), le.Uint16(hb))
	f.Fields = differ(f.Fields, "flags", le.Uint32(ha[4:]), le.Uint32(hb[4:]))
	if ha[4] == 0 && hb[4] == 0 {
		at := func(h []byte) string { return time.Unix(int64(le.Uint32(h[8:])), 0).UTC().Format(time.RFC3339) }
		f.Fields = differ(f.Fields, "source mtime", at(ha), at(hb))
		f.Fields = differ(f.Fields, "source size", le.Uint32(ha[12:]), le.Uint32(hb[12:]))
	} else {
		f.Fields = differ(f.Fields, "source hash", fmt.Sprintf("%x", ha[8:16]), fmt.Sprintf("%x", hb[8:16]))
	}
	f.Note = text(f.Fields)
	_, err = c.shifted(f, path+":", a.part(16, a.size), b.part(16, b.size))
	return err
}
