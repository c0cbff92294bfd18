// Package hostile makes archives that try to reach out of where they are
// unpacked, for the tests of whatever reads archives of others: paths that climb
// or are absolute, links, hard links, devices, holes, and headers that contradict
// one another.
package hostile

import (
	"bytes"
	"fmt"
	"strings"
)

// Archive is one, with what it tries.
type Archive struct {
	Name string
	Data []byte
}

// A File is what stands in an archive before what is hostile.
type File struct{ Name, Content string }

// Tars are uncompressed tar archives. What is hostile in them lies below the
// folder at ("" or "x/") and aims at outside, an absolute path of a folder that
// must stay as it is. Each begins with the files given.
func Tars(at, outside string, first ...File) []Archive {
	up := strings.Repeat("../", 40) + strings.TrimPrefix(outside, "/")
	bare := strings.TrimPrefix(outside, "/")
	cases := []struct {
		name    string
		entries []entry
	}{
		{"climbs", []entry{file(at+up+"/a", "x")}},
		{"climbs from the root", []entry{file(up+"/a", "x")}},
		{"climbs after a folder", []entry{dir(at + "d"), file(at+"d/../../"+up+"/a", "x")}},
		{"climbs in the end", []entry{dir(at + "..")}},
		{"climbs by dots and slashes", []entry{file(at+"./..//.//"+up+"//a", "x")}},
		{"absolute", []entry{file(outside+"/a", "x")}},
		{"absolute below the folder", []entry{file(at+outside+"/a", "x")}},
		{"absolute with slashes", []entry{file("///"+bare+"/a", "x")}},
		{"backslashes", []entry{file(at+`..\..\..\a`, "x")}},
		{"a drive", []entry{file(`C:\a`, "x")}},
		{"a name with a NUL", []entry{pax("path", at+"a\x00/../"+up+"/a"), file(at+"a", "x")}},
		{"a name in a PAX record", []entry{pax("path", up+"/a"), file(at+"fine", "x")}},
		{"an absolute name in a PAX record", []entry{pax("path", outside+"/a"), file(at+"fine", "x")}},
		{"a long GNU name", []entry{{name: "././@LongLink", kind: 'L', data: up + "/a\x00"}, file(at+"fine", "x")}},
		{"a long GNU link", []entry{{name: "././@LongLink", kind: 'K', data: up + "\x00"}, link(at+"l", "fine"), file(at+"l/a", "x")}},
		{"a global PAX name", []entry{{name: "g", kind: 'g', data: record("path", up+"/a")}, file(at+"fine", "x")}},
		{"an empty name", []entry{file("", "x")}},
		{"the root as a file", []entry{file(".", "x")}},
		{"a link, and through it", []entry{link(at+"l", outside), file(at+"l/a", "x")}},
		{"a climbing link, and through it", []entry{link(at+"l", up), file(at+"l/a", "x")}},
		{"a link to a link, and through it", []entry{link(at+"k", ".."), link(at+"l", "k/"+up), file(at+"l/a", "x")}},
		{"a link in the place of a folder", []entry{dir(at + "d"), file(at+"d/b", "x"), link(at+"d", outside), file(at+"d/a", "x")}},
		{"a folder, then a link through it", []entry{link(at+"d", outside), dir(at + "d/e"), file(at+"d/e/a", "x")}},
		{"a link, then a file in its place", []entry{link(at+"a", outside+"/a"), file(at+"a", "x")}},
		{"a link in a PAX record", []entry{pax("linkpath", up), link(at+"l", "fine"), file(at+"l/a", "x")}},
		{"a link to nothing", []entry{link(at+"l", "")}},
		{"a hard link out", []entry{hard(at+"h", outside+"/b")}},
		{"a hard link that climbs", []entry{hard(at+"h", at+up+"/b"), file(at+"h", "x")}},
		{"a hard link that climbs from the root", []entry{hard(at+"h", up+"/b"), file(at+"h", "x")}},
		{"a hard link to nothing", []entry{hard(at+"h", at+"none")}},
		{"a hard link to itself", []entry{hard(at+"h", at+"h"), file(at+"h", "x")}},
		{"a hard link to a link", []entry{link(at+"l", outside+"/b"), hard(at+"h", at+"l"), file(at+"h", "x")}},
		{"a hard link through a link", []entry{link(at+"l", outside), hard(at+"h", at+"l/b"), file(at+"h", "x")}},
		{"a hard link to a folder", []entry{dir(at + "d"), hard(at+"h", at+"d"), file(at+"h/a", "x")}},
		{"a hard link with content", []entry{file(at+"f", "x"), {name: at + "h", kind: '1', link: at + "f", data: "other"}}},
		{"a character device", []entry{{name: at + "null", kind: '3', major: 1, minor: 3}}},
		{"a block device", []entry{{name: at + "disk", kind: '4', major: 8}}},
		{"a fifo", []entry{{name: at + "p", kind: '6'}}},
		{"an unknown type", []entry{{name: at + "v", kind: 'V', data: "x"}}},
		{"a multi-volume continuation", []entry{{name: at + "m", kind: 'M', data: "x"}}},
		{"below a file", []entry{file(at+"f", "x"), file(at+"f/g", "x")}},
		{"a file in the place of a folder", []entry{dir(at + "d"), file(at+"d/e", "x"), file(at+"d", "x")}},
		{"holes of a terabyte, old GNU", []entry{{name: at + "s", kind: 'S', data: "x", holes: 1 << 40}}},
		{"holes of a terabyte, PAX 0.1", []entry{pax("GNU.sparse.size", "1099511627776", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,1"), file(at+"s", "x")}},
		{"holes of a terabyte, PAX 1.0", []entry{pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", at+"s", "GNU.sparse.realsize", "1099511627776"), file(at+"t", "1\n0\n1\n"+strings.Repeat("\x00", 506)+"x")}},
		{"another name in a sparse record", []entry{pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", up+"/a", "GNU.sparse.realsize", "1"), file(at+"fine", "1\n0\n1\n"+strings.Repeat("\x00", 506)+"x")}},
		{"a sparse map that goes back", []entry{pax("GNU.sparse.size", "10", "GNU.sparse.numblocks", "2", "GNU.sparse.map", "5,5,0,5"), file(at+"s", "xxxxxxxxxx")}},
		{"a size of 8 EiB", []entry{pax("size", "9223372036854775807"), file(at+"s", "x")}},
		{"a negative size", []entry{pax("size", "-1"), file(at+"s", "x")}},
		{"a size that the content hasn't", []entry{{name: at + "s", kind: '0', data: "x", size: 1 << 32}}},
		{"an owner of 2^60", []entry{pax("uid", "1152921504606846976"), file(at+"o", "x")}},
		{"an owner of -1", []entry{pax("uid", "-1", "gid", "-1"), file(at+"o", "x")}},
		{"setuid root", []entry{{name: at + "su", kind: '0', mode: 0o6755, data: "x"}}},
		{"a time of the year 292277026596", []entry{pax("mtime", "9223372036854775807"), file(at+"t", "x")}},
		{"a time before all", []entry{pax("mtime", "-9223372036854775808"), file(at+"t", "x")}},
		{"records of a megabyte", []entry{pax("comment", strings.Repeat("x", 1<<20)), file(at+"c", "x")}},
		{"a record with a length of its own", []entry{{name: "x", kind: 'x', data: "99999999 path=" + up + "\n"}, file(at+"fine", "x")}},
		{"a path of 1,000 folders", []entry{pax("path", at+strings.Repeat("d/", 3000)+"a"), file(at+"fine", "x")}},
	}
	var all []Archive
	for _, c := range cases {
		var b bytes.Buffer
		for _, f := range first {
			file(f.Name, f.Content).write(&b)
		}
		for _, e := range c.entries {
			e.write(&b)
		}
		b.Write(make([]byte, 1024))
		all = append(all, Archive{c.name, b.Bytes()})
	}
	return all
}

// entry is written as it is: nobody checks that it makes sense.
type entry struct {
	name, link   string
	kind         byte
	mode         int64
	data         string
	size         int64 // what the header says; that of data if 0
	holes        int64 // size of an old GNU sparse file
	major, minor int64
}

func file(name, content string) entry { return entry{name: name, kind: '0', data: content} }
func dir(name string) entry           { return entry{name: name + "/", kind: '5', mode: 0o755} }
func link(name, to string) entry      { return entry{name: name, kind: '2', link: to} }
func hard(name, to string) entry      { return entry{name: name, kind: '1', link: to} }

// pax is an extended header for the entry after it.
func pax(pairs ...string) entry {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(record(pairs[i], pairs[i+1]))
	}
	return entry{name: "PaxHeaders.0/x", kind: 'x', data: b.String()}
}

// record is a line of an extended header: its own length in decimal comes first.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	for len(fmt.Sprint(n))+len(key)+len(value)+3 != n {
		n = len(fmt.Sprint(n)) + len(key) + len(value) + 3
	}
	return fmt.Sprintf("%d %s=%s\n", n, key, value)
}

// write writes a header in GNU's format. A name or link that is too long for it goes into
// an extended header first.
func (e entry) write(b *bytes.Buffer) {
	if long := []string{}; e.kind != 'x' && e.kind != 'g' && e.kind != 'L' && e.kind != 'K' {
		if len(e.name) > 100 {
			long = append(long, "path", e.name)
		}
		if len(e.link) > 100 {
			long = append(long, "linkpath", e.link)
		}
		if len(long) > 0 {
			pax(long...).write(b)
		}
	}
	size := e.size
	if size == 0 {
		size = int64(len(e.data))
	}
	mode := e.mode
	if mode == 0 {
		mode = 0o644
	}
	h := make([]byte, 512)
	copy(h[0:100], e.name)
	octal(h[100:108], mode)
	octal(h[108:116], 0)
	octal(h[116:124], 0)
	octal(h[124:136], size)
	octal(h[136:148], 1_600_000_000)
	h[156] = e.kind
	copy(h[157:257], e.link)
	copy(h[257:265], "ustar\x0000")
	octal(h[329:337], e.major)
	octal(h[337:345], e.minor)
	if e.kind == 'S' {
		copy(h[257:265], "ustar  \x00")
		octal(h[386:398], 0)
		octal(h[398:410], size)
		octal(h[410:422], e.holes)
		octal(h[422:434], 0)
		octal(h[483:495], e.holes)
	}
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	b.Write(h)
	b.WriteString(e.data)
	if over := len(e.data) % 512; over > 0 {
		b.Write(make([]byte, 512-over))
	}
}

// octal fills a field, in base 256 if it has too few digits.
func octal(field []byte, n int64) {
	text := fmt.Sprintf("%0*o", len(field)-1, n)
	if len(text) < len(field) {
		copy(field, text)
		return
	}
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}
