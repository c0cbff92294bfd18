package rust

import (
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// ToolchainFile is a rust-toolchain.toml, or a rust-toolchain in either of its forms.
type ToolchainFile struct {
	File       string   // its path, "" when there is none
	Channel    string   // "" when the file names none
	Profile    string   // "" when the file names none
	Components []string // besides the profile's
	Targets    []string // besides the host
}

// lineOf is the first line that has a value in it, 1 if none has.
func lineOf(data []byte, value string) int {
	before, _, found := strings.Cut(string(data), value)
	if !found {
		return 1
	}
	return 1 + strings.Count(before, "\n")
}

const maxToolchainFile = 64 << 10

// ParseToolchainFile reads the file called name. A file without ".toml" may
// also be the old form: one line that is the channel. A path to a local
// toolchain is an error, since nobody else can have it.
func ParseToolchainFile(name string, data []byte) (ToolchainFile, error) {
	if len(data) > maxToolchainFile {
		return ToolchainFile{}, fmt.Errorf("%s: %d bytes: more than %d", name, len(data), maxToolchainFile)
	}
	if !strings.HasSuffix(name, ".toml") {
		if line := strings.TrimSpace(string(data)); line != "" && !strings.ContainsAny(line, "\n[]=") {
			if err := CheckChannel(line); err != nil {
				return ToolchainFile{}, fmt.Errorf("%s:%d: %w", name, lineOf(data, line), err)
			}
			return ToolchainFile{File: name, Channel: line}, nil
		}
	}
	var doc struct {
		Toolchain *struct {
			Channel    string
			Path       string
			Profile    string
			Components []string
			Targets    []string
		}
	}
	if err := decode(name, data, &doc); err != nil {
		return ToolchainFile{}, err
	}
	t := doc.Toolchain
	if t == nil {
		return ToolchainFile{}, fmt.Errorf("%s: no [toolchain]", name)
	}
	if t.Path != "" {
		return ToolchainFile{}, fault.Hint(fmt.Errorf("%s:%d: toolchain.path %.100q is a directory of one machine", name, lineOf(data, t.Path), t.Path), "name a channel")
	}
	if t.Channel != "" {
		if err := CheckChannel(t.Channel); err != nil {
			return ToolchainFile{}, fmt.Errorf("%s:%d: %w", name, lineOf(data, t.Channel), err)
		}
	}
	switch t.Profile {
	case "", "minimal", "default", "complete":
	default:
		return ToolchainFile{}, fmt.Errorf("%s:%d: toolchain.profile %.50q is not known", name, lineOf(data, t.Profile), t.Profile)
	}
	return ToolchainFile{File: name, Channel: t.Channel, Profile: t.Profile, Components: t.Components, Targets: t.Targets}, nil
}
