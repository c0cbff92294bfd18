package rust

import (
	"fmt"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/layer"
)

// A part is a line of a component's manifest: a file, or a directory with
// everything in it.
type part struct {
	path string
	dir  bool
}

// parseParts reads manifest.in and lib/rustlib/manifest-*.
func parseParts(data []byte) ([]part, error) {
	var parts []part
	for n, line := range strings.Split(string(data), "\n") {
		if line == "" {
			continue
		}
		kind, p, ok := strings.Cut(line, ":")
		if !ok || kind != "file" && kind != "dir" {
			return nil, fmt.Errorf("manifest, line %d: %.200q is neither a file nor a dir", n+1, line)
		}
		if err := layer.CheckPath(p); err != nil {
			return nil, fmt.Errorf("manifest, line %d: %w", n+1, err)
		}
		parts = append(parts, part{p, kind == "dir"})
	}
	return parts, nil
}

// partMode is the mode that rustup gives a file.
func partMode(at string, mode int64, named bool) int64 {
	if mode&0o700 == 0o700 || named && path.Base(path.Dir(at)) == "bin" {
		return 0o755
	}
	return 0o644
}
