// Package compare says whether two artefacts are the same bytes and, where
// they are not, in which part of which part the first difference is.
//
// The result is a tree of findings: an OCI archive holds a layer, the layer an
// entry, the entry is an ELF file, the file has a section, and in the section
// is a range of bytes. Only what differs is in the tree; equal inputs give a
// nil tree.
//
// What is understood, by content and never by name:
//
//   - OCI image layouts, as a directory or a tar: index, manifest, config,
//     layers in order, and the entries of each layer; docker-archives likewise
//   - tar, gzip and zstd (a tar in them is looked into, any other content is compared
//     as itself), zip
//   - ar archives: GNU (so .rlib and .a) and BSD names
//   - ELF of either class and byte order, so cubins too: sections by name, notes, headers,
//     and what lies between; the names of symbols and their order; of DWARF the
//     compilation units with their directories, producers and tables of files
//   - what CUDA's tools embed: fatbins, whose images are looked into
//   - PE: sections, time stamps, checksum, CodeView identifier
//   - WebAssembly modules by section, rustc's metadata, compiled Python
//   - JSON documents, by member; other text, by line
//   - everything else, as bytes
//
// Parts are paired by name, and the n-th of a name with the n-th; what is left
// over, by its name without hashes ("x.1f8b0c9d-cgu.0.rcgu.o"). Where a section
// of data moved because something in it has another length, its strings are
// compared instead of its bytes. Two containers whose parts are all equal, in the same order, differ in their
// framing (compressor, header fields, padding); the finding says so.
//
// Inputs are hostile: nothing here panics, sizes in headers are believed only
// as far as the file reaches, decompression, entry counts, depth and the
// number of findings are limited by Limits. A part that can't be read as what
// it claims to be is compared as bytes, and its finding says why.
//
// Memory is bounded by Limits too: equal parts are streamed; a part inside a
// compressed stream that differs is spooled to a temporary file. Two gzip streams of tars
// with the same names in the same order are read once, in step; what is the same in both,
// compressed, is decompressed once (package inflate), and what follows the last difference
// not at all: of a stream that is damaged there in both sides alike, that isn't said.
// Where a compressor doesn't come together again behind a difference, the entries after it
// are kept on both sides until they are compared, in temporary files if they are large.
package compare

import (
	"encoding/hex"
	"fmt"
)

// Bytes are bytes of a file; JSON shows them as hexadecimal.
type Bytes []byte

// MarshalText gives lower-case hexadecimal.
func (b Bytes) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, b), nil
}

// UnmarshalText takes hexadecimal.
func (b *Bytes) UnmarshalText(t []byte) error {
	if len(t) > 2*maxShown {
		return fmt.Errorf("%d bytes shown, at most %d are", len(t)/2, maxShown)
	}
	p, err := hex.AppendDecode(nil, t)
	if err != nil {
		return fmt.Errorf("bytes: %w", err)
	}
	*b = p
	return nil
}

// Difference is one place where two files differ.
type Difference struct {
	// Path names the place, outermost part first, and can be pasted:
	// "bin/stamp:.rodata+0x1c40", "lib/libx.rlib:x.o:.text+0x10",
	// "notes.txt:12", "image/layer[1]/usr/bin/rg:.comment+0x0". Entries of
	// directories, archives and images come after a slash and are numbered
	// from 0; what is inside of a file comes after a colon, lines are numbered from 1.
	Path string `json:"path"`
	// Offset is where the first difference is in the innermost part: in the
	// section, the member, the entry or the file.
	Offset int64 `json:"offset"`
	// Length is the length of the differing range in A.
	Length int64 `json:"length"`
	// A and B are the bytes there, widened to the word or string that they are
	// in and cut to at most 96 bytes. A side that has nothing there is empty.
	A Bytes `json:"a"`
	B Bytes `json:"b"`
	// Before is how many bytes at the start of A and B are equal: the
	// widening.
	Before int `json:"before,omitempty"`
	// Wide are the bytes around A and B, for who looks for causes: at most 64
	// before the first difference, WideAt of them, and 320 from there on. They are
	// not part of the data that is kept.
	WideA, WideB []byte `json:"-"`
	WideAt       int    `json:"-"`
	// Count is the number of differing ranges (lines, members, strings) in the
	// innermost part; counting stops at 1000.
	Count int `json:"count"`
	// Section and Symbol are set in an ELF file, Member in an archive
	// (the innermost one).
	Section string `json:"section,omitempty"`
	Symbol  string `json:"symbol,omitempty"`
	Member  string `json:"member,omitempty"`
	// SizeA and SizeB are the sizes of the innermost part; -1 where a side
	// does not have it.
	SizeA int64 `json:"size_a"`
	SizeB int64 `json:"size_b"`
	// Note says what bytes can't: "only in A", "the contents are the same, the
	// compression differs", "mode is 0644 in A, 0755 in B".
	Note string `json:"note,omitempty"`
}

// Kind is what a finding is about.
type Kind string

// The kinds of parts.
const (
	Directory Kind = "directory"
	Raw       Kind = "bytes"
	Text      Kind = "text"
	JSON      Kind = "json"
	ELF       Kind = "elf"
	PE        Kind = "pe"
	Wasm      Kind = "wasm"
	Fatbin    Kind = "fatbin"
	Rmeta     Kind = "rmeta" // rustc's metadata of a library
	Pyc       Kind = "pyc"   // compiled Python
	Debug     Kind = "debug" // DWARF, unit by unit
	Unit      Kind = "unit"
	Symbols   Kind = "symbols"
	Section   Kind = "section"
	Ar        Kind = "ar"
	Tar       Kind = "tar"
	Zip       Kind = "zip"
	Gzip      Kind = "gzip"
	Zstd      Kind = "zstd"
	Packed    Kind = "packed" // gzip on one side, Zstandard on the other
	Image     Kind = "image"
)

// Field is a field of a header that differs: of an archive's member, a
// compressed stream, a program.
type Field struct {
	Name string `json:"name"` // "mtime", "owner", "mode", …
	A    string `json:"a"`
	B    string `json:"b"`
}

// Finding is a part that differs. A leaf has Ranges or a Note, or both; an
// inner node has Parts.
type Finding struct {
	Name  string `json:"name"`
	Kind  Kind   `json:"kind"`
	SizeA int64  `json:"size_a"` // -1: A does not have it
	SizeB int64  `json:"size_b"`
	// Note is a difference that is not in the bytes of a part: its presence,
	// its metadata, the order of parts, or why it was compared as bytes.
	Note string `json:"note,omitempty"`
	// Fields are differences of headers, one by one: what Note says in words.
	Fields []Field `json:"fields,omitempty"`
	// Ranges are the first few differing ranges.
	Ranges []Difference `json:"ranges,omitempty"`
	// Parts are the parts that differ, the most telling first.
	Parts []*Finding `json:"parts,omitempty"`
	// More is how many further parts differ that Parts does not hold.
	More int `json:"more,omitempty"`
}

// maxShown bounds the bytes of a difference.
const maxShown = 96

// maxCount is where the counting of differing ranges stops.
const maxCount = 1000

// First is the most telling difference in the tree: along the first part of
// each node. A nil finding gives nil.
func (f *Finding) First() *Difference {
	all := f.Differences(1)
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// Differences are up to max differences of the tree, the most telling first.
func (f *Finding) Differences(max int) []Difference {
	var out []Difference
	var walk func(*Finding, bool)
	walk = func(f *Finding, inner bool) {
		if f == nil || len(out) >= max {
			return
		}
		for _, p := range f.Parts {
			walk(p, true)
		}
		for i := range f.Ranges {
			if len(out) < max {
				out = append(out, f.Ranges[i])
			}
		}
	}
	walk(f, false)
	return out
}
