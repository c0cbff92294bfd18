// Package sbom writes what a build is made of as a CycloneDX 1.6 document in
// JSON.
//
// # What is in it
//
// One document a build, called <build>-cdx-v<version>.json. Its subject is the
// build, with a component in it for each binary. It is a function of the inputs:
// nothing has to be built for it, so the binaries have no hashes here. The
// statement that names them names this document too. Components are
//
//   - crates, as `cargo tree` names them for this build: target, features and
//     packages as built, not all of Cargo.lock. Those whose code can be in the
//     binaries have scope "required"; those that only run while it is built
//     (procedural macros, build scripts' needs) have scope "excluded".
//   - Rust's standard library ("required"), and the compiler and Cargo
//     ("excluded"), by the hashes of the distribution's tarballs.
//   - Debian packages of the runtime image ("required") and of the builder
//     ("excluded"), by the hashes of the .debs. A package that both have is there
//     once for each version, as required.
//   - base images by digest, and other files that the lock names.
//
// A crate's purl is pkg:cargo/NAME@VERSION; of a crate from git it has
// vcs_url=git+URL@COMMIT.
//
// # The same bytes for everybody
//
// Components are sorted by bom-ref, dependencies and properties too. The
// timestamp is the build's epoch. The serial number is an UUID (version 8, RFC
// 9562) made of the SHA-256 of the document without it. No version of this
// program is in it.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
)

// Input is what a document is made from.
type Input struct {
	Build   string // the build's name
	Version string // the project's, or ""
	Crate   bool   // the source is a crate of crates.io
	Commit  string // of the sources, or ""
	Epoch   int64  // seconds since 1970

	Binaries []string
	// Normal and All are cargo tree without and with what build scripts need.
	Normal, All *cargo.Tree
	Lock        *cargo.LockFile
	Toolchain   rust.Pin
	Builder     Debian
	Runtime     Debian
	Images      []Image
	Files       []File
}

// Debian is the packages of an image.
type Debian struct {
	Suite    string
	Packages []images.Package
}

// Image is a base image by digest.
type Image struct {
	Name   string // "gcr.io/distroless/cc-debian12"
	Digest digest.Digest
	Build  bool // of the builder
}

// File is any other input of the builder: a wheel, an archive.
type File struct {
	Name, Version, PURL string
	Digest              digest.Digest
}

// FileName is the document's name.
func (in Input) FileName() string {
	return in.Build + "-cdx-v" + cmp.Or(in.Version, "0") + ".json"
}

// Write returns the document.
func Write(in Input) ([]byte, error) {
	b := &builder{components: map[string]*cdx.Component{}, needs: map[string][]string{}}
	root := "build:" + in.Build
	if err := b.crates(in, root); err != nil {
		return nil, fmt.Errorf("writing the SBOM of %s: %w", in.Build, err)
	}
	b.toolchain(in.Toolchain, root)
	b.debian(in.Runtime, cdx.ScopeRequired, root)
	b.debian(in.Builder, cdx.ScopeExcluded, root)
	b.others(in, root)
	doc := cdx.NewBOM()
	subject := &cdx.Component{BOMRef: root, Type: cdx.ComponentTypeApplication, Name: in.Build, Version: in.Version, Properties: properties("twice:commit", in.Commit)}
	if in.Crate {
		subject.PackageURL = cargoPURL(in.Build, in.Version, "", "")
	}
	for _, x := range in.Binaries {
		if subject.Components == nil {
			subject.Components = &[]cdx.Component{}
		}
		*subject.Components = append(*subject.Components, cdx.Component{
			BOMRef: "bin:" + x, Type: cdx.ComponentTypeApplication, Name: x,
		})
	}
	doc.Metadata = &cdx.Metadata{
		Timestamp: time.Unix(in.Epoch, 0).UTC().Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "twice"}}},
		Component: subject,
	}
	doc.Components, doc.Dependencies = b.list(), b.dependencies()
	text, err := encode(doc)
	if err != nil {
		return nil, err
	}
	doc.SerialNumber = serial(text)
	return encode(doc)
}

func encode(doc *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(doc, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("writing the SBOM: %w", err)
	}
	return out.Bytes(), nil
}

// serial is an UUID of version 8, made of a hash.
func serial(text []byte) string {
	h := sha256.Sum256(text)
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func sha(d digest.Digest) *[]cdx.Hash {
	if d == "" {
		return nil
	}
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: d.Encoded()}}
}

// properties are name and value pairs; those without a value are left out.
func properties(pairs ...string) *[]cdx.Property {
	var out []cdx.Property
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, cdx.Property{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return &out
}

// builder collects components and their dependencies by bom-ref.
type builder struct {
	components map[string]*cdx.Component
	needs      map[string][]string
}

// add adds a component; one that is there keeps the stronger scope.
func (b *builder) add(c cdx.Component) {
	if old, ok := b.components[c.BOMRef]; ok {
		if c.Scope == cdx.ScopeRequired {
			old.Scope = c.Scope
		}
		return
	}
	b.components[c.BOMRef] = &c
}

func (b *builder) need(ref, on string) { b.needs[ref] = append(b.needs[ref], on) }

func (b *builder) list() *[]cdx.Component {
	var out []cdx.Component
	for _, c := range b.components {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(x, y cdx.Component) int { return strings.Compare(x.BOMRef, y.BOMRef) })
	return &out
}

func (b *builder) dependencies() *[]cdx.Dependency {
	var out []cdx.Dependency
	for ref, on := range b.needs {
		slices.Sort(on)
		on = slices.Compact(on)
		out = append(out, cdx.Dependency{Ref: ref, Dependencies: &on})
	}
	slices.SortFunc(out, func(x, y cdx.Dependency) int { return strings.Compare(x.Ref, y.Ref) })
	return &out
}
