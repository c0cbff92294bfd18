package evidence

import (
	"cmp"
	"strings"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verify"
	"github.com/opencontainers/go-digest"
)

// StatementName is the statement's file.
func StatementName(prep *verify.Prepared) string {
	return prep.Project.Name() + "-provenance-v" + cmp.Or(prep.Project.Version(), "0") + ".json"
}

// Statement says what made these artefacts. The documents are its byproducts.
func Statement(prep *verify.Prepared, made []artefact.Artefact, docs []Document) *provenance.Statement {
	p := prep.Project
	s := &provenance.Statement{
		Type: provenance.StatementType, PredicateType: provenance.SLSA,
		Predicate: provenance.Predicate{
			BuildDefinition: provenance.BuildDefinition{
				BuildType:            provenance.BuildType,
				ExternalParameters:   provenance.External{Source: sourceOf(p), Profile: p.Profile, Config: p.Config},
				InternalParameters:   internal(prep),
				ResolvedDependencies: dependencies(prep),
			},
			RunDetails: provenance.RunDetails{Builder: provenance.Builder{ID: provenance.BuilderID}},
		},
	}
	for _, a := range made {
		r := provenance.Resource{Name: a.Name, Digest: provenance.Sum(a.Digest)}
		if a.Kind.IsImage() {
			r.MediaType = a.Image.MediaType
		}
		s.Subject = append(s.Subject, r)
	}
	text := p.Lock.Format()
	by := []provenance.Resource{{Name: lock.Name, Digest: provenance.Sum(digest.FromBytes(text)), Content: text, MediaType: "application/toml"}}
	for _, d := range docs {
		by = append(by, provenance.Resource{Name: d.Name, Digest: provenance.Sum(digest.FromBytes(d.Data)), MediaType: "application/vnd.cyclonedx+json"})
	}
	s.Predicate.RunDetails.Byproducts = by
	return s
}

func sourceOf(p *resolve.Project) provenance.Source {
	s := provenance.Source{Commit: p.Source.Commit, Prefix: p.Source.Prefix, Dir: p.Source.Dir, Version: p.Version(), Dirty: p.Source.Dirty}
	if p.Source.Kind == source.KindCrate {
		s.Crate, s.SHA256 = p.Source.Name+"@"+p.Source.Version, p.Source.Checksum
	} else {
		s.Repository = p.Repository()
	}
	if p.SeesTags() {
		s.Tags = p.Source.Tags
	}
	if p.Source.Kind == source.KindArchive {
		s.Archive, s.SHA256 = true, p.Source.Checksum
	}
	return s
}

func internal(prep *verify.Prepared) provenance.Internal {
	p := prep.Project
	in := provenance.Internal{Epoch: p.Source.Epoch, EpochFrom: p.Source.EpochFrom, Platform: prep.Plans[0].Platform, Rustc: p.Lock.Toolchain.Rustc}
	for i, pl := range prep.Plans {
		b := p.Config.Builds[i]
		embedded, err := verify.Embedded(p, b)
		if err != nil { // the plan has it, so there was none
			panic(err)
		}
		in.Plans = append(in.Plans, provenance.Plan{Build: b.Name, Digest: pl.Digest(), Embedded: embedded})
	}
	return in
}

// dependencies are all inputs, each by hash.
func dependencies(prep *verify.Prepared) []provenance.Resource {
	p := prep.Project
	list := []provenance.Resource{
		{Name: "Cargo.lock", Digest: provenance.Sum(digest.FromString(p.CargoLockText))},
		{Name: lock.Name, Digest: provenance.Sum(p.Lock.Digest())},
	}
	if c := p.Source.Commit; c != "" {
		r := provenance.Resource{Name: "commit", Digest: map[string]string{"gitCommit": c}}
		if at := p.Repository(); at != "" && p.Source.Kind != source.KindCrate {
			r.URI = "git+" + at + "@" + c
		}
		list = append(list, r)
	}
	for name, im := range allImages(prep.Inputs) {
		list = append(list, provenance.Resource{Name: "image/" + name, Digest: provenance.Sum(im), MediaType: "application/vnd.oci.image.manifest.v1+json"})
	}
	for _, c := range p.Lock.Toolchain.Components {
		list = append(list, provenance.Resource{Name: "rust/" + c.Name + "-" + c.Target, URI: c.Path, Digest: provenance.Sum(c.SHA256)})
	}
	for _, c := range p.Crates() {
		list = append(list, provenance.Resource{Name: "crate/" + c.Name + "-" + c.Version, URI: "pkg:cargo/" + c.Name + "@" + c.Version,
			Digest: provenance.Sum(digest.NewDigestFromEncoded(digest.SHA256, c.Checksum))})
	}
	for _, g := range p.GitDependencies() {
		list = append(list, provenance.Resource{Name: "git/" + g.URL, URI: "git+" + g.URL, Digest: map[string]string{"gitCommit": g.Commit}})
	}
	seen := map[string]bool{}
	for _, im := range p.Lock.Images {
		if im.Name == resolve.EngineImage { // what runs the build is the run's business
			continue
		}
		for _, d := range im.Packages {
			if name := "deb/" + d.Name + "_" + d.Version + "_" + d.Architecture; !seen[name] {
				seen[name] = true
				list = append(list, provenance.Resource{Name: name, URI: d.Path, Digest: provenance.Sum(d.Digest())})
			}
		}
	}
	return list
}

// allImages are the images that the plan and the release start from.
func allImages(s *inputs.Set) map[string]digest.Digest {
	out := map[string]digest.Digest{}
	for name, im := range s.Images() {
		out[name] = im.Desc.Digest
	}
	for base, im := range s.Runtimes {
		from := config.ParseInput(base)
		name, _, _ := strings.Cut(from.Base, "@")
		if from.Platform != "" {
			name += " " + from.Platform
		}
		out["runtime/"+name] = im.Desc.Digest
	}
	return out
}
