package lock

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/images"
)

func TestChanges(t *testing.T) {
	before, after := example(), example()
	if c := Changes(before, after); c != nil {
		t.Errorf("nothing moved: %+v", c)
	}
	moved := after.Images[0].Packages[0]
	moved.Version += "+deb12u9"
	after.Images[0].Packages = append([]images.Package{moved}, after.Images[0].Packages[1:]...)
	twin := after.Images[0]
	twin.Name = "another"
	after.Images = append(after.Images, twin)
	old := before.Images[0]
	old.Name = "another"
	before.Images = append(before.Images, old)
	after.Toolchain.Channel = "1.99.0"
	after.Bases[0].Digest = digest.FromString("new")
	after.Git[0].Commit = "0123456789012345678901234567890123456789"
	var got []string
	for _, c := range Changes(before, after) {
		got = append(got, fmt.Sprint(c.Kind, " ", c.Name, " ", c.Images, " ", c.Before != c.After && c.After != ""))
	}
	want := []string{
		"base " + after.Bases[0].Name + " [] true", "deb " + moved.Name + " [another " + after.Images[0].Name + "] true",
		"git " + after.Git[0].URL + " [] true", "rust rust [] true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
