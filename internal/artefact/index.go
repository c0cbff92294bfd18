package artefact

import (
	"context"
	"fmt"
	"slices"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
)

// Indexes makes the indexes of images for several platforms out of a side's
// artefacts, in canonical order.
func Indexes(ctx context.Context, tools resolve.Tools, p *resolve.Project, made []Artefact) ([]Artefact, error) {
	var list []Artefact
	for _, im := range p.Config.Images {
		if im.Index == "" || slices.ContainsFunc(list, func(a Artefact) bool { return a.Name == indexName(p, im.Index) }) {
			continue
		}
		a, err := index(ctx, tools, p, im.Index, made)
		if err != nil {
			return nil, fmt.Errorf("making the index %s: %w", im.Index, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// indexName is just "image" where the index is all that is released of images.
func indexName(p *resolve.Project, title string) string {
	if p.Config.Releases() == 1 {
		return ImageName
	}
	return ImageName + "/" + title
}

func index(ctx context.Context, tools resolve.Tools, p *resolve.Project, title string, made []Artefact) (Artefact, error) {
	a := Artefact{Name: indexName(p, title), Kind: verdict.Index}
	var images []image.Image
	for _, im := range p.Config.Images {
		if im.Index != title {
			continue
		}
		i := slices.IndexFunc(made, func(a Artefact) bool { return a.Kind == verdict.Image && a.Name == ImageName+"/"+im.Title() })
		if i < 0 {
			return a, fmt.Errorf("the image of %s was not made", im.Build)
		}
		loaded, err := image.Load(ctx, tools.Store, made[i].Image)
		if err != nil {
			return a, err
		}
		images = append(images, loaded)
		a.Size += made[i].Size
	}
	var err error
	a.Image, err = image.WriteIndex(ctx, tools.Store, images)
	a.Digest = a.Image.Digest
	return a, err
}
