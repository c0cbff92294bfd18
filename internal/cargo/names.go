package cargo

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkName accepts the names of packages. Registries have ASCII names only; what
// is local or from git may have any letter. Either can be part of a path.
func checkName(name string, ascii bool) error {
	if name == "" {
		return fmt.Errorf("a package without a name")
	}
	if len(name) > 128 || !utf8.ValidString(name) {
		return fmt.Errorf("package name %.140q is not one", name)
	}
	for i, r := range name {
		switch {
		case r == '_' || r == '-' && i > 0 || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
		case !ascii && r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)):
		default:
			return fmt.Errorf("package name %.140q is not one", name)
		}
	}
	return nil
}

// checkVersion accepts semantic versions: "1.2.3-rc.1+build".
func checkVersion(v string) error {
	bad := fmt.Errorf("version %.100q is not one", v)
	if v == "" || len(v) > 128 {
		return bad
	}
	core, build, hasBuild := strings.Cut(v, "+")
	core, pre, hasPre := strings.Cut(core, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return bad
	}
	for _, n := range numbers {
		if n == "" || strings.Trim(n, "0123456789") != "" || len(n) > 1 && n[0] == '0' {
			return bad
		}
	}
	for _, part := range []struct {
		text string
		has  bool
	}{{pre, hasPre}, {build, hasBuild}} {
		if !part.has {
			continue
		}
		for _, id := range strings.Split(part.text, ".") {
			if id == "" || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
				return bad
			}
		}
	}
	return nil
}

// NewerVersion says whether version a is to be preferred to b: a release to a
// pre-release, else the higher one by the rules of semantic versioning. Build
// metadata decides, bytewise, between otherwise equal ones.
func NewerVersion(a, b string) bool {
	x, y := splitVersion(a), splitVersion(b)
	if (x.pre == "") != (y.pre == "") {
		return x.pre == ""
	}
	for i := range x.numbers {
		if c := compareNumbers(x.numbers[i], y.numbers[i]); c != 0 {
			return c > 0
		}
	}
	if c := comparePre(x.pre, y.pre); c != 0 {
		return c > 0
	}
	return x.build > y.build
}

type version struct {
	numbers    [3]string
	pre, build string
}

func splitVersion(s string) version {
	var v version
	s, v.build, _ = strings.Cut(s, "+")
	s, v.pre, _ = strings.Cut(s, "-")
	copy(v.numbers[:], strings.SplitN(s, ".", 3))
	return v
}

// compareNumbers compares decimal numbers of any length without leading zeros.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func comparePre(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		xn, yn := strings.Trim(x[i], "0123456789") == "", strings.Trim(y[i], "0123456789") == ""
		var c int
		switch {
		case xn && yn:
			c = compareNumbers(x[i], y[i])
		case xn:
			c = -1
		case yn:
			c = 1
		default:
			c = strings.Compare(x[i], y[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}
