package rust

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"

	"github.com/craton-co/twice/internal/fault"
)

// Manifest is a distribution manifest. go-toml reads the 33,000 lines of a
// real one in 30 ms.
type Manifest struct {
	Date     string // "2026-04-16"
	packages map[string]manifestPackage
	renames  map[string]string
	profiles map[string][]string
}

type manifestPackage struct {
	Version string
	Target  map[string]manifestTarget
}

type manifestTarget struct {
	Available bool
	URL       string `toml:"url"`
	Hash      string `toml:"hash"`
	XZURL     string `toml:"xz_url"`
	XZHash    string `toml:"xz_hash"`
}

const maxManifest = 16 << 20

// ParseManifest reads a distribution manifest, version 2.
func ParseManifest(data []byte) (*Manifest, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("parsing toolchain manifest: %w", err)
	}
	return m, nil
}

func parseManifest(data []byte) (*Manifest, error) {
	if len(data) > maxManifest {
		return nil, fmt.Errorf("%d bytes: more than %d", len(data), maxManifest)
	}
	var doc struct {
		Version  string `toml:"manifest-version"`
		Date     string
		Pkg      map[string]manifestPackage
		Renames  map[string]struct{ To string }
		Profiles map[string][]string
	}
	if err := decode("manifest", data, &doc); err != nil {
		return nil, err
	}
	if doc.Version != "2" {
		return nil, fmt.Errorf("version %.20q; only 2 is known", doc.Version)
	}
	if _, err := time.Parse(time.DateOnly, doc.Date); err != nil {
		return nil, fmt.Errorf("date %.20q is not one", doc.Date)
	}
	if len(doc.Pkg) == 0 {
		return nil, errors.New("no packages")
	}
	m := &Manifest{Date: doc.Date, packages: doc.Pkg, renames: map[string]string{}, profiles: doc.Profiles}
	for from, to := range doc.Renames {
		m.renames[from] = to.To
	}
	return m, nil
}

// decode reads TOML; errors begin with "name:line: ".
func decode(name string, data []byte, v any) error {
	err := toml.Unmarshal(data, v)
	var at *toml.DecodeError
	if errors.As(err, &at) {
		row, _ := at.Position()
		return fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(at.Error(), "toml: "))
	}
	if err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return nil
}

// Rustc is the version of the compiler: "1.95.0 (59807616e 2026-04-14)".
func (m *Manifest) Rustc() string { return m.packages["rustc"].Version }

// Channel is the one that the manifest belongs to, as it can be named for all time.
func (m *Manifest) Channel() string {
	version, _, _ := strings.Cut(m.Rustc(), " ")
	switch {
	case strings.HasSuffix(version, "-nightly"):
		return "nightly-" + m.Date
	case strings.Contains(version, "-beta"):
		return "beta-" + m.Date
	}
	return version
}

// Profile returns the components of "minimal", "default" or "complete". A
// manifest without profiles (before 2019) has just a minimal one.
func (m *Manifest) Profile(name string) ([]string, error) {
	if p, ok := m.profiles[name]; ok {
		return slices.Clone(p), nil
	}
	if name == "minimal" {
		return []string{"cargo", "rust-std", "rustc"}, nil
	}
	return nil, fault.Hint(fmt.Errorf("toolchain profile %.50q is not known", name), "use minimal, default or complete")
}

// Pin picks the minimal profile, the named components, and the standard
// library of host and of each target. Components have the names that rustup
// takes ("clippy", "rust-src", "llvm-tools"), or those of the manifest; a
// component may carry a target ("rust-std-wasm32-unknown-unknown"). Channel is
// what was asked for; a manifest of another channel is an error.
func (m *Manifest) Pin(channel, host string, components, targets []string) (Pin, error) {
	p, err := m.pin(channel, host, components, targets)
	if err != nil {
		return Pin{}, fmt.Errorf("pinning toolchain %s: %w", channel, err)
	}
	return p, nil
}

func (m *Manifest) pin(channel, host string, components, targets []string) (Pin, error) {
	if err := m.Is(channel); err != nil {
		return Pin{}, err
	}
	pin := Pin{Channel: m.Channel(), Date: m.Date, Rustc: m.Rustc(), Host: host}
	if _, ok := m.packages["rustc"].Target[host]; !ok {
		return Pin{}, fmt.Errorf("there is no rustc for the host %.100q", host)
	}
	minimal, err := m.Profile("minimal")
	if err != nil {
		return Pin{}, err
	}
	add := func(name, target string) error {
		c, err := m.component(name, target)
		if err == nil && !slices.ContainsFunc(pin.Components, func(o Component) bool { return o.Name == c.Name && o.Target == c.Target }) {
			pin.Components = append(pin.Components, c)
		}
		return err
	}
	for _, name := range minimal {
		if name == "rust-mingw" {
			continue // for Windows hosts
		}
		if err := add(name, host); err != nil {
			return Pin{}, err
		}
	}
	for _, name := range components {
		name, target := m.splitTarget(name, host)
		if name == "rust-mingw" {
			continue
		}
		if err := add(name, target); err != nil {
			return Pin{}, err
		}
	}
	for _, target := range targets {
		if err := add("rust-std", target); err != nil {
			return Pin{}, err
		}
	}
	slices.SortFunc(pin.Components, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Target, b.Target))
	})
	return pin, nil
}

// Is reports why the manifest is not the channel's.
func (m *Manifest) Is(channel string) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	name, date := splitChannel(channel)
	own, _ := splitChannel(m.Channel())
	version, _, _ := strings.Cut(m.Rustc(), " ")
	same := name == own || name == version || IsMoving(name) && strings.HasPrefix(version, name+".") ||
		name == "stable" && strings.Count(own, ".") == 2
	if !same || date != "" && date != m.Date {
		return fmt.Errorf("the manifest is that of %s (%s)", m.Channel(), m.Date)
	}
	return nil
}

// splitTarget takes a target off the end of a component's name.
func (m *Manifest) splitTarget(name, host string) (component, target string) {
	if m.known(name) {
		return name, host
	}
	for i, c := range name {
		if c == '-' && m.known(name[:i]) {
			if _, err := m.component(name[:i], name[i+1:]); err == nil {
				return name[:i], name[i+1:]
			}
		}
	}
	return name, host
}

func (m *Manifest) known(name string) bool {
	_, renamed := m.renames[name]
	_, ok := m.packages[name]
	return ok || renamed
}

// NoComponent is the error of a component that a toolchain hasn't; with a Target,
// for that one.
type NoComponent struct{ Name, Target string }

func (e *NoComponent) Error() string {
	if e.Target != "" {
		return fmt.Sprintf("component %s is not available for %.100q", e.Name, e.Target)
	}
	return fmt.Sprintf("no component %.100q", e.Name)
}

func (m *Manifest) component(name, target string) (Component, error) {
	if to, ok := m.renames[name]; ok {
		name = to
	}
	p, ok := m.packages[name]
	if !ok {
		return Component{}, fault.Hintf(&NoComponent{Name: name}, "components of this toolchain are listed by `rustup component list`")
	}
	t, ok := p.Target[target]
	if !ok {
		if t, ok = p.Target["*"]; ok {
			target = "*"
		}
	}
	if !ok || !t.Available {
		return Component{}, &NoComponent{name, target}
	}
	link, hash := t.XZURL, t.XZHash
	if link == "" {
		link, hash = t.URL, t.Hash
	}
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 || strings.ToLower(hash) != hash {
		return Component{}, fmt.Errorf("component %s for %s: hash %.100q is not a SHA-256", name, target, hash)
	}
	u, err := url.Parse(link)
	if err != nil {
		return Component{}, fmt.Errorf("component %s for %s: %w", name, target, err)
	}
	// The server's name is a setting; where its root is can be seen by "dist".
	at := strings.Index(u.Path, "/dist/")
	if at < 0 || path.Clean(u.Path) != u.Path || !strings.HasSuffix(u.Path, ".tar.xz") && !strings.HasSuffix(u.Path, ".tar.gz") {
		return Component{}, fmt.Errorf("component %s for %s: address %.200q is not of the expected form", name, target, link)
	}
	return Component{
		Name: name, Target: target, Path: u.Path[at+1:],
		SHA256: digest.NewDigestFromEncoded(digest.SHA256, hash), Size: -1,
	}, nil
}
