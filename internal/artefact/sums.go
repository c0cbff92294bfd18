package artefact

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/verdict"
)

// SumsName is the artefact that lists the others.
const SumsName = "SHA256SUMS"

// Sums writes SHA256SUMS below dir, as sha256sum -c reads it: the archives and
// binaries of a side, sorted by name.
func Sums(ctx context.Context, dir string, made []Artefact) (Artefact, error) {
	var lines []string
	for _, a := range made {
		if a.Kind == verdict.Bin || a.Kind == verdict.Archive {
			lines = append(lines, a.Name+"\x00"+a.Digest.Encoded())
		}
	}
	slices.Sort(lines)
	var text strings.Builder
	for _, l := range lines {
		name, sum, _ := strings.Cut(l, "\x00")
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	a := Artefact{Name: SumsName, Kind: verdict.Sums, Path: filepath.Join(dir, SumsName)}
	err := os.WriteFile(a.Path, []byte(text.String()), 0o600)
	if err == nil {
		a.Digest, a.Size, err = hash(ctx, a.Path)
	}
	if err != nil {
		return a, fmt.Errorf("writing %s: %w", SumsName, err)
	}
	return a, nil
}
