package images

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"
)

// A Lock is a lock.toml: the packages that an image is made of. It holds no
// host: a path is one in Debian's archive.
type Lock struct {
	Version      int       `toml:"version"` // of this format: 1
	Suite        string    `toml:"suite"`
	Release      string    `toml:"release"` // the suite's version: "12.15"
	Date         time.Time `toml:"date"`    // of the release file
	Component    string    `toml:"component"`
	Architecture string    `toml:"architecture"`

	InRelease InRelease `toml:"in-release"`
	Index     Index     `toml:"index"`

	Packages []Package `toml:"package"` // sorted by name
}

// InRelease is the signed file that vouches for the index.
type InRelease struct {
	SHA256 string `toml:"sha256"`
	// Fingerprints of the OpenPGP key that signed it: the primary key, and the
	// (sub)key that made the signature.
	SignedBy string    `toml:"signed-by"`
	Key      string    `toml:"key"`
	Signer   string    `toml:"signer"` // the primary key's user id
	SignedAt time.Time `toml:"signed-at"`
}

// Index is the list of packages, as InRelease has it.
type Index struct {
	Path   string `toml:"path"` // below dists/<suite>
	Size   int64  `toml:"size"`
	SHA256 string `toml:"sha256"`
}

// A Package is one .deb.
type Package struct {
	Name         string   `toml:"name"`
	Version      string   `toml:"version"`
	Architecture string   `toml:"architecture"`
	Source       string   `toml:"source"`           // name of the source package
	Groups       []string `toml:"groups,omitempty"` // sorted; none: always there
	Path         string   `toml:"path"`             // "pool/main/g/gcc-12/…"
	Size         int64    `toml:"size"`
	SHA256       string   `toml:"sha256"`
	// ListedAt is the date (RFC 3339) of the release file that listed it, if
	// that isn't the lock's: a package kept from an older lock.
	ListedAt string `toml:"listed-at,omitempty"`
}

// Digest returns the SHA-256 of the .deb.
func (p Package) Digest() digest.Digest { return digest.NewDigestFromEncoded(digest.SHA256, p.SHA256) }

const lockHeader = "# Written by `twice lock --update builder`; do not edit.\n" +
	"# Every package was listed in an index that the signed release file vouches for.\n\n"

// ParseLock reads a lock.toml.
func ParseLock(data []byte) (*Lock, error) {
	var l Lock
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&l); err != nil {
		return nil, fmt.Errorf("parsing package lock: %w", err)
	}
	if err := l.Check(); err != nil {
		return nil, fmt.Errorf("parsing package lock: %w", err)
	}
	return &l, nil
}

// Encode returns the lock.toml. The same lock gives the same bytes.
func (l Lock) Encode() ([]byte, error) {
	if err := l.Check(); err != nil {
		return nil, fmt.Errorf("writing package lock: %w", err)
	}
	b := bytes.NewBufferString(lockHeader)
	if err := toml.NewEncoder(b).Encode(l); err != nil {
		return nil, fmt.Errorf("writing package lock: %w", err)
	}
	return b.Bytes(), nil
}

// Check reports what no lock may have: paths out of the archive's pool, sizes
// and hashes that are none, a package twice.
func (l Lock) Check() error {
	if l.Version != 1 {
		return fmt.Errorf("version %d: this program knows version 1", l.Version)
	}
	if !isToken(l.Suite) || !isToken(l.Component) || !isToken(l.Architecture) {
		return fmt.Errorf("suite %q, component %q, architecture %q: not names", l.Suite, l.Component, l.Architecture)
	}
	if !isSHA256(l.InRelease.SHA256) || !isSHA256(l.Index.SHA256) {
		return errors.New("in-release or index: no sha256")
	}
	for i, p := range l.Packages {
		switch {
		case p.Name == "" || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "":
			return fmt.Errorf("package %q: not a package name", p.Name)
		case i > 0 && l.Packages[i-1].Name >= p.Name:
			return fmt.Errorf("package %s: twice, or not in order", p.Name)
		case p.Version == "" || p.Architecture != l.Architecture && p.Architecture != "all":
			return fmt.Errorf("package %s: version %q, architecture %q", p.Name, p.Version, p.Architecture)
		case !strings.HasPrefix(p.Path, "pool/") || path.Clean(p.Path) != p.Path || strings.ContainsAny(p.Path, "?#%\\ "):
			return fmt.Errorf("package %s: path %q is not in the pool", p.Name, p.Path)
		case p.Size <= 0 || !isSHA256(p.SHA256):
			return fmt.Errorf("package %s: size %d, sha256 %q", p.Name, p.Size, p.SHA256)
		case !slices.IsSorted(p.Groups):
			return fmt.Errorf("package %s: groups %q are not in order", p.Name, p.Groups)
		}
		if _, err := time.Parse(time.RFC3339, p.ListedAt); p.ListedAt != "" && err != nil {
			return fmt.Errorf("package %s: listed-at: %w", p.Name, err)
		}
	}
	return nil
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
