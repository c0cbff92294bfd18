package compare

import (
	"regexp"
)

// rustcVersion is how rustc names itself in its metadata.
var rustcVersion = regexp.MustCompile(`rustc [0-9]+\.[0-9]+\.[0-9]+[^\x00-\x1f\x7f-\xff]{0,60}?\)|[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)? \([0-9a-f]{9} [0-9-]{10}\)`)

// rmeta compares the metadata that rustc writes into libraries. Its form is
// internal to each compiler; its version and its strings are not.
func (c *run) rmeta(f *Finding, path string, a, b blob, _ int) error {
	va, err := metaVersion(a)
	if err != nil {
		return err
	}
	vb, err := metaVersion(b)
	if err != nil {
		return err
	}
	if f.Fields = differ(f.Fields, "rustc", va, vb); len(f.Fields) > 0 {
		f.Note = text(f.Fields)
	}
	_, err = c.shifted(f, path, a, b)
	return err
}

func metaVersion(b blob) (string, error) {
	h, err := b.head(200)
	if err != nil {
		return "", err
	}
	if v := rustcVersion.Find(h); v != nil {
		return string(v), nil
	}
	return "not named", nil
}
