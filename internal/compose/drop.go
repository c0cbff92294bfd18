package compose

import (
	"archive/tar"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/layer"
)

// certificateDir is where ca-certificates has what the bundle is made of.
const certificateDir = "usr/share/ca-certificates/"

// A dropper decides which of the packages' files an image has. A pattern names
// a file, or a directory with all that it holds, and is one of path.Match. A
// pattern to keep that ends in "@" names symbolic links only.
type dropper struct {
	drop, keep   []string
	certificates bool // the certificates stay until the bundle is made
}

// dropped reports whether the finished image lacks e.
func (d dropper) dropped(e layer.Entry) bool {
	if !below(d.drop, e.Path) {
		return false
	}
	for _, k := range d.keep {
		if k, links := strings.CutSuffix(k, "@"); links {
			if ok, _ := path.Match(k, e.Path); ok && e.Type == tar.TypeSymlink {
				return false
			}
		} else if below([]string{k}, e.Path) {
			return false
		}
	}
	return true
}

// needed reports whether e must be unpacked.
func (d dropper) needed(e layer.Entry) bool {
	return d.certificates && strings.HasPrefix(e.Path, certificateDir) || !d.dropped(e)
}

// below reports whether one of the patterns matches p or a directory above it.
func below(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if !strings.ContainsAny(pattern, `*?[\`) {
			if rest, ok := strings.CutPrefix(p, pattern); ok && (rest == "" || rest[0] == '/') {
				return true
			}
			continue
		}
		// The directory of p that has as many names as the pattern.
		head, depth := p, strings.Count(pattern, "/")
		for i := 0; i < len(p); i++ {
			if p[i] == '/' {
				if depth == 0 {
					head = p[:i]
					break
				}
				depth--
			}
		}
		if ok, _ := path.Match(pattern, head); ok {
			return true
		}
	}
	return false
}
