package reference

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/verdict"
)

// sumsNames are the names under which lists of checksums are released.
var sumsNames = []string{"SHA256SUMS", "SHA256SUMS.txt", "sha256sums.txt", "sha256sum.txt", "checksums.txt"}

func isSums(name string) bool { return slices.Contains(sumsNames, name) }

// sumLine is a line as sha256sum writes it.
var sumLine = regexp.MustCompile(`^\\?([0-9a-fA-F]{64})(?:  | \*)(.+)$`)

// sum is a claim: a file's digest.
type sum struct {
	name   string
	digest digest.Digest
}

// parseSums reads a list. Lines of other forms (signatures, comments) are left
// out.
func parseSums(data []byte) []sum {
	var out []sum
	for line := range bytes.Lines(data) {
		if m := sumLine.FindStringSubmatch(strings.TrimRight(string(line), "\r\n")); m != nil {
			if name := strings.TrimPrefix(m[2], "./"); name != "" {
				out = append(out, sum{name, digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(m[1]))})
			}
		}
	}
	return out
}

// looksLikeSums: the first line that is not empty is one of a list.
func looksLikeSums(data []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimLeft(data, "\r\n"), []byte("\n"))
	return sumLine.Match(bytes.TrimRight(line, "\r"))
}

// sums takes the items of a list, and holds the files beside it to it.
func (r *Reference) sums(ctx context.Context, path string, data []byte) error {
	for _, s := range parseSums(data) {
		if !filepath.IsLocal(filepath.FromSlash(s.name)) {
			return fmt.Errorf("%s names %q, which is elsewhere", filepath.Base(path), s.name)
		}
		file := filepath.Join(filepath.Dir(path), filepath.FromSlash(s.name))
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			file = ""
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s names %s, which is no file", filepath.Base(path), s.name)
		default:
			if err := holds(ctx, file, s.name, s.digest, filepath.Base(path)); err != nil {
				return err
			}
		}
		at := slices.IndexFunc(r.Items, func(it Item) bool { return it.Name == s.name })
		switch {
		case at >= 0 && file == "" && r.Items[at].Digest != s.digest: // it says two things of one file
			return &verdict.Incident{What: s.name, By: filepath.Base(path), Claimed: s.digest, Found: r.Items[at].Digest}
		case at >= 0:
		case file == "":
			r.Items = append(r.Items, Item{Name: s.name, Digest: s.digest})
		default:
			it, err := open(ctx, file, s.name)
			if err != nil {
				return err
			}
			r.Items = append(r.Items, it)
		}
		if len(r.Items) > maxFiles {
			return fmt.Errorf("there are more than %d files", maxFiles)
		}
	}
	return nil
}

// claims holds a file to what is claimed of it beside it.
func (r *Reference) claims(ctx context.Context, path string) error {
	base := filepath.Base(path)
	own := base + ".sha256"
	for _, name := range append([]string{own}, sumsNames...) {
		data, err := readSmall(filepath.Join(filepath.Dir(path), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		list := parseSums(data)
		if name == own && len(list) == 0 { // just the number
			if m := regexp.MustCompile(`^\s*([0-9a-fA-F]{64})\s*$`).FindSubmatch(data); m != nil {
				list = []sum{{base, digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(string(m[1])))}}
			}
		}
		for _, s := range list {
			if s.name == base || name == own && filepath.Base(s.name) == base {
				if err := holds(ctx, path, base, s.digest, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func holds(ctx context.Context, file, name string, claimed digest.Digest, by string) error {
	found, err := hash(ctx, file)
	if err != nil {
		return err
	}
	if found != claimed {
		return &verdict.Incident{What: name, By: by, Claimed: claimed, Found: found}
	}
	return nil
}
