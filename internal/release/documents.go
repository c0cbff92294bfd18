package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/sbom"
	"github.com/opencontainers/go-digest"
)

// BuildType names what the statement's members mean: see the package comment.
const BuildType = provenance.BuilderID + "/release/v1"

// statement is the one of a release: SLSA's provenance with parameters of its own.
type statement struct {
	Type          string                `json:"_type"`
	Subject       []provenance.Resource `json:"subject"`
	PredicateType string                `json:"predicateType"`
	Predicate     struct {
		BuildDefinition struct {
			BuildType          string `json:"buildType"`
			ExternalParameters struct {
				Commit    string   `json:"commit"`
				Package   string   `json:"package"`
				Platforms []string `json:"platforms"`
			} `json:"externalParameters"`
			InternalParameters struct {
				Version string   `json:"version"`
				Epoch   int64    `json:"epoch"`
				Go      string   `json:"go"`
				Flags   []string `json:"flags"`
			} `json:"internalParameters"`
			ResolvedDependencies []provenance.Resource `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
		RunDetails provenance.RunDetails `json:"runDetails"`
	} `json:"predicate"`
}

type document struct {
	Name string
	Data []byte
}

func (d document) write(w io.Writer) error {
	_, err := w.Write(d.Data)
	return err
}

// documents names the programs and writes what goes with them.
func (r release) documents(ctx context.Context, a side, made []program) ([]document, error) {
	commit, err := git(ctx, a.Dir, "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	when, err := git(ctx, a.Dir, "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	epoch, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		return nil, err
	}
	name := path.Base(r.Package)
	var docs []document
	s := statement{Type: provenance.StatementType, PredicateType: provenance.SLSA}
	def := &s.Predicate.BuildDefinition
	def.BuildType, s.Predicate.RunDetails.Builder.ID = BuildType, provenance.BuilderID
	def.ExternalParameters.Commit, def.ExternalParameters.Package = commit, r.Package
	def.InternalParameters.Epoch, def.InternalParameters.Flags = epoch, goFlags
	def.ResolvedDependencies = []provenance.Resource{{Name: "source", Digest: map[string]string{"gitCommit": commit}}}
	for _, f := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(path.Join(a.Dir, f))
		if err != nil {
			return nil, err
		}
		def.ResolvedDependencies = append(def.ResolvedDependencies, provenance.Resource{Name: f, Digest: provenance.Sum(digest.FromBytes(text))})
	}
	var all []artefact.Artefact
	for i := range made {
		x := &made[i]
		info, err := buildinfo.ReadFile(x.Path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", x.Path, err)
		}
		version := info.Main.Version
		x.Name = fmt.Sprintf("%s-%s-%s-%s%s", name, version, x.Platform.OS, x.Platform.Arch, x.Platform.exe())
		def.InternalParameters.Version, def.InternalParameters.Go = version, info.GoVersion
		def.ExternalParameters.Platforms = append(def.ExternalParameters.Platforms, x.Platform.String())
		s.Subject = append(s.Subject, provenance.Resource{Name: x.Name, Digest: provenance.Sum(x.Digest)})
		all = append(all, x.Artefact)
		text, err := sbom.WriteGo(sbom.GoInput{Name: x.Name, Program: x.Digest, Commit: commit, Epoch: epoch, Info: info})
		if err != nil {
			return nil, err
		}
		docs = append(docs, document{fmt.Sprintf("%s-%s-%s-cdx-%s.json", name, x.Platform.OS, x.Platform.Arch, version), text})
	}
	for _, d := range docs {
		s.Predicate.RunDetails.Byproducts = append(s.Predicate.RunDetails.Byproducts,
			provenance.Resource{Name: d.Name, Digest: provenance.Sum(digest.FromBytes(d.Data)), MediaType: "application/vnd.cyclonedx+json"})
	}
	text, err := encode(s)
	if err != nil {
		return nil, err
	}
	docs = append(docs, document{name + "-provenance-" + def.InternalParameters.Version + ".json", text})
	sums, err := artefact.Sums(ctx, a.Out, all)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(sums.Path)
	if err != nil {
		return nil, err
	}
	return append(docs, document{sums.Name, list}), nil
}

func encode(s statement) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("writing the statement: %w", err)
	}
	return out.Bytes(), nil
}
