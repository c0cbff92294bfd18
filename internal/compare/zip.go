package compare

import (
	"archive/zip"
	"errors"
	"fmt"
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
			return onlyIn(side, z.String(), path+":"+z.String(), Raw, clamp(z.UncompressedSize64))
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
		f.Note = "every entry is the same; the compression or the zip's headers differ"
	}
	return nil
}

func (c *run) zipEntry(path string, x, y zipped, depth int) (*Finding, error) {
	sub := path + ":" + x.String()
	same, err := c.sameContent(x.source(), y.source())
	if err != nil {
		return nil, err
	}
	meta := zipMeta(x, y)
	if same {
		if meta == "" {
			return nil, nil
		}
		n := clamp(x.UncompressedSize64)
		return note(x.String(), sub, Raw, n, n, meta), nil
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
		if meta != "" && p.Note == "" {
			p.Note = meta
		}
		setMember(p, x.String())
	}
	return p, err
}

func (z zipped) source() source { return source{open: z.Open} }

// zipMeta says which fields of the headers differ. What depends on the
// compressor is not among them.
func zipMeta(x, y zipped) string {
	field := func(name string, a, b any) string {
		return fmt.Sprintf("%s is %v in A, %v in B", name, a, b)
	}
	switch at := time.RFC3339; {
	case x.ExternalAttrs != y.ExternalAttrs:
		return field("mode", x.Mode(), y.Mode())
	case !x.Modified.Equal(y.Modified):
		return field("mtime", x.Modified.Format(at), y.Modified.Format(at))
	case string(x.Extra) != string(y.Extra):
		return fmt.Sprintf("extra field is %.64x in A, %.64x in B", x.Extra, y.Extra)
	case x.Comment != y.Comment:
		return fmt.Sprintf("comment is %.100q in A, %.100q in B", x.Comment, y.Comment)
	case x.CreatorVersion != y.CreatorVersion:
		return field("creator version", x.CreatorVersion, y.CreatorVersion)
	}
	return ""
}

// clamp makes a size from a header a size.
func clamp(n uint64) int64 { return int64(min(n, 1<<62)) }
