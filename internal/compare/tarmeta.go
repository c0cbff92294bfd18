package compare

import (
	"archive/tar"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// meta are the fields of a tar header but name and size. The PAX records are
// among them: that there are some is a difference too.
type meta struct {
	typ        byte
	mode       int64
	uid, gid   int
	names      string
	mtime      int64 // nanoseconds
	link       string
	major, min int64
	pax        string
	format     tar.Format
}

func metaOf(h *tar.Header) meta {
	m := meta{typ: h.Typeflag, mode: h.Mode, uid: h.Uid, gid: h.Gid, mtime: h.ModTime.UnixNano(), link: h.Linkname,
		major: h.Devmajor, min: h.Devminor, format: h.Format}
	if h.Uname != "" || h.Gname != "" {
		m.names = fmt.Sprintf("%q:%q", h.Uname, h.Gname)
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if len(m.pax) > 4096 {
			m.pax += " …"
			break
		}
		m.pax += fmt.Sprintf(" %.200s=%.200q", k, h.PAXRecords[k])
	}
	return m
}

// diff are the fields that differ.
func (m meta) diff(n meta) (out []Field) {
	field := func(name string, a, b any) { out = differ(out, name, a, b) }
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return strings.TrimPrefix(s, " ")
	}
	at := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	field("type", fmt.Sprintf("%q", m.typ), fmt.Sprintf("%q", n.typ))
	field("mode", fmt.Sprintf("%#o", m.mode), fmt.Sprintf("%#o", n.mode))
	field("owner", fmt.Sprintf("%d:%d", m.uid, m.gid), fmt.Sprintf("%d:%d", n.uid, n.gid))
	field("owner's name", or(m.names), or(n.names))
	field("mtime", at(m.mtime), at(n.mtime))
	field("link target", fmt.Sprintf("%q", m.link), fmt.Sprintf("%q", n.link))
	field("device", fmt.Sprintf("%d:%d", m.major, m.min), fmt.Sprintf("%d:%d", n.major, n.min))
	field("format", m.format, n.format)
	field("PAX records", or(m.pax), or(n.pax))
	return out
}
