package cargo

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// LockFile is a Cargo.lock.
type LockFile struct {
	Version  int           // 1 to 4
	Packages []LockPackage // in the file's order
}

// LockPackage is one [[package]] of a Cargo.lock.
type LockPackage struct {
	Name, Version string
	Source        string   // "" for packages of the source tree
	Checksum      string   // SHA-256 of the .crate in hex; registry packages only
	Dependencies  []string // as they stand: "name", "name version" or "name version (source)"
	Line          int      // of the [[package]] header
}

const lockName = "Cargo.lock"

type lockDocument struct {
	Version  *int
	Package  []lockEntry
	Root     *lockEntry
	Metadata map[string]string
}

type lockEntry struct {
	Name, Version, Source, Checksum, Replace string
	Dependencies                             []string
}

// ParseLock reads a Cargo.lock of version 1 to 4. It accepts less than Cargo:
// whatever Cargo would repair or fetch anew is an error, so that a lock names
// every crate by hash.
func ParseLock(data []byte) (*LockFile, error) {
	l, err := parseLock(data)
	if err != nil {
		return nil, fmt.Errorf("parsing lock: %w", err)
	}
	return l, nil
}

func parseLock(data []byte) (*LockFile, error) {
	var doc lockDocument
	if err := decode(lockName, data, &doc); err != nil {
		return nil, truncated(err)
	}
	l := &LockFile{}
	switch {
	case doc.Version != nil && (*doc.Version == 3 || *doc.Version == 4):
		l.Version = *doc.Version
	case doc.Version != nil:
		return nil, fault.Hint(fmt.Errorf("%s: version %d is not known (3 and 4 are, and files without one)", lockName, *doc.Version),
			"a newer twice may know it; or remove Cargo.lock and run `cargo generate-lockfile` with Rust 1.78 or newer")
	case len(doc.Metadata) > 0:
		l.Version = 1
	default:
		l.Version = 2
	}
	lines := tableLines(data, "package")
	if len(lines) != len(doc.Package) {
		return nil, fmt.Errorf("%s: packages must be [[package]] tables", lockName)
	}
	if doc.Root != nil {
		doc.Package, lines = append(doc.Package, *doc.Root), append(lines, 1)
	}
	if len(doc.Package) == 0 {
		return nil, truncated(fmt.Errorf("%s: no packages", lockName))
	}
	for i, e := range doc.Package {
		p, err := e.check(l.Version, doc.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", lockName, lines[i], err)
		}
		p.Line = lines[i]
		l.Packages = append(l.Packages, p)
	}
	return l, l.contradictions()
}

func truncated(err error) error {
	return fault.Hint(err, "Cargo.lock is damaged or incomplete; restore it from version control, or run `cargo generate-lockfile` and commit it")
}

func (e lockEntry) check(version int, metadata map[string]string) (LockPackage, error) {
	p := LockPackage{Name: e.Name, Version: e.Version, Source: e.Source, Checksum: e.Checksum, Dependencies: e.Dependencies}
	if err := checkName(p.Name, p.Source != ""); err != nil {
		return p, err
	}
	if err := checkVersion(p.Version); err != nil {
		return p, fmt.Errorf("package %s: %w", p.Name, err)
	}
	id := p.Name + " " + p.Version
	if e.Replace != "" {
		return p, fault.Hint(fmt.Errorf("package %s: replaced by %.100q", id, e.Replace), "[replace] is not supported; use [patch]")
	}
	if version == 1 && p.Checksum == "" && p.Source != "" {
		p.Checksum = metadata["checksum "+id+" ("+p.Source+")"]
		if p.Checksum == "<none>" {
			p.Checksum = ""
		}
	}
	switch {
	case p.Local():
		if p.Checksum != "" {
			return p, fmt.Errorf("package %s: has a checksum but no source", id)
		}
	case p.Registry():
		if p.Checksum == "" {
			return p, fault.Hint(fmt.Errorf("package %s: comes from a registry and has no checksum", id), "run `cargo generate-lockfile` and commit Cargo.lock")
		}
		if !isHex(p.Checksum, 64) {
			return p, fmt.Errorf("package %s: checksum %.100q is not a SHA-256", id, p.Checksum)
		}
	case strings.HasPrefix(p.Source, "git+"):
		if _, _, ok := p.Git(); !ok {
			return p, fault.Hint(fmt.Errorf("package %s: git source %.200q names no full commit", id, p.Source), "run `cargo generate-lockfile` and commit Cargo.lock")
		}
		if p.Checksum != "" {
			return p, fmt.Errorf("package %s: comes from git and has a checksum", id)
		}
	default:
		return p, fmt.Errorf("package %s: source %.200q is not known", id, p.Source)
	}
	return p, nil
}

// contradictions finds packages that are there twice and dependencies that
// are not there, or could be either of two.
func (l *LockFile) contradictions() error {
	type id struct{ name, version, source string }
	seen := map[id]int{}
	byName := map[string][]*LockPackage{}
	for i := range l.Packages {
		p := &l.Packages[i]
		k := id{p.Name, p.Version, p.Source}
		if line, ok := seen[k]; ok {
			return fmt.Errorf("%s:%d: package %s %s is there twice, first in line %d", lockName, p.Line, p.Name, p.Version, line)
		}
		seen[k] = p.Line
		byName[p.Name] = append(byName[p.Name], p)
	}
	for _, p := range l.Packages {
		for _, d := range p.Dependencies {
			switch n := matches(byName, d); {
			case n == 0:
				return truncated(fmt.Errorf("%s:%d: package %s %s needs %.200q, which is not in the file", lockName, p.Line, p.Name, p.Version, d))
			case n > 1:
				return truncated(fmt.Errorf("%s:%d: package %s %s needs %.200q, which %d packages match", lockName, p.Line, p.Name, p.Version, d, n))
			}
		}
	}
	return nil
}

// matches counts the packages that a dependency can mean.
func matches(byName map[string][]*LockPackage, dep string) int {
	name, rest, _ := strings.Cut(dep, " ")
	version, source, _ := strings.Cut(rest, " ")
	if source != "" {
		inner, opened := strings.CutPrefix(source, "(")
		inner, closed := strings.CutSuffix(inner, ")")
		if !opened || !closed {
			return 0
		}
		source = inner
		source, _, _ = strings.Cut(source, "#")
	}
	n := 0
	for _, p := range byName[name] {
		from, _, _ := strings.Cut(p.Source, "#")
		if (version == "" || version == p.Version) && (source == "" || source == from) {
			n++
		}
	}
	return n
}

// Registry says whether the package comes from a registry.
func (p LockPackage) Registry() bool {
	return strings.HasPrefix(p.Source, "registry+") || strings.HasPrefix(p.Source, "sparse+")
}

// Local says whether the package is part of the source tree.
func (p LockPackage) Local() bool { return p.Source == "" }

// Crates lists the packages that come from registries, in the file's order.
func (l *LockFile) Crates() []Crate {
	var all []Crate
	for _, p := range l.Packages {
		if p.Registry() {
			all = append(all, Crate{Name: p.Name, Version: p.Version, Checksum: p.Checksum, Source: p.Source})
		}
	}
	return all
}

func isHex(s string, n int) bool {
	if len(s) != n || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
