package address

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/craton-co/twice/internal/fault"
)

// Mirrors are addresses of mirrors, the preferred first.
type Mirrors struct {
	Crates   []string `toml:"crates"`
	Debian   []string `toml:"debian"`
	Snapshot []string `toml:"snapshot"`
	Rust     []string `toml:"rust"`
	CUDA     []string `toml:"cuda"`
	PyPI     []string `toml:"pypi"`

	// Git maps what a repository's URL begins with to what takes its place.
	Git map[string]string `toml:"git"`
	// Registries maps a container registry's host to another, which may have
	// a path.
	Registries map[string]string `toml:"registries"`
}

// Settings are the user's, in $XDG_CONFIG_HOME/twice/config.toml:
//
//	mirrors-only = false            # true: never ask the built-in defaults
//	ca = "/etc/ssl/company.pem"     # trusted besides the system's certificates
//
//	[mirrors]
//	crates = ["http://127.0.0.1:9000/crates"]
//
//	[mirrors.git]
//	"https://git.example/" = "file:///srv/git/"
//
// The environment's mirrors go before those of the file. TWICE_NO_DEFAULTS=1
// is mirrors-only; TWICE_CA_FILE takes the place of ca.
type Settings struct {
	Mirrors     Mirrors `toml:"mirrors"`
	MirrorsOnly bool    `toml:"mirrors-only"`
	CA          string  `toml:"ca"`
}

// ReadSettings reads the user's settings: the environment, then the file.
func ReadSettings(env func(string) string) (Settings, error) {
	dir := env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(homeDir(env), ".config")
	}
	name := filepath.Join(dir, "twice", "config.toml")
	var s Settings
	b, err := readFile(name)
	if err == nil {
		s, err = parseSettings(b)
	}
	if err == nil {
		s.Mirrors, err = s.Mirrors.checked(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Settings{}, fault.Hintf(fmt.Errorf("reading settings: %w", err), "correct %s", name)
	}

	m, err := environmentMirrors(env, "environment (TWICE_MIRROR_…)")
	if err != nil {
		return Settings{}, err
	}
	s.Mirrors = m.before(s.Mirrors)
	switch v := env("TWICE_NO_DEFAULTS"); v {
	case "":
	case "0", "1":
		s.MirrorsOnly = v == "1"
	default:
		return Settings{}, fault.Hint(fmt.Errorf("TWICE_NO_DEFAULTS is %q", v), "set it to 1 or 0")
	}
	if ca := env("TWICE_CA_FILE"); ca != "" {
		s.CA = ca
	}
	return s, nil
}

func environmentMirrors(env func(string) string, from string) (Mirrors, error) {
	m := Mirrors{
		Crates:   list(env("TWICE_MIRROR_CRATES")),
		Debian:   list(env("TWICE_MIRROR_DEBIAN")),
		Snapshot: list(env("TWICE_MIRROR_SNAPSHOT")),
		Rust:     list(env("TWICE_MIRROR_RUST")),
		CUDA:     list(env("TWICE_MIRROR_CUDA")),
		PyPI:     list(env("TWICE_MIRROR_PYPI")),
	}
	var err error
	if m.Git, err = pairs(from+", git", env("TWICE_MIRROR_GIT")); err != nil {
		return Mirrors{}, err
	}
	if m.Registries, err = pairs(from+", registries", env("TWICE_MIRROR_REGISTRIES")); err != nil {
		return Mirrors{}, err
	}
	return m.checked(from)
}

// ParseMirrors reads mirrors that are given as KIND=ADDRESS each, KIND being
// crates, debian, snapshot, rust, cuda, pypi, git or registries. Of the last two an
// address is what is replaced, "=", and what takes its place.
func ParseMirrors(list []string) (Mirrors, error) {
	env := map[string]string{}
	for _, m := range list {
		kind, value, ok := strings.Cut(m, "=")
		if !ok || !slices.Contains([]string{"crates", "debian", "snapshot", "rust", "cuda", "pypi", "git", "registries"}, kind) {
			return Mirrors{}, fault.Hint(fmt.Errorf("mirror %q is not KIND=ADDRESS", m), "KIND is crates, debian, snapshot, rust, cuda, pypi, git or registries")
		}
		env["TWICE_MIRROR_"+strings.ToUpper(kind)] += "," + value
	}
	return environmentMirrors(func(k string) string { return env[k] }, "mirrors")
}

func parseSettings(b []byte) (Settings, error) {
	var s Settings
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	err := d.Decode(&s)
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		line, _ := e.Position()
		return s, fmt.Errorf("line %d: unknown key %s", line, strings.Join(e.Key(), "."))
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		return s, fmt.Errorf("line %d: %s", line, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return s, err
}

// before returns the mirrors of m, then those of n.
func (m Mirrors) before(n Mirrors) Mirrors {
	merge := func(a, b map[string]string) map[string]string {
		out := maps.Clone(b)
		if out == nil {
			return a
		}
		maps.Copy(out, a)
		return out
	}
	return Mirrors{
		Crates:     slices.Concat(m.Crates, n.Crates),
		Debian:     slices.Concat(m.Debian, n.Debian),
		Snapshot:   slices.Concat(m.Snapshot, n.Snapshot),
		Rust:       slices.Concat(m.Rust, n.Rust),
		CUDA:       slices.Concat(m.CUDA, n.CUDA),
		PyPI:       slices.Concat(m.PyPI, n.PyPI),
		Git:        merge(m.Git, n.Git),
		Registries: merge(m.Registries, n.Registries),
	}
}

// checked returns m with every address in full. Errors name where m is from.
func (m Mirrors) checked(from string) (Mirrors, error) {
	for _, l := range []*[]string{&m.Crates, &m.Debian, &m.Snapshot, &m.Rust, &m.CUDA, &m.PyPI} {
		*l = slices.Clone(*l)
		for i, a := range *l {
			rest, sparse := strings.CutPrefix(a, "sparse+")
			if l != &m.Crates && sparse {
				rest = a
			}
			full, err := checkAddress(from, rest)
			if err != nil {
				return m, err
			}
			if sparse {
				full = "sparse+" + full
			}
			(*l)[i] = full
		}
	}
	return m, nil
}

// checkAddress completes an absolute path to an address, and refuses what
// can't be fetched from.
func checkAddress(from, address string) (string, error) {
	if filepath.IsAbs(address) {
		return fileAddress(address), nil
	}
	u, err := url.Parse(address)
	ok := err == nil && u.RawQuery == "" && u.Fragment == ""
	if ok && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" ||
		ok && u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/") {
		return address, nil
	}
	return "", fault.Hintf(fmt.Errorf("mirror %q is not an address", address),
		"give an http, https or file address or an absolute path (from: %s)", from)
}

func fileAddress(path string) string { return "file://" + filepath.ToSlash(path) }

func list(s string) []string {
	var out []string
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

func pairs(name, s string) (map[string]string, error) {
	var out map[string]string
	for _, v := range list(s) {
		from, to, ok := strings.Cut(v, "=")
		if !ok || from == "" || to == "" {
			return nil, fault.Hint(fmt.Errorf("%s: %q is not FROM=TO", name, v), "separate pairs with commas")
		}
		if out == nil {
			out = map[string]string{}
		}
		out[from] = to
	}
	return out, nil
}

// readFile reads a configuration file of a sane size.
func readFile(name string) ([]byte, error) {
	const max = 1 << 20
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && len(b) > max {
		err = fmt.Errorf("%s: larger than %d bytes", name, max)
	}
	return b, err
}
