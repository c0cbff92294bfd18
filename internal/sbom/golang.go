package sbom

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/opencontainers/go-digest"
	"github.com/package-url/packageurl-go"
)

// GoInput is a program that Go built, and what it recorded in it.
type GoInput struct {
	Name    string
	Program digest.Digest
	Commit  string
	Epoch   int64 // seconds since 1970
	Info    *debug.BuildInfo
}

// WriteGo returns the document of a Go program: the modules whose packages are in
// it, and Go itself, whose runtime and standard library are. A module has
// the hash that go.sum has, in the property twice:h1: it is of a list of files, not
// of an archive, so it is no hash of CycloneDX's. Which module needs which
// isn't recorded in a program, so all of them stand below it.
func WriteGo(in GoInput) ([]byte, error) {
	b := &builder{components: map[string]*cdx.Component{}, needs: map[string][]string{}}
	main := in.Info.Main
	root := "module:" + main.Path + "@" + main.Version
	version := strings.TrimPrefix(in.Info.GoVersion, "go")
	b.add(cdx.Component{BOMRef: "go@" + version, Type: cdx.ComponentTypeLibrary, Name: "go", Version: version, Scope: cdx.ScopeRequired,
		PackageURL: goPURL("std", version)})
	b.need(root, "go@"+version)
	for _, m := range in.Info.Deps {
		m := *m
		if m.Replace != nil {
			return nil, fmt.Errorf("writing the SBOM of %s: module %s is replaced", in.Name, m.Path)
		}
		sum, ok := strings.CutPrefix(m.Sum, "h1:")
		raw, err := base64.StdEncoding.DecodeString(sum)
		if err != nil || !ok || len(raw) != 32 {
			return nil, fmt.Errorf("writing the SBOM of %s: module %s has the hash %q", in.Name, m.Path, m.Sum)
		}
		ref := "module:" + m.Path + "@" + m.Version
		b.add(cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, Scope: cdx.ScopeRequired,
			PackageURL: goPURL(m.Path, m.Version), Properties: properties("twice:h1", hex.EncodeToString(raw))})
		b.need(root, ref)
	}
	doc := cdx.NewBOM()
	doc.Metadata = &cdx.Metadata{
		Timestamp: time.Unix(in.Epoch, 0).UTC().Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "twice"}}},
		Component: &cdx.Component{BOMRef: root, Type: cdx.ComponentTypeApplication, Name: in.Name, Version: cmp.Or(main.Version, "0"),
			PackageURL: goPURL(main.Path, main.Version), Hashes: sha(in.Program), Properties: properties("twice:commit", in.Commit)},
	}
	doc.Components, doc.Dependencies = b.list(), b.dependencies()
	text, err := encode(doc)
	if err != nil {
		return nil, err
	}
	doc.SerialNumber = serial(text)
	return encode(doc)
}

func goPURL(module, version string) string {
	ns, name := "", module
	if i := strings.LastIndexByte(module, '/'); i >= 0 {
		ns, name = module[:i], module[i+1:]
	}
	return packageurl.NewPackageURL(packageurl.TypeGolang, ns, name, version, nil, "").ToString()
}
