package sbom

import (
	"fmt"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
	"github.com/package-url/packageurl-go"
)

// crates adds what both trees name. What the tree without build scripts' needs
// reaches is required.
func (b *builder) crates(in Input, root string) error {
	linked := map[string]bool{}
	for i, on := range in.Normal.Linked() {
		if on {
			linked[unitRef(in.Normal.Units[i])] = true
		}
	}
	features := map[string][]string{}
	for _, u := range in.All.Units {
		ref := unitRef(u)
		features[ref] = append(features[ref], u.Features...)
		for _, n := range u.Needs {
			b.need(ref, unitRef(in.All.Units[n]))
		}
	}
	for _, u := range in.All.Units {
		c, err := crate(u, in.Lock)
		if err != nil {
			return err
		}
		c.Scope = cdx.ScopeExcluded
		if linked[c.BOMRef] {
			c.Scope = cdx.ScopeRequired
		}
		f := features[c.BOMRef]
		slices.Sort(f)
		role := ""
		if u.ProcMacro {
			role = "proc-macro"
		}
		c.Properties = properties("twice:features", strings.Join(slices.Compact(f), ","), "twice:role", role)
		b.add(c)
	}
	for _, r := range in.All.Roots {
		b.need(root, unitRef(in.All.Units[r]))
	}
	return nil
}

func unitRef(u cargo.Unit) string { return "crate:" + u.Name + "@" + u.Version }

// crate is one package of Cargo.lock.
func crate(u cargo.Unit, lock *cargo.LockFile) (cdx.Component, error) {
	c := cdx.Component{BOMRef: unitRef(u), Type: cdx.ComponentTypeLibrary, Name: u.Name, Version: u.Version}
	i := slices.IndexFunc(lock.Packages, func(p cargo.LockPackage) bool {
		return p.Name == u.Name && p.Version == u.Version && (u.Source == "" || sameSource(p.Source, u.Source))
	})
	if i < 0 {
		return c, fmt.Errorf("cargo names %s %s, and Cargo.lock doesn't", u.Name, u.Version)
	}
	p := lock.Packages[i]
	if p.Checksum != "" {
		c.Hashes = sha(digest.NewDigestFromEncoded(digest.SHA256, p.Checksum))
	}
	vcs := ""
	if url, commit, ok := p.Git(); ok {
		vcs = "git+" + url + "@" + commit
	}
	registry := ""
	if p.Registry() && p.Source != cratesIO {
		registry = strings.TrimPrefix(strings.TrimPrefix(p.Source, "registry+"), "sparse+")
	}
	c.PackageURL = cargoPURL(u.Name, u.Version, vcs, registry)
	if u.Local {
		c.PackageURL = ""
	}
	if l := licence(u.Licence); l != "" {
		c.Licenses = &cdx.Licenses{{Expression: l}}
	}
	if u.Repository != "" {
		c.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: u.Repository}}
	}
	return c, nil
}

// sameSource compares a source of Cargo.lock with cargo tree's, which has
// no "git+" and a short commit.
func sameSource(lock, tree string) bool {
	if strings.HasPrefix(tree, "registry `") { // another registry, by the name that the sources have for it
		return (strings.HasPrefix(lock, "registry+") || strings.HasPrefix(lock, "sparse+")) && lock != cratesIO
	}
	lock = strings.TrimPrefix(strings.TrimPrefix(lock, "git+"), "registry+")
	at, commit, _ := strings.Cut(tree, "#")
	full, long, _ := strings.Cut(lock, "#")
	return strings.HasPrefix(long, commit) && (full == at || strings.HasPrefix(full, at))
}

// licence is a licence field as an SPDX expression: Cargo once had "/" for OR.
func licence(s string) string {
	parts := strings.Split(s, "/")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, " OR ")
}

// cratesIO is the default registry in Cargo.lock.
const cratesIO = "registry+https://github.com/rust-lang/crates.io-index"

func cargoPURL(name, version, vcs, registry string) string {
	var q packageurl.Qualifiers
	if registry != "" {
		q = packageurl.Qualifiers{{Key: "repository_url", Value: registry}}
	}
	if vcs != "" {
		q = packageurl.Qualifiers{{Key: "vcs_url", Value: vcs}}
	}
	return packageurl.NewPackageURL(packageurl.TypeCargo, "", name, version, q, "").ToString()
}

// toolchain adds the components of a pinned toolchain.
func (b *builder) toolchain(pin rust.Pin, root string) {
	for _, c := range pin.Components {
		x := cdx.Component{
			BOMRef: "rust:" + c.Name + "@" + pin.Channel + "?target=" + c.Target, Type: cdx.ComponentTypeApplication,
			Name: c.Name, Version: pin.Channel, Scope: cdx.ScopeExcluded, Hashes: sha(c.SHA256),
			Properties: properties("twice:path", c.Path, "twice:rustc", pin.Rustc, "twice:target", c.Target),
		}
		if c.Name == "rust-std" {
			x.Type, x.Scope = cdx.ComponentTypeLibrary, cdx.ScopeRequired
		}
		b.add(x)
		b.need(root, x.BOMRef)
	}
}

// debian adds packages.
func (b *builder) debian(d Debian, scope cdx.Scope, root string) {
	for _, p := range d.Packages {
		ref := "deb:" + p.Name + "@" + p.Version + "?arch=" + p.Architecture
		b.add(cdx.Component{
			BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, Scope: scope, Hashes: sha(p.Digest()),
			PackageURL: packageurl.NewPackageURL(packageurl.TypeDebian, "debian", p.Name, p.Version,
				packageurl.Qualifiers{{Key: "arch", Value: p.Architecture}, {Key: "distro", Value: d.Suite}}, "").ToString(),
			Properties: properties("twice:path", p.Path, "twice:source", p.Source),
		})
		b.need(root, ref)
	}
}

// others adds base images and the builder's other files.
func (b *builder) others(in Input, root string) {
	for _, im := range in.Images {
		c := cdx.Component{BOMRef: "image:" + im.Name + "@" + im.Digest.String(), Type: cdx.ComponentTypeContainer, Name: im.Name, Version: im.Digest.String(), Scope: cdx.ScopeRequired}
		if im.Build {
			c.Scope = cdx.ScopeExcluded
		}
		b.add(c)
		b.need(root, c.BOMRef)
	}
	for _, f := range in.Files {
		c := cdx.Component{BOMRef: "file:" + f.Name + "@" + f.Version, Type: cdx.ComponentTypeLibrary, Name: f.Name, Version: f.Version, PackageURL: f.PURL, Scope: cdx.ScopeExcluded, Hashes: sha(f.Digest)}
		b.add(c)
		b.need(root, c.BOMRef)
	}
}
