package compare

import "strings"

// SameContent says whether a difference is in the compression alone: what is
// inside is the same, down to the last part. Of an image, digests, sizes and media types
// of layers follow from that.
func (f *Finding) SameContent() bool {
	if f == nil {
		return false
	}
	packed := false
	for _, p := range f.Parts {
		if f.Kind == Image && p.Kind == JSON && (p.Name == "manifest" || p.Name == "index") {
			for _, d := range p.Ranges {
				if !follows(d) {
					return false
				}
			}
			continue
		}
		if !p.SameContent() {
			return false
		}
		packed = true
	}
	if len(f.Parts) > 0 {
		return packed && f.More == 0
	}
	return strings.HasPrefix(f.Note, sameContents) || f.Note == sameEntries
}

// follows says whether a difference in a manifest follows from other blobs.
func follows(d Difference) bool {
	_, at, _ := strings.Cut(d.Path, ":")
	for _, end := range []string{"/digest", "/size", "/mediaType"} {
		if strings.HasSuffix(at, end) {
			return true
		}
	}
	return false
}
