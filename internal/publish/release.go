package publish

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"
)

// Allow refuses what must not be published whatever the verdict will be: files
// that no commit holds, and, unless profile says so, what a profile's inputs made.
// An image that is asked for by name has to be there.
func Allow(p *resolve.Project, only string, profile bool) error {
	var names []string
	for _, im := range p.Config.Images {
		names = append(names, im.Title())
		if im.Index != "" && p.Config.Releases() > 1 && !slices.Contains(names, im.Index) {
			names = append(names, im.Index)
		}
	}
	if err := allow(p.Source.Dirty, p.Profile, profile); err != nil {
		return err
	}
	switch {
	case len(p.Config.Images) == 0:
		return fault.Hint(errors.New("nothing is published: the project has no image"), "describe it in twice.toml")
	case only != "" && !slices.Contains(names, only):
		return fault.Hintf(fmt.Errorf("nothing is published: the project has no image %q", only), "there are: %s", strings.Join(names, ", "))
	}
	return nil
}

// allow refuses sources and inputs that are not the project's own.
func allow(dirty bool, profile string, allowProfile bool) error {
	switch {
	case dirty:
		return fault.Hint(errors.New("nothing is published: the sources have changes that no commit holds"), "commit them")
	case profile != "" && !allowProfile:
		return fault.Hint(fmt.Errorf("nothing is published: the inputs are those of profile %s, which stand in for the project's own", profile),
			"leave the profile out; or say that this is what you want to publish: --allow-profile")
	}
	return nil
}

// Push is one image, or index of images, and where it goes.
type Push struct {
	Digest digest.Digest
	Kind   verdict.Kind
	To     Address
}

// Pushes are the images of a reproducible verdict: the only one to the address
// itself, each of several to the address with "-NAME" after its tag. Where only
// is not empty, just the image of that name, to the address itself. An image
// that is part of an index goes with that.
func Pushes(v *verdict.Verdict, to Address, only string) ([]Push, error) {
	if v.Word != verdict.Reproducible {
		return nil, v.Refusal("nothing is published")
	}
	var out []Push
	var names []string
	for _, a := range v.Artefacts {
		if !a.Kind.IsImage() {
			continue
		}
		_, title, several := strings.Cut(a.Name, "/")
		names = append(names, title)
		at := to
		switch {
		case only != "" && only != title, only == "" && a.PartOf != "":
			continue
		case only == "" && several:
			tag, err := name.NewTag(to.String()+"-"+title, name.StrictValidation)
			if err != nil {
				return nil, fmt.Errorf("the tag of image %s: %w", title, err)
			}
			at = Address{tag}
		}
		out = append(out, Push{a.A, a.Kind, at})
	}
	if len(out) == 0 {
		return nil, fault.Hintf(fmt.Errorf("nothing is published: the project has no image %q", only), "there are: %s", strings.Join(names, ", "))
	}
	return out, nil
}
