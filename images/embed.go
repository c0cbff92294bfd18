// Package images holds the definitions of the images that Twice composes from
// Debian packages, with the locks that say which packages those are.
//
// A folder is an image:
//
//   - image.toml, the definition, written by hand: the packages wanted and
//     everything that Debian's maintainer scripts would have done (see
//     Definition). TOML 1.0; unknown keys are errors.
//   - lock.toml, the lock, written by compose.Lock: every package by version,
//     size and SHA-256, and the signed archive index that they were taken from
//     (see Lock). It names no host.
//   - README.md.
//
// keys/ holds the public keys that may sign an archive index.
package images

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"github.com/craton-co/twice/internal/fault"
)

//go:embed */image.toml */lock.toml keys/*.gpg
var files embed.FS

// Names returns the images' names, sorted.
func Names() []string {
	found, err := fs.Glob(files, "*/image.toml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var names []string
	for _, f := range found {
		names = append(names, f[:len(f)-len("/image.toml")])
	}
	return names
}

// Load returns the image of that name, with its lock.
func Load(name string) (Definition, error) {
	if !slices.Contains(Names(), name) {
		return Definition{}, fault.Hintf(fmt.Errorf("no image is called %q", name), "there are %q", Names())
	}
	def, err := files.ReadFile(name + "/image.toml")
	if err != nil {
		return Definition{}, err
	}
	lock, err := files.ReadFile(name + "/lock.toml")
	if err != nil {
		return Definition{}, err
	}
	return Parse(def, lock)
}

// Keyring returns the public keys that sign the Debian release called suite,
// as a binary OpenPGP keyring. keys/README.md says where they come from.
func Keyring(suite string) ([]byte, error) {
	keys, err := files.ReadFile("keys/debian-archive-" + suite + ".gpg")
	if err != nil {
		return nil, fmt.Errorf("no archive keys for Debian %s", suite)
	}
	return keys, nil
}
