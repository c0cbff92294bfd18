package cause

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

var (
	tmpxft    = regexp.MustCompile(`tmpxft_[0-9a-f]{8}_[0-9a-f]{8}(-\d+)?[0-9A-Za-z_.]*`)
	temporary = regexp.MustCompile(`(/tmp|/var/tmp|/dev/shm|\$TMPDIR)/[0-9A-Za-z._-]*[0-9A-Za-z_]{6,}|\b(cc|rustc|tmp|\.tmp)[0-9A-Za-z]{6}\b(\.[a-z]+)?`)
	sharedMem = regexp.MustCompile(`__shared_mem_\d+`)
	uuidText  = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}`)
	hexWord   = regexp.MustCompile(`\b[0-9a-f]{7,40}\b`)
	described = regexp.MustCompile(`v?\d+(\.\d+)+-\d+-g[0-9a-f]{7,40}|[0-9a-f]{7,40}[-+](dirty|modified)|-(dirty|modified)\b`)
	pointer   = regexp.MustCompile(`0x(7f|55|56)[0-9a-f]{10}\b`)
	buildOut  = regexp.MustCompile(`/build/[0-9A-Za-z_-]+-[0-9a-f]{16}/out`)
)

// pattern matches a place at which each side has another word of a form.
func pattern(re *regexp.Regexp) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		a, b := around(re, p.a, p.at), around(re, p.b, p.at)
		if a == "" || b == "" || a == b {
			return nil, false
		}
		return []Cause{{Proof: []string{fmt.Sprintf("%s: %q in A, %q in B", p.path, a, b)}}}, true
	}
}

func outDir(_ *explainer, p *place) ([]Cause, bool) {
	a, b := p.words()
	oa, ob := buildOut.FindString(a), buildOut.FindString(b)
	if oa == "" || ob == "" || lastPath(cutAt(a, oa)) == lastPath(cutAt(b, ob)) {
		return nil, false
	}
	return []Cause{{Proof: []string{fmt.Sprintf("%s: %q in A, %q in B", p.path, lastPath(cutAt(a, oa)), lastPath(cutAt(b, ob)))}}}, true
}

// installed is what is below a prefix, of what programs keep the paths of.
var installed = regexp.MustCompile(`^(/[^\s"':]*)?/(lib(64)?/[A-Za-z0-9_-]*(engines|modules|plugins|pkgconfig|cmake)[A-Za-z0-9._-]*|etc|share|libexec|ssl|var|install|prefix)(/|$|["':\s])`)

// installPrefix knows a path below OUT_DIR that is one of an installed library.
func installPrefix(x *explainer, p *place) ([]Cause, bool) {
	found, ok := outDir(x, p)
	if !ok {
		return nil, false
	}
	a, b := p.words()
	for _, w := range []string{a, b} {
		_, rest, _ := strings.Cut(w, buildOut.FindString(w))
		if !installed.MatchString(rest) {
			return nil, false
		}
	}
	return found, true
}

// cutAt is s up to and with its first part.
func cutAt(s, part string) string {
	i := strings.Index(s, part)
	return s[:i+len(part)]
}

var sysroot = regexp.MustCompile(`/[^\s"']*/lib/rustlib/src/rust/|/rustc/[0-9a-f]{40}/`)

func rustSrc(_ *explainer, p *place) ([]Cause, bool) {
	wa, wb := p.words()
	a, b := sysroot.FindString(wa), sysroot.FindString(wb)
	if a == "" || b == "" || a == b {
		return nil, false
	}
	return []Cause{{Proof: []string{fmt.Sprintf("%s: %q in A, %q in B", p.path, a, b)}}}, true
}

func uuid(_ *explainer, p *place) ([]Cause, bool) {
	a, b := around(uuidText, p.a, p.at), around(uuidText, p.b, p.at)
	if a == "" || b == "" || a == b {
		return nil, false
	}
	return []Cause{{Proof: []string{fmt.Sprintf("%s: %q in A, %q in B", p.path, a, b)}}}, true
}

// gitRevision knows what git describe prints, a commit beside the word git or
// commit, and "dirty" on one side.
func gitRevision(_ *explainer, p *place) ([]Cause, bool) {
	if p.field != nil {
		return nil, false
	}
	wa, wb := p.words()
	da, db := described.FindString(wa), described.FindString(wb)
	if da != db && (da != "" || db != "") && (common(wa, wb) > 4 || da != "" && db != "") {
		return say()
	}
	a, b := around(hexWord, p.a, p.at), around(hexWord, p.b, p.at)
	if len(a) != len(b) || a == "" || a == b || !strings.ContainsAny(a, "abcdef") {
		return nil, false
	}
	text := strings.ToLower(wa + " " + p.d.Symbol)
	if strings.Contains(text, "git") || strings.Contains(text, "commit") || strings.Contains(text, "revision") {
		return say()
	}
	return nil, false
}

// address knows pointers of 64-bit Linux, as text or as eight bytes.
func address(_ *explainer, p *place) ([]Cause, bool) {
	a, b := around(pointer, p.a, p.at), around(pointer, p.b, p.at)
	if a != "" && b != "" && a != b {
		return []Cause{{Proof: []string{fmt.Sprintf("%s: %s in A, %s in B", p.path, a, b)}}}, true
	}
	if p.field != nil || textual(p.d.A) || consequence(p) && p.part().Kind != compare.Section || strings.HasPrefix(p.d.Section, ".text") {
		return nil, false
	}
	for back := 1; back <= 7; back++ { // the low half of a byte of offset 0 seldom differs
		from := p.at - back
		if from < 0 || from+8 > len(p.a) || from+8 > len(p.b) {
			continue
		}
		va, vb := binary.LittleEndian.Uint64(p.a[from:]), binary.LittleEndian.Uint64(p.b[from:])
		if isPointer(va) && isPointer(vb) && va != vb && va>>40 == vb>>40 {
			return []Cause{{Proof: []string{fmt.Sprintf("%s: %#x in A, %#x in B", p.path, va, vb)}}}, true
		}
	}
	return nil, false
}

func isPointer(v uint64) bool {
	top := v >> 40
	return top == 0x7f || top == 0x55 || top == 0x56
}

var absolute = regexp.MustCompile(`^(/[^/\s"'\x00:;,<>()]+){2,}/?|^[A-Za-z]:[\\/][^"'\x00;,<>]+`)

// anyPath knows two absolute paths that end alike, or lie in directories that
// builds use.
func anyPath(_ *explainer, p *place) ([]Cause, bool) {
	a, b := pathAround(p.a, p.at), pathAround(p.b, p.at)
	if a == "" || b == "" || a == b {
		return nil, false
	}
	return []Cause{{Proof: []string{fmt.Sprintf("%s: %q in A, %q in B", p.path, cut(a), cut(b))}}}, true
}

// pathAround is the absolute path that reaches over a place.
func pathAround(p []byte, at int) string {
	w := word(p, at)
	at = min(at, len(p))
	start := at
	for start > 0 && p[start-1] >= ' ' && p[start-1] < 0x7f {
		start--
	}
	at -= start                                // now in w; a path starts with a slash after what ends a word
	for i := 0; i < len(w) && i <= at+4; i++ { // a length may stand before it
		if w[i] != '/' && !(i+2 < len(w) && w[i+1] == ':' && (w[i+2] == '\\' || w[i+2] == '/')) {
			continue
		}
		if i > 0 && (isNameByte(w[i-1]) || w[i-1] == '/' || w[i-1] == ':' && w[i] == '/' && i+1 < len(w) && w[i+1] == '/') {
			continue
		}
		if m := absolute.FindString(w[i:]); m != "" && i+len(m) >= at {
			return m
		}
	}
	return ""
}

func isNameByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' || c == '.'
}

// sameInOrder knows parts that were found to be the same in another order, and
// parts of one file whose values are.
func sameInOrder(x *explainer, p *place) ([]Cause, bool) {
	if p.field != nil && (p.field.Name == "order of strings" || p.field.Name == "order of lines") {
		x.settled[p.part()] = true
		return say()
	}
	if p.field != nil || len(p.d.A) == 0 || len(p.d.B) == 0 {
		return nil, false
	}
	for _, e := range x.ordered {
		if e.part == p.part() && e.from <= p.d.Offset && p.d.Offset < e.to {
			return nil, true
		}
	}
	if n := shuffled(p); n > 0 {
		x.ordered = append(x.ordered, extent{p.part(), p.d.Offset, p.d.Offset + int64(n)})
		return []Cause{{Proof: []string{evidence(p), fmt.Sprintf("both are the same %d characters in another order", n)}}}, true
	}
	// All the places of the parts around: the same values on both sides?
	owner := p.part()
	if len(owner.Ranges) < 2 {
		owner = p.container()
	}
	var a, b []string
	for _, f := range append([]*compare.Finding{owner}, owner.Parts...) {
		for _, r := range f.Ranges {
			if len(r.A) >= 4 && len(r.B) >= 4 && textual(r.A) && textual(r.B) {
				a, b = append(a, string(r.A)), append(b, string(r.B))
			}
		}
	}
	sort.Strings(a)
	sort.Strings(b)
	if len(a) < 2 || !slices.Equal(a, b) {
		return nil, false
	}
	x.settled[owner] = true
	return []Cause{{Proof: []string{fmt.Sprintf("%s: the same %d values in another order, %s first in A, %s in B", p.path, len(a), quote(p.d.A), quote(p.d.B))}}}, true
}

// shuffled is how many characters from a place on are the same in another
// order, 0 if none are. By chance a few in the middle may be where they were, so
// that the place is only the first of some.
func shuffled(p *place) (n int) {
	a, b := p.a[min(p.at, len(p.a)):], p.b[min(p.at, len(p.b)):]
	for end := 1; end <= min(len(a), len(b)) && textual(a[end-1:end]) && textual(b[end-1:end]); end++ {
		if end >= 12 && a[end-1] != b[end-1] && unlike(string(a[:end]), string(b[:end])) > 0.2 && sameBytes(a[:end], b[:end]) {
			n = end
		}
	}
	return n
}

// sameBytes says whether two texts have the same bytes, each as often, and more than a few
// of them.
func sameBytes(a, b []byte) bool {
	var count [256]int
	different := 0
	for i := range a {
		if count[a[i]] == 0 {
			different++
		}
		count[a[i]]++
	}
	for i := range b {
		count[b[i]]--
	}
	return different >= 6 && count == [256]int{}
}

// random knows bytes that share no more than chance, or long words of
// hexadecimal or base 64 digits.
func random(_ *explainer, p *place) ([]Cause, bool) {
	if p.field != nil || p.inside(compare.Rmeta) || p.inside(compare.JSON) && strings.HasSuffix(p.path, "digest") {
		return nil, false
	}
	switch p.part().Kind {
	case compare.Section:
		if consequence(p) || strings.HasPrefix(p.d.Section, ".note.") {
			return nil, false
		}
	case compare.Text, compare.JSON, compare.Raw:
	default:
		return nil, false
	}
	if randomNumber(around(number, p.a, p.at), around(number, p.b, p.at)) {
		return say()
	}
	a, b := p.a[min(p.at, len(p.a)):], p.b[min(p.at, len(p.b)):]
	if textual(p.d.A) && textual(p.d.B) {
		wa, wb := around(digits, p.a, p.at), around(digits, p.b, p.at)
		if len(wa) < 8 || len(wa) != len(wb) || len(wa) < 16 && !isNumber(wa) || unlike(wa, wb) < 0.75 {
			return nil, false
		}
		return say()
	}
	n := int(min(p.d.Length, int64(len(a)), int64(len(b)), 64))
	if n < 6 || p.d.SizeA != p.d.SizeB {
		return nil, false
	}
	different, values := 0, map[byte]bool{}
	for i := range n {
		different += bits.OnesCount8(a[i] ^ b[i])
		values[a[i]], values[b[i]] = true, true
	}
	if share := float64(different) / float64(8*n); share < 0.3 || share > 0.7 || len(values) < n {
		return nil, false
	}
	return []Cause{{Proof: []string{evidence(p), fmt.Sprintf("%d of %d bits differ, as by chance", different, 8*n)}}}, true
}

// randomNumber knows two long numbers in digits that share no more than chance;
// the one that happens to be smaller has fewer.
func randomNumber(a, b string) bool {
	if min(len(a), len(b)) < 16 || max(len(a), len(b))-min(len(a), len(b)) > 3 {
		return false
	}
	n := min(len(a), len(b))
	return unlike(a[:n], b[:n]) >= 0.75
}

var digits = regexp.MustCompile(`[0-9A-Za-z+/_-]+`)

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// unlike is the share of places at which two words of one length differ.
func unlike(a, b string) float64 {
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}
