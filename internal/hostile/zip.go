package hostile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"strings"
)

// Zips are as Tars.
func Zips(at, outside string, first ...File) []Archive {
	up := strings.Repeat("../", 40) + strings.TrimPrefix(outside, "/")
	type member struct {
		name, text string
		mode       fs.FileMode
	}
	cases := []struct {
		name    string
		members []member
		change  func(b []byte) []byte
	}{
		{"climbs", []member{{at + up + "/a", "x", 0o644}}, nil},
		{"climbs from the root", []member{{up + "/a", "x", 0o644}}, nil},
		{"absolute", []member{{outside + "/a", "x", 0o644}}, nil},
		{"backslashes", []member{{at + `..\..\..\a`, "x", 0o644}}, nil},
		{"a drive", []member{{`C:\a`, "x", 0o644}}, nil},
		{"a NUL", []member{{at + "a\x00b", "x", 0o644}}, nil},
		{"an empty name", []member{{"", "x", 0o644}}, nil},
		{"a link, and through it", []member{{at + "l", outside, 0o777 | fs.ModeSymlink}, {at + "l/a", "x", 0o644}}, nil},
		{"a climbing link, and through it", []member{{at + "l", up, 0o777 | fs.ModeSymlink}, {at + "l/a", "x", 0o644}}, nil},
		{"a device", []member{{at + "d", "x", 0o644 | fs.ModeDevice | fs.ModeCharDevice}}, nil},
		{"a fifo", []member{{at + "p", "x", 0o644 | fs.ModeNamedPipe}}, nil},
		{"setuid root", []member{{at + "s", "x", 0o755 | fs.ModeSetuid}}, nil},
		{"below a file", []member{{at + "f", "x", 0o644}, {at + "f/g", "x", 0o644}}, nil},
		{"two of a name", []member{{at + "f", "one", 0o644}, {at + "f", "two", 0o644}}, nil},
		{"a size that the content hasn't", []member{{at + "f", "xxxxxxxxxx", 0o644}}, func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("PK\x01\x02"))
			binary.LittleEndian.PutUint32(b[i+24:], 1<<31)
			return b
		}},
		{"a directory that lies outside", []member{{at + "f", "x", 0o644}}, func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("PK\x05\x06"))
			binary.LittleEndian.PutUint32(b[i+16:], 1<<31)
			return b
		}},
		{"65,535 members that aren't there", []member{{at + "f", "x", 0o644}}, func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("PK\x05\x06"))
			binary.LittleEndian.PutUint16(b[i+8:], 0xfffe)
			binary.LittleEndian.PutUint16(b[i+10:], 0xfffe)
			return b
		}},
		{"another name in front of the content", []member{{at + "f", "x", 0o644}}, func(b []byte) []byte {
			i := bytes.Index(b, []byte(at+"f"))
			b[i+len(at)] = '/'
			return b
		}},
	}
	var all []Archive
	for _, c := range cases {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, f := range first {
			add(z, f.Name, f.Content, 0o644)
		}
		for _, m := range c.members {
			add(z, m.name, m.text, m.mode)
		}
		if err := z.Close(); err != nil {
			panic(err) // a buffer takes all
		}
		data := b.Bytes()
		if c.change != nil {
			data = c.change(data)
		}
		all = append(all, Archive{c.name, data})
	}
	return all
}

func add(z *zip.Writer, name, text string, mode fs.FileMode) {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err != nil {
		panic(err)
	}
}
