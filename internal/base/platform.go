package base

import (
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
)

// choose returns the one image of an index that is for a platform.
func choose(ix ocispec.Index, want ocispec.Platform) (ocispec.Descriptor, error) {
	var found []ocispec.Descriptor
	var have []string
	for _, d := range ix.Manifests {
		if image.IsAttestation(d) || image.IsIndex(d.MediaType) {
			continue
		}
		var p ocispec.Platform
		if d.Platform != nil {
			p = *d.Platform
		}
		have = append(have, platform(p))
		if want.OS == "" || fits(p, want) {
			found = append(found, d)
		}
	}
	if len(found) == 1 {
		d := found[0]
		return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}, nil
	}
	what := "an image"
	if want.OS != "" {
		what = platform(want)
	}
	text := strings.Join(have, ", ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return ocispec.Descriptor{}, fault.Hintf(fmt.Errorf("the index has %d of %d images for %s", len(found), len(have), what),
		"it has %s; give the digest of one", text)
}

// fits tells whether what is for platform have runs on want. The variant of
// arm64 is v8, said or not.
func fits(have, want ocispec.Platform) bool {
	variant := func(p ocispec.Platform) string {
		if p.Architecture == "arm64" && p.Variant == "" {
			return "v8"
		}
		return p.Variant
	}
	return have.OS == want.OS && have.Architecture == want.Architecture &&
		(want.Variant == "" || variant(have) == variant(want))
}

func platform(p ocispec.Platform) string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}
