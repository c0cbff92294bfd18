package artefact

import (
	"context"
	"os"
	"testing"

	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

func TestSums(t *testing.T) {
	a := func(name string, k verdict.Kind) Artefact {
		return Artefact{Name: name, Kind: k, Digest: digest.FromString(name)}
	}
	list := []Artefact{a("tool-1-x.tar.gz", verdict.Archive), a("rlib/a.rlib", verdict.Rlib), a("bin/tool", verdict.Bin), a("image", verdict.Image), a("a.zip", verdict.Archive)}
	got, err := Sums(context.Background(), t.TempDir(), list)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(got.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, name := range []string{"a.zip", "bin/tool", "tool-1-x.tar.gz"} {
		want += digest.FromString(name).Encoded() + "  " + name + "\n"
	}
	if string(text) != want || got.Digest != digest.FromString(want) || got.Kind != verdict.Sums || got.Name != "SHA256SUMS" {
		t.Errorf("%+v\n%s", got, text)
	}
}
