package cause

import (
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// say is a rule's plain answer: its own title and fix, the place as proof.
func say() ([]Cause, bool) { return []Cause{{}}, true }

// fieldOf matches fields of parts that lie in a container of some kind.
func fieldOf(kinds []compare.Kind, names []string) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		if p.field == nil || !slices.Contains(names, p.field.Name) || !slices.Contains(kinds, p.container().Kind) {
			return nil, false
		}
		return say()
	}
}

var tars = []compare.Kind{compare.Tar, compare.Gzip, compare.Zstd, compare.Image}

func tarField(names ...string) match {
	plain := fieldOf(tars, names)
	return func(x *explainer, p *place) ([]Cause, bool) {
		found, ok := plain(x, p)
		if ok && p.field.Name == "mtime" && slices.ContainsFunc(p.part().Fields, func(f compare.Field) bool { return f.Name == "PAX records" }) {
			// The records have the same time: they are no cause of their own.
			return found, true
		}
		if ok && p.field.Name == "PAX records" {
			if onlyTimes(p.field.A) && onlyTimes(p.field.B) && slices.ContainsFunc(p.part().Fields, func(f compare.Field) bool { return f.Name == "mtime" }) {
				return nil, true
			}
		}
		return found, ok
	}
}

// onlyTimes says whether PAX records are none or the mtime alone.
func onlyTimes(records string) bool {
	return records == "none" || strings.HasPrefix(records, "mtime=") && !strings.Contains(records, " ")
}

func zipField(names ...string) match { return fieldOf([]compare.Kind{compare.Zip}, names) }

// compressor knows what differs in compression alone, and takes the fields of
// headers on it. The same fields mean nothing where the contents differ.
func compressor(_ *explainer, p *place) ([]Cause, bool) {
	f := p.part()
	if f.Kind != compare.Gzip && f.Kind != compare.Zstd && f.Kind != compare.Zip {
		return nil, false
	}
	packed := []string{"gzip level", "gzip system", "first block", "compressed size", "zstd window", "zstd checksum", "zstd content size"}
	isField := p.field != nil && slices.Contains(packed, p.field.Name)
	same := strings.Contains(f.Note, "the compression differs") || strings.Contains(f.Note, "the compression or the zip's headers differ")
	switch {
	case p.field != nil && !isField:
		return nil, false
	case isField && !same:
		return nil, true
	case !same:
		return nil, false
	case len(f.Fields) > 0 && !isField:
		return nil, true // the fields say it
	case isField && onlyHeader(f):
		return nil, false
	}
	var proof []string
	for _, x := range f.Fields {
		proof = append(proof, fmt.Sprintf("%s: %s in A, %s in B", x.Name, x.A, x.B))
	}
	return []Cause{{Proof: proof}}, true
}

// onlyHeader says whether nothing but time and name in gzip's header differ.
func onlyHeader(f *compare.Finding) bool {
	for _, x := range f.Fields {
		if x.Name != "gzip mtime" && x.Name != "gzip name" {
			return x.Name == "compressed size" && f.SizeA != f.SizeB && slices.ContainsFunc(f.Fields, func(y compare.Field) bool { return y.Name == "gzip name" })
		}
	}
	return true
}

func gzipHeader(_ *explainer, p *place) ([]Cause, bool) {
	if p.field == nil || p.part().Kind != compare.Gzip {
		// The header's bytes of what has the same content.
		return nil, p.part().Kind == compare.Gzip && strings.Contains(p.part().Note, "the compression differs")
	}
	if p.field.Name != "gzip mtime" && p.field.Name != "gzip name" {
		return nil, true
	}
	return say()
}

func arHeader(_ *explainer, p *place) ([]Cause, bool) {
	if p.field == nil || p.container().Kind != compare.Ar || !slices.Contains([]string{"mtime", "uid", "gid", "mode"}, p.field.Name) {
		return nil, false
	}
	return say()
}

// orderOf matches containers of some kinds whose parts are the same in another
// order.
func orderOf(kinds ...compare.Kind) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		if !slices.Contains(kinds, p.part().Kind) || !strings.HasPrefix(p.note(), "the order differs") {
			return nil, false
		}
		return []Cause{{Proof: []string{p.path + ": " + p.note()}}}, true
	}
}

// hardLink knows an entry that is a link to another on one side and a file on
// the other.
func hardLink(x *explainer, p *place) ([]Cause, bool) {
	if p.field == nil || !slices.Contains(tars, p.container().Kind) {
		return nil, false
	}
	kinds := p.field.A + p.field.B
	if p.field.Name != "type" || !strings.Contains(kinds, "'1'") {
		return nil, false
	}
	x.settled[p.part()] = true
	return say()
}

// fileMode knows the modes of files in a directory.
func fileMode(x *explainer, p *place) ([]Cause, bool) {
	if p.container().Kind != compare.Directory || !strings.HasPrefix(p.note(), "mode is ") {
		return nil, false
	}
	return say()
}
