package resolve

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"
)

// BuiltinToolchain is the toolchain of whoever asks for none, or for just this one.
var BuiltinToolchain = sync.OnceValues(func() (lock.Toolchain, error) {
	return parseToolchain("the built-in toolchain", images.BuiltinToolchain)
})

// parseToolchain reads a toolchain.toml of package images.
func parseToolchain(what string, text []byte) (lock.Toolchain, error) {
	var f struct {
		Channel, Date, Rustc, Host, Vouched string
		Tree                                digest.Digest
		Components                          []struct{ Name, Target, Path, SHA256 string }
	}
	if err := toml.Unmarshal(text, &f); err != nil {
		return lock.Toolchain{}, fmt.Errorf("parsing %s: %w", what, err)
	}
	t := lock.Toolchain{Pin: rust.Pin{Channel: f.Channel, Date: f.Date, Rustc: f.Rustc, Host: f.Host, Tree: f.Tree}, Vouched: f.Vouched}
	for _, c := range f.Components {
		t.Components = append(t.Components, rust.Component{Name: c.Name, Target: c.Target, Path: c.Path,
			SHA256: digest.NewDigestFromEncoded(digest.SHA256, c.SHA256), Size: -1})
	}
	return t, nil
}

// knownToolchain is the pin that Twice has of a channel, with the components
// that are asked for beside rustc, cargo and rust-std, and not with others that the
// pin has too. ok is false where Twice has none, or not all of them.
func knownToolchain(channel string, components, targets []string) (t lock.Toolchain, ok bool, err error) {
	def, err := BuiltinToolchain()
	if err != nil {
		return lock.Toolchain{}, false, err
	}
	if channel == def.Channel {
		return def, hasComponents(def, components) && hasTargets(def, targets), nil
	}
	text := images.Toolchain(channel)
	if text == nil {
		return lock.Toolchain{}, false, nil
	}
	if t, err = parseToolchain("toolchain "+channel, text); err != nil {
		return lock.Toolchain{}, false, err
	}
	if !hasComponents(t, components) || !hasTargets(t, targets) {
		return lock.Toolchain{}, false, nil
	}
	t.Components = slices.DeleteFunc(t.Components, func(c rust.Component) bool {
		switch c.Name {
		case "rustc", "cargo":
			return false
		case "rust-std":
			return c.Target != t.Host && !slices.Contains(targets, c.Target)
		}
		return !slices.Contains(components, c.Name) && !slices.Contains(components, strings.TrimSuffix(c.Name, "-preview"))
	})
	return t, true, nil
}
