package artefact

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
)

// The index of two images is the same bytes whichever was made first.
func TestIndexes(t *testing.T) {
	ctx := context.Background()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	tools := resolve.Tools{Store: st}
	made := func(triple, name string) Artefact {
		im, err := image.Write(ctx, st, nil, nil, image.Config{Platform: resolve.Platform(triple)})
		if err != nil {
			t.Fatal(err)
		}
		return Artefact{Name: name, Kind: verdict.Image, Digest: im.Desc.Digest, Image: im.Desc, Size: 5}
	}
	amd64, arm64 := made("x86_64-unknown-linux-gnu", "image/tool-amd64"), made("aarch64-unknown-linux-gnu", "image/tool-arm64")
	images := []config.Image{{Build: "x", Name: "tool-amd64", Index: "tool"}, {Build: "y", Name: "tool-arm64", Index: "tool"}}
	const golden = "sha256:b8027a8ac4f0046aeab8d713db933ad24e96ab4ba55d3b372df67547e65ed9e5"
	for _, c := range []struct {
		images []config.Image
		made   []Artefact
		name   string
	}{
		{images, []Artefact{amd64, arm64}, "image"},
		{[]config.Image{images[1], images[0]}, []Artefact{arm64, amd64}, "image"},
		{append([]config.Image{{Build: "x", Name: "other"}}, images...), []Artefact{amd64, arm64}, "image/tool"},
	} {
		p := &resolve.Project{Config: &config.File{Images: c.images}}
		got, err := Indexes(ctx, tools, p, c.made)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Name != c.name || got[0].Kind != verdict.Index || got[0].Size != 10 || got[0].Digest != golden {
			t.Errorf("%+v", got)
		}
	}
	p := &resolve.Project{Config: &config.File{Images: images}}
	if _, err := Indexes(ctx, tools, p, []Artefact{amd64}); err == nil {
		t.Error("an index without one of its images")
	}
	p.Config.Images = []config.Image{{Build: "x"}}
	if got, err := Indexes(ctx, tools, p, []Artefact{amd64}); err != nil || len(got) > 0 {
		t.Errorf("no index is wanted: %v, %v", got, err)
	}
}
