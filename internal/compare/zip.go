package compare

import (
	"archive/zip"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	case !allListed(a, za) || !allListed(b, zb):
		f.Note = "every entry that the zips list is the same; they hold something else, which is not listed"
	default:
		f.Note = sameEntries
	}
	return nil
}

// allListed says whether a zip is made of the entries that its directory lists, under these
// names and one after the other, and of nothing else: some programs read a zip from
// its beginning and never see the directory.
func allListed(b blob, files []zipped) bool {
	type place struct {
		at int64 // of the content
		*zip.File
	}
	var order []place
	for _, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			return false
		}
		order = append(order, place{at, f.File})
	}
	slices.SortFunc(order, func(x, y place) int { return cmp.Compare(x.at, y.at) })
	pos := int64(0)
	for i, f := range order {
		head, err := b.part(pos, 30).head(30)
		if err != nil || len(head) < 30 || binary.LittleEndian.Uint32(head) != zipLocal {
			return false
		}
		n, extra := int64(binary.LittleEndian.Uint16(head[26:])), int64(binary.LittleEndian.Uint16(head[28:]))
		name, err := b.part(pos+30, n).head(int(n))
		if err != nil || string(name) != f.Name || pos+30+n+extra != f.at {
			return false
		}
		pos = f.at + clamp(f.CompressedSize64)
		next := uint32(zipDirectory)
		if i < len(order)-1 {
			next = zipLocal
		}
		descriptors := []int64{0}
		if f.Flags&8 != 0 { // with a signature or without, of 4 or 8 bytes a size
			descriptors = []int64{16, 12, 24, 20}
		}
		found := slices.IndexFunc(descriptors, func(n int64) bool {
			sig, err := b.part(pos+n, 4).head(4)
			return err == nil && len(sig) == 4 && binary.LittleEndian.Uint32(sig) == next
		})
		if found < 0 {
			return false
		}
		pos += descriptors[found]
	}
	return true
}

// Signatures of a local header and of an entry of the directory.
const (
	zipLocal     = 0x04034b50
	zipDirectory = 0x02014b50
)

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
