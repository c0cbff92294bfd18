package debian

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// maxPackages bounds an index: bookworm's main has 63,000 packages.
const maxPackages = 1 << 20

// An Index is a suite's list of packages. It is not for concurrent use.
type Index struct {
	// newest version of each name
	packages map[string]*Package
	// who provides a name, sorted by Priority, then by name; made when first needed
	providers map[string][]provider
}

type provider struct {
	pkg     *Package
	version string // "": unversioned, which no versioned dependency admits
}

// Len returns how many packages the index has, by name.
func (ix *Index) Len() int { return len(ix.packages) }

// Package returns the newest version of the package of that name.
func (ix *Index) Package(name string) (Package, bool) {
	p, ok := ix.packages[name]
	if !ok {
		return Package{}, false
	}
	return *p, true
}

// ParsePackages reads an uncompressed Packages index.
func ParsePackages(r io.Reader) (*Index, error) {
	ix := &Index{packages: map[string]*Package{}}
	var p Package
	var into *string // a field that may continue on the next line,
	var text []byte  // and its text so far
	var count int
	flush := func() {
		if into != nil {
			*into, into = string(text), nil
		}
	}
	field := func(name, value []byte) error {
		if name == nil {
			if into != nil {
				text = append(append(text, ' '), value...)
			}
			return nil
		}
		flush()
		switch string(name) {
		case "Package":
			p.Name = string(value)
		case "Version":
			p.Version = string(value)
		case "Architecture":
			p.Arch = string(value)
		case "Source":
			p.Source, _, _ = strings.Cut(string(value), " ")
		case "Priority":
			p.Priority = string(value)
		case "Essential":
			p.Essential = string(value) == "yes"
		case "Filename":
			p.Path = string(value)
		case "Size":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return fmt.Errorf("size %.40q", value)
			}
			p.Size = n
		case "SHA256":
			p.SHA256 = digest.NewDigestFromEncoded(digest.SHA256, string(value))
		case "Pre-Depends":
			into = &p.PreDepends
		case "Depends":
			into = &p.Depends
		case "Provides":
			into = &p.Provides
		case "Conflicts":
			into = &p.Conflicts
		case "Breaks":
			into = &p.Breaks
		}
		text = append(text[:0], value...)
		return nil
	}
	end := func() error {
		flush()
		if err := p.check(); err != nil {
			return err
		}
		if count++; count > maxPackages {
			return fmt.Errorf("more than %d packages", maxPackages)
		}
		if old, ok := ix.packages[p.Name]; !ok || CompareVersions(old.Version, p.Version) < 0 {
			whole := p
			ix.packages[p.Name] = &whole
		}
		p = Package{}
		return nil
	}
	if err := paragraphs(r, field, end); err != nil {
		return nil, fmt.Errorf("parsing package index: %w", err)
	}
	if count == 0 {
		return nil, errors.New("parsing package index: no packages")
	}
	return ix, nil
}

func (p *Package) check() error {
	if !isPackageName(p.Name) {
		return fmt.Errorf("%.80q is not a package name", p.Name)
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	switch {
	case p.Version == "" || strings.ContainsAny(p.Version, " /"):
		return fmt.Errorf("package %s: version %.80q", p.Name, p.Version)
	case !isPackageName(p.Arch):
		return fmt.Errorf("package %s: architecture %.80q", p.Name, p.Arch)
	case !strings.HasPrefix(p.Path, "pool/") || path.Clean(p.Path) != p.Path:
		return fmt.Errorf("package %s: path %.80q is not in the pool", p.Name, p.Path)
	case p.Size <= 0:
		return fmt.Errorf("package %s: size %d", p.Name, p.Size)
	case p.SHA256.Validate() != nil:
		return fmt.Errorf("package %s: no SHA-256", p.Name)
	}
	return nil
}

// provide fills ix.providers.
func (ix *Index) provide() error {
	if ix.providers != nil {
		return nil
	}
	all := map[string][]provider{}
	for _, p := range ix.packages {
		clauses, err := ParseRelations(p.Provides)
		if err != nil {
			return fmt.Errorf("package %s provides: %w", p.Name, err)
		}
		for _, c := range clauses {
			all[c[0].Name] = append(all[c[0].Name], provider{p, c[0].Version})
		}
	}
	for _, ps := range all {
		slices.SortFunc(ps, func(a, b provider) int {
			if c := priority(a.pkg.Priority) - priority(b.pkg.Priority); c != 0 {
				return c
			}
			return strings.Compare(a.pkg.Name+" "+a.version, b.pkg.Name+" "+b.version)
		})
	}
	ix.providers = all
	return nil
}

// priority ranks a package's Priority; the smallest is the highest.
func priority(p string) int {
	order := []string{"required", "important", "standard", "optional", "extra"}
	if i := slices.Index(order, p); i >= 0 {
		return i
	}
	return len(order)
}
