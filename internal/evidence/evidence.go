// Package evidence gathers what others need to check a build: what it is made
// of and what came out. Its documents are functions of the inputs, the same
// bytes wherever they are written.
package evidence

import (
	"fmt"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/sbom"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verify"
	"github.com/opencontainers/go-digest"
)

// Document is a file that goes with a release.
type Document struct {
	Name string
	Data []byte
}

// SBOMs are the bills of materials of a project's builds, in their order.
func SBOMs(prep *verify.Prepared, trees []verify.Trees) ([]Document, error) {
	var out []Document
	for i, b := range prep.Project.Config.Builds {
		in, err := materials(prep.Project, b)
		if err != nil {
			return nil, err
		}
		in.Normal, in.All = trees[i].Normal, trees[i].All
		data, err := sbom.Write(in)
		if err != nil {
			return nil, err
		}
		out = append(out, Document{in.FileName(), data})
	}
	return out, nil
}

// materials are the inputs of one build but for its crates.
func materials(p *resolve.Project, b config.Build) (sbom.Input, error) {
	in := sbom.Input{
		Build: b.Name, Version: p.Version(), Crate: p.Source.Kind == source.KindCrate, Commit: p.Source.Commit, Epoch: p.Source.Epoch,
		Binaries: b.Bins, Lock: p.CargoLock, Toolchain: p.Lock.Toolchain.Pin,
	}
	var err error
	if name, d, byDigest := strings.Cut(p.Config.Builder.Image, "@"); byDigest {
		in.Images = append(in.Images, sbom.Image{Name: name, Digest: digest.Digest(d), Build: true})
	} else if in.Builder, err = debian(p, name); err != nil {
		return in, err
	}
	if c := p.Lock.CUDA; c != nil {
		for _, f := range c.Wheels {
			in.Files = append(in.Files, sbom.File{Name: f.Name, Version: f.Version, PURL: "pkg:pypi/" + f.Name + "@" + f.Version, Digest: f.SHA256})
		}
		for _, f := range c.Archives {
			in.Files = append(in.Files, sbom.File{Name: f.Name, Version: f.Version, PURL: "pkg:generic/" + f.Name + "@" + f.Version, Digest: f.SHA256})
		}
	}
	for _, im := range p.Config.Images {
		switch name, d, byDigest := strings.Cut(im.Base, "@"); {
		case im.Build != b.Name || im.Base == resolve.Scratch:
		case byDigest:
			in.Images = append(in.Images, sbom.Image{Name: name, Digest: digest.Digest(d)})
		default:
			if in.Runtime, err = debian(p, im.Base); err != nil {
				return in, err
			}
		}
	}
	return in, nil
}

func debian(p *resolve.Project, image string) (sbom.Debian, error) {
	def, err := p.Definition(image)
	if err != nil {
		return sbom.Debian{}, fmt.Errorf("listing the packages of %s: %w", image, err)
	}
	return sbom.Debian{Suite: def.Suite, Packages: append([]images.Package(nil), def.Locked()...)}, nil
}
