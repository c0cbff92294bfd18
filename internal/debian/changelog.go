package debian

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

const maxChangelog = 16 << 20

// Changelog returns the package's own changelog: changelog.Debian.gz, or for a
// package that only Debian has changelog.gz, in /usr/share/doc/<package>. The
// error wraps fs.ErrNotExist where there is none, as in packages that share
// another's.
func (d *Deb) Changelog(ctx context.Context) ([]byte, error) {
	dir := "usr/share/doc/" + d.Fields["Package"] + "/"
	r, err := d.Data(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var own []byte
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading .deb: %w", err)
		}
		rest, ok := strings.CutPrefix(path.Clean(h.Name), dir)
		if !ok || h.Typeflag != tar.TypeReg || rest != "changelog.Debian.gz" && rest != "changelog.gz" && rest != "changelog.Debian.amd64.gz" {
			continue
		}
		z, err := gzip.NewReader(tr)
		if err != nil {
			return nil, fmt.Errorf("reading .deb: %s: %w", h.Name, err)
		}
		text, err := io.ReadAll(io.LimitReader(z, maxChangelog))
		if err != nil {
			return nil, fmt.Errorf("reading .deb: %s: %w", h.Name, err)
		}
		if rest != "changelog.gz" {
			return text, nil
		}
		own = text
	}
	if own == nil {
		return nil, fmt.Errorf("changelog of %s: %w", d.Fields["Package"], fs.ErrNotExist)
	}
	return own, nil
}

// Fixes is what a changelog says of the versions after one of them.
type Fixes struct {
	Versions []string // newest first
	CVEs     []string // that its text names, sorted
	Complete bool     // the older version was found, or one before it
}

var (
	entryRE = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]* \(([^) ]+)\) `)
	cveRE   = regexp.MustCompile(`CVE-[0-9]{4}-[0-9]{4,}`)
)

// FixesSince reads a changelog from its top down to a version, or to one that
// is older.
func FixesSince(changelog []byte, version string) (Fixes, error) {
	var f Fixes
	s := bufio.NewScanner(bytes.NewReader(changelog))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if m := entryRE.FindStringSubmatch(s.Text()); m != nil {
			if CompareVersions(m[1], version) <= 0 {
				f.Complete = true
				break
			}
			f.Versions = append(f.Versions, m[1])
			continue
		}
		f.CVEs = append(f.CVEs, cveRE.FindAllString(s.Text(), -1)...)
	}
	if err := s.Err(); err != nil {
		return f, fmt.Errorf("reading changelog: %w", err)
	}
	slices.Sort(f.CVEs)
	f.CVEs = slices.Compact(f.CVEs)
	if len(f.Versions) == 0 && !f.Complete {
		return f, errors.New("reading changelog: it has no entry")
	}
	return f, nil
}
