// Package address knows where the inputs of a build may be had: a lock names
// them by ecosystem, name and path, and this package turns that into
// addresses. Whatever answers there is used only if its digest is right, so
// the order of the addresses is a matter of speed and of policy.
//
// In this order, and each address once:
//
//   - mirrors given on the command line
//   - mirrors of the environment: TWICE_MIRROR_CRATES, _DEBIAN, _SNAPSHOT,
//     _RUST, _CUDA, _PYPI (lists separated by commas), _GIT, _REGISTRIES
//     (lists of FROM=TO)
//   - mirrors of $XDG_CONFIG_HOME/twice/config.toml (see [Settings])
//   - the machine's own configuration: apt's sources, cargo's source
//     replacement, pip's index-url, extra-index-url, find-links and no-index
//     (environment and pip.conf), RUSTUP_DIST_SERVER
//   - the built-in defaults, unless TWICE_NO_DEFAULTS=1 or mirrors-only = true
//
// A mirror is an http, https or file address, or an absolute path. What it
// must have below it:
//
//	crates      <name>/<name>-<version>.crate; or the address is a template
//	            with cargo's markers {crate}, {version}, {prefix} and
//	            {lowerprefix}; or, with "sparse+" before it, a sparse registry
//	debian      pool/… and dists/… of the archive "debian", and those of
//	            "debian-security" in <address>-security; {archive} in the
//	            address stands for either name
//	snapshot    the same for each time: {archive} and {time} in the address,
//	            else <address>/{archive}/{time}
//	rust        dist/…
//	cuda        NVIDIA's redistributables: redistrib_<release>.json and
//	            <component>/<platform>/…
//	pypi        a simple index: <project>/ lists the files (PEP 503 or 691);
//	            or the files themselves, in one folder
//
// # Other registries
//
// What Cargo.lock takes from another registry is fetched from the registry that
// it names: that is the crate's identity. Its index, sparse or git, is asked
// once for config.json. [Resolver.OpenIndex] has the details.
//
// # The network
//
// Proxies are net/http's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), else cargo's
// (CARGO_HTTP_PROXY, http.proxy). Certificates are the system's, or those of
// SSL_CERT_FILE and SSL_CERT_DIR, and besides those of TWICE_CA_FILE or the
// settings, of CARGO_HTTP_CAINFO or cargo's http.cainfo, and of CURL_CA_BUNDLE.
// apt's own proxy setting is not followed.
//
// Logins: a registry's token comes from cargo's credential providers as this
// machine's own configuration names them (the sources' is never asked), and is
// sent only where the registry asks for it or says that it always wants it. A
// host in .netrc ($NETRC) gets its name and password. None goes over plain HTTP,
// except to this machine.
package address

import (
	"context"
	"crypto/x509"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Resolver turns names into addresses, the best first.
type Resolver struct {
	crates     []crateSource
	debian     debianSources
	rust       []string
	cuda       []string
	wheels     wheelSources
	git        []replacement
	registries []replacement
	upstream   bool // what isn't mirrored may be had at its own address
	roots      *x509.CertPool

	indexes map[string]crateSource // of other registries, once OpenIndex asked them
	cargo   *cargoHome
	logins  logins
}

// replacement maps what an address begins with.
type replacement struct{ from, to string }

// New returns the resolver of this machine. The mirrors m go before all
// others; env is os.Getenv, or a stand-in for it.
func New(m Mirrors, env func(string) string) (*Resolver, error) {
	return newResolver(m, env, "/etc/apt")
}

// Upstream returns a resolver of the built-in defaults only. Of the settings
// it takes the certificates.
func Upstream(env func(string) string) (*Resolver, error) {
	s, err := ReadSettings(env)
	if err != nil {
		return nil, err
	}
	r := &Resolver{}
	r.addDefaults()
	return r, r.network(s, env)
}

// network sets what requests need: certificates, proxies, logins.
func (r *Resolver) network(s Settings, env func(string) string) (err error) {
	if r.cargo, err = readCargoHome(env); err != nil {
		return err
	}
	if r.roots, err = certificates(authorities(s, r.cargo, env)); err != nil {
		return err
	}
	r.logins.netrc, err = readNetrc(env)
	return err
}

func newResolver(m Mirrors, env func(string) string, aptDir string) (*Resolver, error) {
	s, err := ReadSettings(env)
	if err != nil {
		return nil, err
	}
	if m, err = m.checked("command line"); err != nil {
		return nil, err
	}
	r := &Resolver{}
	for _, m := range []Mirrors{m, s.Mirrors} {
		r.addMirrors(m)
	}
	if err := r.addMachine(env, aptDir); err != nil {
		return nil, err
	}
	if !s.MirrorsOnly {
		r.addDefaults()
	}
	slices.SortStableFunc(r.git, func(a, b replacement) int { return len(b.from) - len(a.from) })
	if err := r.network(s, env); err != nil {
		return nil, err
	}
	for i, c := range r.crates {
		if c.name == "" {
			continue
		}
		id := "sparse+" + c.index
		r.crates[i].token = &token{ask: func(ctx context.Context) (string, error) {
			return r.cargo.token(ctx, id, r.cargo.names(id, []string{c.name}))
		}}
		r.logins.authorize(strings.TrimRight(c.index, "/")+"/", r.crates[i].token)
	}
	return r, nil
}

func (r *Resolver) addMirrors(m Mirrors) {
	for _, a := range m.Crates {
		r.crates = append(r.crates, newCrateSource(a))
	}
	r.debian.addMirrors(m)
	r.rust = append(r.rust, m.Rust...)
	r.cuda = append(r.cuda, m.CUDA...)
	r.wheels.addMirrors(m.PyPI)
	r.git = append(r.git, replacements(m.Git)...)
	r.registries = append(r.registries, replacements(m.Registries)...)
}

func (r *Resolver) addMachine(env func(string) string, aptDir string) error {
	c, ok, err := cargoSource(env)
	if err != nil {
		return err
	}
	if ok {
		r.crates = append(r.crates, c)
	}
	if err := r.wheels.addPip(env); err != nil {
		return err
	}
	r.debian.apt = readApt(aptDir)
	if s := env("RUSTUP_DIST_SERVER"); s != "" {
		a, err := checkAddress("RUSTUP_DIST_SERVER", s)
		if err != nil {
			return err
		}
		r.rust = append(r.rust, a)
	}
	return nil
}

func (r *Resolver) addDefaults() {
	r.crates = append(r.crates, crateSource{index: defaultCrateIndex, dl: defaultCrates + crateFile})
	r.debian.addDefaults()
	r.rust = append(r.rust, defaultRust)
	r.cuda = append(r.cuda, defaultCUDA)
	if !r.wheels.noIndex {
		r.wheels.indexes = append(r.wheels.indexes, defaultWheels)
	}
	r.upstream = true
}

// Rust returns the addresses of a file of Rust's dist server:
// "dist/2026-04-16/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz".
func (r *Resolver) Rust(path string) []string { return joinAll(r.rust, path) }

// CUDA returns the addresses of one of NVIDIA's redistributables:
// "redistrib_12.9.1.json",
// "cuda_nvcc/linux-x86_64/cuda_nvcc-linux-x86_64-12.9.86-archive.tar.xz".
func (r *Resolver) CUDA(path string) []string { return joinAll(r.cuda, path) }

// Git returns the addresses of the git repository that url names. What a
// mirror stands in for is the beginning of a URL, as in git's insteadOf.
func (r *Resolver) Git(url string) []string {
	var out []string
	for _, p := range r.git {
		if rest, ok := strings.CutPrefix(url, p.from); ok {
			out = add(out, p.to+rest)
		}
	}
	return r.orItself(out, url)
}

// Registry returns the container registries that serve what host serves, as
// "host:port" or "host:port/path".
func (r *Resolver) Registry(host string) []string {
	var out []string
	for _, p := range r.registries {
		if p.from == host {
			out = add(out, p.to)
		}
	}
	return r.orItself(out, host)
}

func (r *Resolver) orItself(mirrors []string, address string) []string {
	if r.upstream {
		mirrors = add(mirrors, address)
	}
	return mirrors
}

func replacements(m map[string]string) []replacement {
	var out []replacement
	for from, to := range m {
		out = append(out, replacement{from, to})
	}
	slices.SortFunc(out, func(a, b replacement) int { return strings.Compare(a.from, b.from) })
	return out
}

func joinAll(bases []string, rel string) []string {
	rel, ok := escape(rel)
	if !ok {
		return nil
	}
	var out []string
	for _, b := range bases {
		out = add(out, join(b, rel))
	}
	return out
}

func join(base, rel string) string { return strings.TrimRight(base, "/") + "/" + rel }

// add appends an address that isn't there yet.
func add(list []string, address string) []string {
	if slices.Contains(list, address) {
		return list
	}
	return append(list, address)
}

var plainPath = regexp.MustCompile(`^[^\x00-\x20\\?#\x7f]+$`)

// escape makes a path of a lock a part of an address. Names in locks are not
// to be trusted: what isn't a plain relative path has no address.
func escape(rel string) (string, bool) {
	if !plainPath.MatchString(rel) || path.IsAbs(rel) || path.Clean(rel) != rel || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	// A bare + is a space to some object stores.
	return strings.ReplaceAll((&url.URL{Path: "/" + rel}).EscapedPath()[1:], "+", "%2B"), true
}

func homeDir(env func(string) string) string {
	if h := env("HOME"); h != "" {
		return h
	}
	h, _ := os.UserHomeDir()
	return h
}
