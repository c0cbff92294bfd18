package address

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/craton-co/twice/internal/fault"
)

// crateSource is where crates come from.
type crateSource struct {
	index string // of a sparse registry, "" if there is none
	dl    string // template of a download, "" until Discover has asked the index
	name  string // of a registry of cargo's configuration
	token *token // of such a registry
}

const crateFile = "/{crate}/{crate}-{version}.crate"

func newCrateSource(address string) crateSource {
	if index, ok := strings.CutPrefix(address, "sparse+"); ok {
		return crateSource{index: index}
	}
	if strings.Contains(address, "{crate}") {
		return crateSource{dl: address}
	}
	return crateSource{dl: strings.TrimRight(address, "/") + crateFile}
}

var (
	crateName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	crateVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.+-]{0,127}$`)
)

// Crate returns the addresses of a crate of cargo's default registry. Sparse registries take
// part once Discover has asked them.
func (r *Resolver) Crate(name, version string) []string {
	if !crateName.MatchString(name) || !crateVersion.MatchString(version) {
		return nil
	}
	var out []string
	for _, c := range r.crates {
		if a := c.crate(name, version, ""); a != "" {
			out = add(out, a)
		}
	}
	return out
}

// crate is the address of a crate, or "".
func (c crateSource) crate(name, version, checksum string) string {
	if c.dl == "" || !crateName.MatchString(name) || !crateVersion.MatchString(version) || checksum == "" && strings.Contains(c.dl, "{sha256-checksum}") {
		return ""
	}
	prefix := cratePrefix(name)
	return strings.NewReplacer(
		"{crate}", name,
		"{version}", strings.ReplaceAll(version, "+", "%2B"),
		"{prefix}", prefix,
		"{lowerprefix}", strings.ToLower(prefix),
		"{sha256-checksum}", checksum).Replace(c.dl)
}

// CrateIndex returns the addresses of a crate's file in the sparse index of
// that registry.
func (r *Resolver) CrateIndex(name string) []string {
	if !crateName.MatchString(name) {
		return nil
	}
	var out []string
	for _, c := range r.crates {
		if c.index != "" {
			out = add(out, join(c.index, cratePrefix(strings.ToLower(name))+"/"+strings.ToLower(name)))
		}
	}
	return out
}

// cratePrefix returns the directory of a crate in an index.
func cratePrefix(name string) string {
	switch len(name) {
	case 1, 2:
		return fmt.Sprint(len(name))
	case 3:
		return "3/" + name[:1]
	}
	return name[:2] + "/" + name[2:4]
}

// Discover asks the sparse registries of the configuration where their crates
// are; get is Fetcher.Get. A registry that doesn't say is left out of what
// Crate returns, and the error names it.
func (r *Resolver) Discover(ctx context.Context, get func(ctx context.Context, urls []string, max int64) ([]byte, error)) error {
	var errs []error
	for i, c := range r.crates {
		if c.dl != "" {
			continue
		}
		b, err := get(ctx, []string{join(c.index, "config.json")}, 64<<10)
		if err == nil {
			c.dl, _, err = parseRegistryConfig(b)
		}
		if err == nil && strings.Contains(c.dl, "{sha256-checksum}") {
			err = errors.New("dl is by checksum, which is not supported for a mirror of the default registry")
		}
		if err == nil && c.token != nil {
			prefix, _, _ := strings.Cut(c.dl, "{")
			r.logins.authorize(prefix, c.token)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("crate registry %s: %w", c.index, err))
			continue
		}
		r.crates[i] = c
	}
	return errors.Join(errs...)
}

// parseRegistryConfig returns the download template of an index's
// config.json, and whether every request wants the registry's token.
func parseRegistryConfig(b []byte) (dl string, login bool, err error) {
	var c struct {
		DL    string `json:"dl"`
		Login bool   `json:"auth-required"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return "", false, fmt.Errorf("parsing config.json: %w", err)
	}
	if _, err := checkAddress("config.json", c.DL); err != nil {
		return "", false, fmt.Errorf("parsing config.json: bad dl %q", c.DL)
	}
	for _, marker := range []string{"{crate}", "{version}", "{prefix}", "{lowerprefix}", "{sha256-checksum}"} {
		if strings.Contains(c.DL, marker) {
			return c.DL, c.Login, nil
		}
	}
	return strings.TrimRight(c.DL, "/") + "/{crate}/{version}/download", c.Login, nil
}

// cargoSource returns what the user's cargo configuration puts in the place
// of the default registry, if that is a sparse registry or a local one.
func cargoSource(env func(string) string) (crateSource, bool, error) {
	home := env("CARGO_HOME")
	if home == "" {
		home = filepath.Join(homeDir(env), ".cargo")
	}
	for _, base := range []string{"config", "config.toml"} { // cargo, too, prefers the one without extension
		name := filepath.Join(home, base)
		b, err := readFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c crateSource
		var ok bool
		if err == nil {
			c, ok, err = parseCargoConfig(b, home, env)
		}
		if err != nil {
			return c, false, fault.Hintf(fmt.Errorf("reading cargo's configuration: %w", err), "correct %s", name)
		}
		return c, ok, nil
	}
	return crateSource{}, false, nil
}

func parseCargoConfig(b []byte, home string, env func(string) string) (crateSource, bool, error) {
	var c struct {
		Source map[string]struct {
			Registry      string `toml:"registry"`
			LocalRegistry string `toml:"local-registry"`
			ReplaceWith   string `toml:"replace-with"`
		} `toml:"source"`
		Registries map[string]struct {
			Index string `toml:"index"`
		} `toml:"registries"`
	}
	if err := toml.Unmarshal(b, &c); err != nil {
		return crateSource{}, false, err
	}
	name := "crates-io"
	for range 16 { // cargo refuses a circle, here it ends
		next := c.Source[name].ReplaceWith
		if next == "" {
			break
		}
		name = next
	}
	if name == "crates-io" {
		return crateSource{}, false, nil
	}
	if dir := c.Source[name].LocalRegistry; dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(home), dir) // cargo: relative to the directory that has .cargo
		}
		return crateSource{dl: fileAddress(dir) + "/{crate}-{version}.crate"}, true, nil
	}
	index := c.Source[name].Registry
	if index == "" {
		index = c.Registries[name].Index
		variable := "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_INDEX"
		if v := env(variable); v != "" {
			index = v
		}
	}
	sparse, ok := strings.CutPrefix(index, "sparse+")
	if !ok {
		return crateSource{}, false, nil
	}
	if _, err := checkAddress("cargo", sparse); err != nil {
		return crateSource{}, false, err
	}
	return crateSource{index: sparse, name: name}, true, nil
}
