package publish

import (
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

func TestAllow(t *testing.T) {
	project := func(dirty bool, profile string, images int) *resolve.Project {
		f := &config.File{}
		for i := range images {
			f.Images = append(f.Images, config.Image{Name: string(rune('a' + i))})
		}
		return &resolve.Project{Source: &source.Source{Dirty: dirty}, Profile: profile, Config: f}
	}
	if err := Allow(project(false, "", 2), "b", false); err != nil {
		t.Error(err)
	}
	if err := Allow(project(false, "", 2), "c", false); err == nil || fault.HintOf(err) != "there are: a, b" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	for _, c := range []struct {
		p       *resolve.Project
		profile bool
		want    string
	}{
		{project(false, "", 1), false, ""},
		{project(false, "", 3), false, ""},
		{project(true, "", 1), true, "changes that no commit holds"},
		{project(false, "local", 1), false, "the inputs are those of profile local"},
		{project(false, "local", 1), true, ""},
		{project(false, "", 0), false, "no image"},
	} {
		err := Allow(c.p, "", c.profile)
		if c.want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
			t.Errorf("%v, want %q and a hint", err, c.want)
		}
	}
}

func TestPushes(t *testing.T) {
	art := func(name string, k verdict.Kind) verdict.Artefact {
		d := digest.FromString(name)
		return verdict.Artefact{Name: name, Kind: k, SizeA: 1, SizeB: 1, A: d, B: d, Same: true}
	}
	reproducible := func(names ...string) *verdict.Verdict {
		v := &verdict.Verdict{Word: verdict.Reproducible, Artefacts: []verdict.Artefact{art("bin/x", verdict.Bin)}}
		for _, n := range names {
			v.Artefacts = append(v.Artefacts, art(n, verdict.Image))
		}
		return v
	}
	// Images of two platforms go with their index.
	indexed := func(index string, more ...string) *verdict.Verdict {
		v := reproducible("image/a-amd64", "image/a-arm64")
		for i := range v.Artefacts {
			if v.Artefacts[i].Kind == verdict.Image {
				v.Artefacts[i].PartOf = index
			}
		}
		v.Artefacts = append(v.Artefacts, art(index, verdict.Index))
		for _, n := range more {
			v.Artefacts = append(v.Artefacts, art(n, verdict.Image))
		}
		return v
	}
	to, err := ParseAddress("registry.example.org/team/tool:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    *verdict.Verdict
		only string
		want string
	}{
		{reproducible("image"), "", "image=1.2.3"},
		{reproducible("image/a", "image/b"), "", "image/a=1.2.3-a image/b=1.2.3-b"},
		{reproducible("image/a", "image/b"), "b", "image/b=1.2.3"},
		{indexed("image"), "", "image=1.2.3"},
		{indexed("image"), "a-arm64", "image/a-arm64=1.2.3"},
		{indexed("image/a", "image/b"), "", "image/a=1.2.3-a image/b=1.2.3-b"},
		{indexed("image/a", "image/b"), "a", "image/a=1.2.3"},
	} {
		pushes, err := Pushes(c.v, to, c.only)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pushes {
			for _, a := range c.v.Artefacts {
				if a.A == p.Digest {
					got = append(got, a.Name+"="+p.To.tag.TagStr())
				}
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s, want %s", s, c.want)
		}
	}
	if _, err := Pushes(reproducible("image/a"), to, "c"); err == nil || fault.HintOf(err) != "there are: a" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	v := reproducible("image")
	v.Word = verdict.Mismatch
	if _, err := Pushes(v, to, ""); err == nil || !strings.Contains(err.Error(), "nothing is published") {
		t.Errorf("a mismatch: %v", err)
	}
}
