package compare

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// zipped is a file in a zip.
type zipped struct {
	key
	*zip.File
}

func (z zipped) String() string { return z.key.String() }

// readZip guards against what archive/zip does not expect of its input.
func (c *run) readZip(b blob) (out []zipped, comment string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("broken zip: %v", r)
		}
	}()
	z, err := zip.NewReader(b.r, b.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, "", err
	}
	if len(z.File) > c.lim.Entries {
		return nil, "", errors.New("too many entries")
	}
	seen := map[string]int{}
	for _, f := range z.File {
		out = append(out, zipped{key{f.Name, seen[f.Name]}, f})
		seen[f.Name]++
	}
	return out, z.Comment, nil
}

func (c *run) zip(f *Finding, path string, a, b blob, depth int) error {
	za, commentA, err := c.readZip(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	zb, commentB, err := c.readZip(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	id := func(z zipped) key { return z.key }
	f.Parts, f.More, err = pair(c, za, zb, id,
		func(z zipped, side string) *Finding {
			return onlyIn(side, z.String(), join(path, z.String()), Raw, clamp(z.UncompressedSize64))
		},
		func(x, y zipped) (*Finding, error) { return c.zipEntry(path, x, y, depth) })
	if err != nil || len(f.Parts) > 0 {
		return err
	}
	switch n := order(za, zb, id); {
	case n != "":
		f.Note = n
	case commentA != commentB:
		f.Note = fmt.Sprintf("the comment is %.100q in A, %.100q in B", commentA, commentB)
	default:
		f.Note = sameEntries
	}
	return nil
}

func (c *run) zipEntry(path string, x, y zipped, depth int) (*Finding, error) {
	sub := join(path, x.String())
	same, err := c.sameContent(x.source(), y.source())
	if err != nil {
		return nil, err
	}
	meta := zipMeta(x, y)
	if same {
		if len(meta) == 0 {
			return nil, nil
		}
		n := clamp(x.UncompressedSize64)
		p := note(x.String(), sub, Raw, n, n, text(meta))
		p.Fields = meta
		return p, nil
	}
	temps := len(c.temps)
	defer func() {
		for _, t := range c.temps[temps:] {
			t.Close()
		}
		c.temps = c.temps[:temps]
	}()
	a, err := c.spoolSource(x.source())
	if err != nil {
		return nil, err
	}
	b, err := c.spoolSource(y.source())
	if err != nil {
		return nil, err
	}
	p, err := c.blobs(x.String(), sub, a, b, depth+1)
	if err == nil && p != nil {
		if len(meta) > 0 && p.Note == "" {
			p.Note = text(meta)
		}
		p.Fields = append(p.Fields, meta...)
		setMember(p, x.String())
	}
	return p, err
}

func (z zipped) source() source { return source{open: z.Open} }

// zipMeta are the fields of the headers that differ. What depends on the
// compressor is not among them.
func zipMeta(x, y zipped) (out []Field) {
	at := func(t time.Time) string { return t.Format(time.RFC3339) }
	if out = differ(out, "mode", x.Mode(), y.Mode()); len(out) == 0 {
		out = differ(out, "attributes", fmt.Sprintf("%#x", x.ExternalAttrs), fmt.Sprintf("%#x", y.ExternalAttrs))
	}
	out = differ(out, "mtime", at(x.Modified), at(y.Modified))
	if x.Modified.Equal(y.Modified) { // else they hold the same difference
		out = differ(out, "DOS time", dosTime(x.FileHeader), dosTime(y.FileHeader))
		out = differ(out, "extra fields", extraFields(x.Extra), extraFields(y.Extra))
	}
	out = differ(out, "comment", fmt.Sprintf("%.100q", x.Comment), fmt.Sprintf("%.100q", y.Comment))
	out = differ(out, "creator version", fmt.Sprintf("%#x", x.CreatorVersion), fmt.Sprintf("%#x", y.CreatorVersion))
	return out
}

// dosTime is the local time that a zip's header has, to two seconds.
func dosTime(h zip.FileHeader) string {
	d, t := h.ModifiedDate, h.ModifiedTime //lint:ignore SA1019 what Modified is made from
	return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", d>>9+1980, d>>5&0xf, d&0x1f, t>>11, t>>5&0x3f, t&0x1f*2)
}

// extraFields lists a header's extra fields: the identifier and the bytes of each.
func extraFields(p []byte) string {
	var out []string
	for len(p) >= 4 && len(out) < 8 {
		id, n := binary.LittleEndian.Uint16(p), int(binary.LittleEndian.Uint16(p[2:]))
		n = min(n, len(p)-4)
		out = append(out, fmt.Sprintf("%#04x=%.32x", id, p[4:4+n]))
		p = p[4+n:]
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, " ")
}

// clamp makes a size from a header a size.
func clamp(n uint64) int64 { return int64(min(n, 1<<62)) }

// sameEntries is the note of what differs in how the entries are stored.
const sameEntries = "every entry is the same; the compression or the zip's headers differ"
