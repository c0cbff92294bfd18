package main

import (
	"fmt"
	"os/exec"
	"slices"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/resolve"
)

// hasBuilderTools tells whether this machine has the builder's versions of the
// Debian packages that every binary shows. Elsewhere a recipe promises nothing.
func hasBuilderTools() (bool, error) {
	def, err := images.Load(resolve.DefaultBuilder)
	if err != nil {
		return false, err
	}
	for _, name := range []string{"binutils", "gcc-12", "libc6-dev"} {
		i := slices.IndexFunc(def.Lock.Packages, func(p images.Package) bool { return p.Name == name })
		if i < 0 {
			return false, fmt.Errorf("the builder has no %s any more", name)
		}
		have, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
		if err != nil || string(have) != def.Lock.Packages[i].Version {
			return false, nil
		}
	}
	return true, nil
}
