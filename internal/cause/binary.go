package cause

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

func section(names ...string) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		if !slices.Contains(names, p.d.Section) {
			return nil, false
		}
		return say()
	}
}

func note(text string) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		if p.field != nil || !strings.Contains(p.note(), text) {
			return nil, false
		}
		return say()
	}
}

// portable matches fields of a PE file. The sections in which these stand need no other cause, if
// nothing longer differs in them.
func portable(names ...string) match {
	return func(x *explainer, p *place) ([]Cause, bool) {
		if p.field == nil || p.part().Kind != compare.PE || !slices.Contains(names, p.field.Name) {
			return nil, false
		}
		for _, s := range p.part().Parts {
			if !slices.ContainsFunc(s.Ranges, func(d compare.Difference) bool { return d.Length > 24 || d.Count > 3 }) {
				x.settled[s] = true
			}
		}
		return say()
	}
}

// pycMtime knows the header of compiled Python.
func pycMtime(x *explainer, p *place) ([]Cause, bool) {
	if p.field == nil || p.field.Name != "source mtime" {
		return nil, false
	}
	if !slices.ContainsFunc(p.part().Ranges, func(d compare.Difference) bool { return d.Offset+d.Length > 16 }) {
		x.settled[p.part()] = true
	}
	return say()
}

func isLineField(p *place) bool {
	return p.field != nil && p.part().Kind == compare.Unit && (strings.HasSuffix(p.field.Name, " mtime") || strings.HasSuffix(p.field.Name, " size"))
}

// ptxasMtime knows the line table of a cubin: debug information without any
// unit but that, and bytes in its section.
func ptxasMtime(x *explainer, p *place) ([]Cause, bool) {
	if isLineField(p) && strings.HasPrefix(p.part().Name, "line table") {
		for _, f := range p.chain {
			for _, s := range f.Parts {
				if s.Name == ".debug_line" {
					x.settled[s] = true
				}
			}
		}
		if strings.HasSuffix(p.field.Name, " size") {
			return nil, true
		}
		return say()
	}
	return nil, false
}

var fileDirective = regexp.MustCompile(`^\s*\.file\s+\d+\s+"([^"]*)"(?:\s*,\s*(\d+)\s*,\s*(\d+))?`)

// ptxFile knows PTX's directive .file INDEX "NAME", TIME, SIZE.
func ptxFile(_ *explainer, p *place) ([]Cause, bool) {
	a, b := fileDirective.FindSubmatch(p.d.A), fileDirective.FindSubmatch(p.d.B)
	if p.part().Kind != compare.Text || a == nil || b == nil || string(a[1]) != string(b[1]) || string(a[2]) == string(b[2]) {
		return nil, false
	}
	return say()
}

func fatbinHeader(_ *explainer, p *place) ([]Cause, bool) {
	if p.container().Kind == compare.Fatbin && p.field != nil && (p.field.Name == "flags" || p.field.Name == "version") {
		return say()
	}
	if p.part().Kind == compare.Fatbin && strings.HasPrefix(p.note(), "every image is the same") {
		return say()
	}
	return nil, false
}

// compiler knows sections and fields in which compilers name themselves.
func compiler(_ *explainer, p *place) ([]Cause, bool) {
	switch {
	case p.d.Section == ".comment", p.field != nil && p.field.Name == "rustc", p.field != nil && p.part().Kind == compare.Pyc && p.field.Name == "magic":
		return say()
	case p.field != nil && p.field.Name == "producer":
		a, b := versions.FindString(p.field.A), versions.FindString(p.field.B)
		if a != b {
			return say()
		}
	}
	return nil, false
}

// versions is how rustc, gcc and clang name themselves in DWARF.
var versions = regexp.MustCompile(`rustc version \S+ \([^)]*\)|GNU [A-Za-z0-9+]+ \S+|clang version \S+|GNU AS \S+|\d+\.\d+\.\d+`)

// producer knows flags that gcc writes beside its name.
func producer(_ *explainer, p *place) ([]Cause, bool) {
	if p.field == nil || p.field.Name != "producer" {
		return nil, false
	}
	a, b := strings.Fields(p.field.A), strings.Fields(p.field.B)
	var proof []string
	for _, s := range []struct {
		side       string
		this, that []string
	}{{"A", a, b}, {"B", b, a}} {
		for _, w := range s.this {
			if !slices.Contains(s.that, w) {
				proof = append(proof, fmt.Sprintf("only %s was compiled with %s", s.side, w))
			}
		}
	}
	return []Cause{{Proof: proof}}, true
}

var (
	// A unit's name: by its place in the crate, or by a hash of its content when incremental.
	unitName        = regexp.MustCompile(`\.[0-9a-f]{8,16}-cgu\.\d+(\.rcgu)?\.o$`)
	incrementalName = regexp.MustCompile(`\.[0-9a-z]{20,26}(\.[0-9a-z]{6,8})?\.rcgu\.o$`)
	objectName      = regexp.MustCompile(`^[0-9a-f]{16}-.+\.o$`)
	ltoName         = regexp.MustCompile(`^\.gnu\.(debug)?lto_.*\.[0-9a-f]{8,16}$`)
)

// incremental knows rlibs of which at least one side has units that are named
// by their content.
func incremental(x *explainer, p *place) ([]Cause, bool) {
	f := p.part()
	name := f.Name
	if !incrementalName.MatchString(name) {
		if p.only() == "" || !unitName.MatchString(name) || !slices.ContainsFunc(p.container().Parts, func(f *compare.Finding) bool { return incrementalName.MatchString(f.Name) }) {
			return nil, false
		}
	}
	if p.only() == "" && !strings.HasPrefix(p.note(), "called ") {
		return nil, false
	}
	return say()
}

// ccObject knows two members that differ in the hash in their names.
func ccObject(_ *explainer, p *place) ([]Cause, bool) {
	if p.container().Kind != compare.Ar || !objectName.MatchString(p.part().Name) {
		return nil, false
	}
	if !strings.HasPrefix(p.note(), "called ") && !strings.Contains(p.note(), "; called ") && p.only() == "" {
		return nil, false
	}
	return say()
}

func gccSeed(_ *explainer, p *place) ([]Cause, bool) {
	if ltoName.MatchString(p.part().Name) && (p.only() != "" || strings.Contains(p.note(), "called ")) {
		return say()
	}
	if p.field != nil && p.part().Kind == compare.Symbols && strings.Contains(p.field.A, "_GLOBAL__") {
		return say()
	}
	return nil, false
}

// codegenUnits knows functions that changed places, and libraries that were
// cut into another number of units.
func codegenUnits(_ *explainer, p *place) ([]Cause, bool) {
	if p.field != nil && p.part().Kind == compare.Symbols && p.field.Name == "order" {
		return say()
	}
	if p.only() != "" && p.container().Kind == compare.Ar && unitName.MatchString(p.part().Name) {
		return say()
	}
	if p.container().Kind == compare.Debug && p.only() != "" && strings.Contains(p.part().Name, "-cgu.") {
		return say()
	}
	return nil, false
}

var mangled = regexp.MustCompile(`17h[0-9a-f]{16}E|Cs[0-9A-Za-z]{4,12}_|[0-9a-f]{16,}`)

// crateID knows symbols that are the same but for the hashes in their names, and units of a crate
// whose names differ in nothing but the hash.
func crateID(_ *explainer, p *place) ([]Cause, bool) {
	if p.field != nil && p.part().Kind == compare.Symbols && p.field.Name == "symbols of one side" {
		a, b := mangled.ReplaceAllString(p.field.A, "#"), mangled.ReplaceAllString(p.field.B, "#")
		if a == b && strings.Contains(a, "#") {
			return say()
		}
		return nil, false
	}
	n := p.note()
	if p.field == nil && unitName.MatchString(p.part().Name) && strings.Contains(n, "called ") {
		return say()
	}
	return nil, false
}

// crateHash knows the binary part of rustc's metadata.
func crateHash(_ *explainer, p *place) ([]Cause, bool) {
	if !p.inside(compare.Rmeta) || p.field != nil || textual(p.d.A) && textual(p.d.B) && len(p.d.A) >= 12 {
		return nil, false
	}
	return say()
}

// otherCode knows code that differs.
func otherCode(_ *explainer, p *place) ([]Cause, bool) {
	if !strings.HasPrefix(p.d.Section, ".text") && p.d.Section != "code" {
		return nil, false
	}
	proof := []string{evidence(p)}
	if a, b := vex(p.a), vex(p.b); a >= 3*b+3 || b >= 3*a+3 {
		proof = append(proof, fmt.Sprintf("AVX instructions around it: %d in A, %d in B", a, b))
	}
	return []Cause{{Proof: proof}}, true
}

// vex counts what looks like the prefixes of AVX instructions.
func vex(p []byte) int {
	return bytes.Count(p, []byte{0xc5, 0xf8}) + bytes.Count(p, []byte{0xc5, 0xf9}) + bytes.Count(p, []byte{0xc5, 0xfa}) + bytes.Count(p, []byte{0xc5, 0xfb}) +
		bytes.Count(p, []byte{0xc5, 0xfc}) + bytes.Count(p, []byte{0xc5, 0xfd}) + bytes.Count(p, []byte{0xc4, 0xe2}) + bytes.Count(p, []byte{0xc4, 0xe3}) + bytes.Count(p, []byte{0x62, 0xf1})
}
