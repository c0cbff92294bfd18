package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// member is a file in an ar archive.
type member struct {
	key
	meta string // mtime, uid, gid and mode as they are written
	blob
}

// The header of a member: name 16, mtime 12, uid 6, gid 6, mode 8, size 10,
// "`\n"; members start at even offsets. A name is "name/" (GNU), "/123", an
// offset in the member "//" (GNU), or "#1/20", 20 bytes before the content (BSD).
const arHeader = 60

// readAr lists the members. The symbol table ("/", "/SYM64/", "__.SYMDEF") is one; the table of names is not.
func readAr(b blob, most int) ([]member, error) {
	var out []member
	var long []byte
	seen := map[string]int{}
	for off := int64(8); off < b.size; {
		h, err := b.part(off, arHeader).head(arHeader)
		if err != nil {
			return nil, err
		}
		if len(h) < arHeader || string(h[58:]) != "`\n" {
			return nil, fmt.Errorf("no member header at %#x", off)
		}
		size, err := strconv.ParseInt(strings.TrimRight(string(h[48:58]), " "), 10, 64)
		if err != nil || size < 0 || size > b.size-off-arHeader {
			return nil, fmt.Errorf("member at %#x reaches past the end", off)
		}
		body := b.part(off+arHeader, size)
		off += arHeader + size + size&1
		name := strings.TrimRight(string(h[:16]), " ")
		switch {
		case name == "//":
			if size > maxText {
				return nil, errors.New("the table of names is too long")
			}
			if long, err = io.ReadAll(body.reader()); err != nil {
				return nil, err
			}
			continue
		case strings.HasPrefix(name, "#1/"):
			if name, body, err = bsdName(name, body); err != nil {
				return nil, err
			}
		case len(name) > 1 && name[0] == '/' && name[1] >= '0' && name[1] <= '9':
			if name, err = gnuName(name, long); err != nil {
				return nil, err
			}
		case len(name) > 1 && name != "/SYM64/":
			name = strings.TrimSuffix(name, "/")
		}
		if len(out) >= most {
			return nil, errors.New("too many members")
		}
		out = append(out, member{key{name, seen[name]}, string(h[16:48]), body})
		seen[name]++
	}
	return out, nil
}

func bsdName(name string, body blob) (string, blob, error) {
	n, err := strconv.ParseInt(name[3:], 10, 64)
	if err != nil || n < 0 || n > min(body.size, 4096) {
		return "", blob{}, errors.New("broken BSD name")
	}
	p, err := body.head(int(n))
	return string(bytes.TrimRight(p, "\x00")), body.part(n, body.size-n), err
}

func gnuName(name string, long []byte) (string, error) {
	n, err := strconv.Atoi(name[1:])
	if err != nil || n < 0 || n >= len(long) {
		return "", fmt.Errorf("name %q is not in the table of names", name)
	}
	end := bytes.IndexByte(long[n:], '\n')
	if end < 0 {
		end = len(long) - n
	}
	return strings.TrimSuffix(string(long[n:n+end]), "/"), nil
}

// diff are the fields of two members' headers that differ.
func (m member) diff(n member) (out []Field) {
	for _, f := range []struct {
		name     string
		from, to int
	}{{"mtime", 0, 12}, {"uid", 12, 18}, {"gid", 18, 24}, {"mode", 24, 32}} {
		out = differ(out, f.name, strings.TrimRight(m.meta[f.from:f.to], " "), strings.TrimRight(n.meta[f.from:f.to], " "))
	}
	return out
}

func (c *run) ar(f *Finding, path string, a, b blob, depth int) error {
	ma, err := readAr(a, c.lim.Entries)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	mb, err := readAr(b, c.lim.Entries)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	id := func(m member) key { return m.key }
	f.Parts, f.More, err = pair(c, ma, mb, id,
		func(m member, side string) *Finding {
			return onlyIn(side, m.String(), path+":"+m.String(), Raw, m.size)
		},
		func(x, y member) (*Finding, error) {
			sub := path + ":" + x.String()
			p, err := c.blobs(x.String(), sub, x.blob, y.blob, depth+1)
			if err == nil && x.meta != y.meta {
				fields := x.diff(y)
				if p == nil {
					p = note(x.String(), sub, Raw, x.size, y.size, text(fields))
				} else {
					p.Note = strings.TrimPrefix(p.Note+"; "+text(fields), "; ")
				}
				p.Fields = append(p.Fields, fields...)
			}
			setMember(p, x.String())
			return p, err
		})
	if err != nil {
		return err
	}
	if n := order(ma, mb, id); n != "" && len(f.Parts) == 0 {
		f.Ranges = note(f.Name, path, Ar, a.size, b.size, n).Ranges
		f.Note = n
	}
	// The symbol table follows from the members.
	for i, p := range f.Parts {
		if p.Name == "/" || p.Name == "/SYM64/" {
			f.Parts = append(append(f.Parts[:i:i], f.Parts[i+1:]...), p)
			break
		}
	}
	return nil
}

// setMember names the innermost archive member of the ranges in a tree.
func setMember(f *Finding, name string) {
	if f == nil {
		return
	}
	for i := range f.Ranges {
		if f.Ranges[i].Member == "" {
			f.Ranges[i].Member = name
		}
	}
	for _, p := range f.Parts {
		setMember(p, name)
	}
}
