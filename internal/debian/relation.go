package debian

import (
	"errors"
	"fmt"
	"strings"
)

// A Relation is one package name in a dependency field, with the versions that
// do.
type Relation struct {
	Name    string
	Arch    string // qualifier: "any", "amd64", mostly ""
	Op      string // "<<", "<=", "=", ">=", ">>", or "" for any version
	Version string
}

func (r Relation) String() string {
	s := r.Name
	if r.Arch != "" {
		s += ":" + r.Arch
	}
	if r.Op != "" {
		s += " (" + r.Op + " " + r.Version + ")"
	}
	return s
}

// Admits reports whether a package of this version does.
func (r Relation) Admits(version string) bool {
	if r.Op == "" {
		return true
	}
	c := CompareVersions(version, r.Version)
	switch r.Op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	}
	return c > 0
}

// ParseRelations parses a dependency field: what must all hold, each a list of
// alternatives. Restrictions to architectures or build profiles, which belong
// in source packages, are errors.
func ParseRelations(field string) ([][]Relation, error) {
	var all [][]Relation
	if strings.TrimSpace(field) == "" {
		return nil, nil
	}
	for clause := range strings.SplitSeq(field, ",") {
		if strings.TrimSpace(clause) == "" {
			continue // a trailing comma
		}
		var alternatives []Relation
		for alt := range strings.SplitSeq(clause, "|") {
			r, err := parseRelation(alt)
			if err != nil {
				return nil, fmt.Errorf("parsing dependency %.80q: %w", clause, err)
			}
			alternatives = append(alternatives, r)
		}
		all = append(all, alternatives)
	}
	return all, nil
}

func parseRelation(s string) (Relation, error) {
	name, rest, versioned := strings.Cut(s, "(")
	var r Relation
	var qualified bool
	r.Name, r.Arch, qualified = strings.Cut(strings.TrimSpace(name), ":")
	if !isPackageName(r.Name) {
		return r, fmt.Errorf("%.80q is not a package name", r.Name)
	}
	if qualified && !isPackageName(r.Arch) {
		return r, fmt.Errorf("%.80q is not an architecture", r.Arch)
	}
	if !versioned {
		return r, nil
	}
	inner, after, closed := strings.Cut(rest, ")")
	if !closed || strings.TrimSpace(after) != "" {
		return r, errors.New("no closing parenthesis at its end")
	}
	inner = strings.TrimSpace(inner)
	op := inner[:len(inner)-len(strings.TrimLeft(inner, "<=>"))]
	r.Version = strings.TrimSpace(inner[len(op):])
	switch op {
	case "<<", "<=", "=", ">=", ">>":
		r.Op = op
	case "<": // long obsolete, and meaning <=, as dpkg still has it
		r.Op = "<="
	case ">":
		r.Op = ">="
	default:
		return r, fmt.Errorf("unknown operator %.80q", op)
	}
	if r.Version == "" || strings.ContainsAny(r.Version, " \t\n()[]<>") {
		return r, fmt.Errorf("%.80q is not a version", r.Version)
	}
	return r, nil
}

// isPackageName takes what Policy 5.6.1 does, and upper case and underscores,
// which are in virtual package names.
func isPackageName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || i > 0 && strings.IndexByte("+-._", c) >= 0) {
			return false
		}
	}
	return s != ""
}
