package cause

import (
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// imagePointer matches members of an image's documents: a name at the end of
// the pointer, or at its start.
func imagePointer(name string) match {
	return func(_ *explainer, p *place) ([]Cause, bool) {
		at := p.pointer()
		if at == "" || !p.inside(compare.Image) && p.part().Name != "config" && !isConfig(p) {
			return nil, false
		}
		if !strings.HasSuffix(at, name) && !strings.HasPrefix(at, name+"/") {
			return nil, false
		}
		return say()
	}
}

// isConfig says whether a JSON document on its own looks like an image's configuration.
func isConfig(p *place) bool {
	return p.pointer() == "/created" || strings.HasPrefix(p.pointer(), "/history")
}

// provenance knows the manifests of attestations, and what they attest.
func provenance(_ *explainer, p *place) ([]Cause, bool) {
	if !p.inside(compare.Image) {
		return nil, false
	}
	text := string(p.a) + string(p.b)
	if strings.Contains(text, "attestation-manifest") || strings.Contains(text, "vnd.in-toto") || strings.Contains(text, "slsa.dev/provenance") {
		return say()
	}
	at := p.pointer()
	if strings.Contains(at, "/predicate/") || strings.HasSuffix(at, "StartedOn") || strings.HasSuffix(at, "FinishedOn") {
		return say()
	}
	return nil, false
}

func imageManifest(_ *explainer, p *place) ([]Cause, bool) {
	at := p.pointer()
	if at == "" || !slices.Contains([]string{"manifest", "index", "manifest.json"}, p.part().Name) {
		return nil, false
	}
	if strings.Contains(at, "/annotations") || strings.HasSuffix(at, "/mediaType") || strings.HasSuffix(at, "/artifactType") || strings.Contains(at, "RepoTags") {
		return say()
	}
	return nil, false
}

func imageLayers(_ *explainer, p *place) ([]Cause, bool) {
	at := p.pointer()
	if p.part().Name != "manifest" || !strings.HasPrefix(at, "/layers/") || p.only() == "" {
		return nil, false
	}
	return say()
}

// layerEntries knows directories and files that only one side's layer has.
func layerEntries(_ *explainer, p *place) ([]Cause, bool) {
	if p.only() == "" || !strings.HasPrefix(p.container().Name, "layer[") {
		return nil, false
	}
	return say()
}
