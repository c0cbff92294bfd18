package address

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/craton-co/twice/internal/fault"
)

// machine is a home directory and an /etc/apt with the given files, and an
// environment.
type machine struct {
	files map[string]string // "home/…" and "apt/…"
	env   map[string]string
}

func (m machine) resolver(t *testing.T, first Mirrors) (*Resolver, error) {
	t.Helper()
	root := m.lay(t)
	return newResolver(first, m.getenv(root), filepath.Join(root, "apt"))
}

func (m machine) lay(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range m.files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func (m machine) getenv(root string) func(string) string {
	return func(k string) string {
		if v, ok := m.env[k]; ok {
			return v
		}
		if k == "HOME" {
			return filepath.Join(root, "home")
		}
		return ""
	}
}

func (m machine) must(t *testing.T, first Mirrors) *Resolver {
	t.Helper()
	r, err := m.resolver(t, first)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func TestDefaults(t *testing.T) {
	r := machine{}.must(t, Mirrors{})
	equal(t, "Crate", r.Crate("serde", "1.0.228"), defaultCrates+"/serde/serde-1.0.228.crate")
	equal(t, "Crate", r.Crate("zstd-sys", "2.0.16+zstd.1.5.7"), defaultCrates+"/zstd-sys/zstd-sys-2.0.16%2Bzstd.1.5.7.crate")
	equal(t, "CrateIndex", r.CrateIndex("Inflector"), defaultCrateIndex+"/in/fl/inflector")
	equal(t, "CrateIndex", r.CrateIndex("syn"), defaultCrateIndex+"/3/s/syn")
	equal(t, "CrateIndex", r.CrateIndex("cc"), defaultCrateIndex+"/2/cc")
	equal(t, "CrateIndex", r.CrateIndex("a"), defaultCrateIndex+"/1/a")
	equal(t, "Rust", r.Rust("dist/2026-04-16/x.tar.xz"), defaultRust+"/dist/2026-04-16/x.tar.xz")
	equal(t, "CUDA", r.CUDA("cuda_nvcc/linux-x86_64/x.tar.xz"), defaultCUDA+"/cuda_nvcc/linux-x86_64/x.tar.xz")
	equal(t, "Git", r.Git("https://git.test/r"), "https://git.test/r")
	equal(t, "Registry", r.Registry("registry.test"), "registry.test")
}

func debian(template, archive, time, path string) string {
	return strings.NewReplacer("{archive}", archive, "{time}", time).Replace(template) + "/" + path
}

func TestDebianDefaults(t *testing.T) {
	r := machine{}.must(t, Mirrors{})
	const deb, at = "pool/main/g/g++-defaults/g++_4%2012.2.0-3+deb12u1_amd64.deb", "20260101T000000Z"
	const escaped = "pool/main/g/g%2B%2B-defaults/g%2B%2B_4%252012.2.0-3%2Bdeb12u1_amd64.deb"
	equal(t, "pool", r.Debian(deb),
		debian(defaultDebian, "debian", "", escaped), debian(defaultOldDebian, "debian", "", escaped))
	equal(t, "pool at a time", r.DebianAt(deb, "bookworm", at),
		debian(defaultDebian, "debian", "", escaped),
		debian(defaultSnapshot, "debian", at, escaped),
		debian(defaultOldDebian, "debian", "", escaped))
	const list = "dists/bookworm/InRelease"
	equal(t, "lists at a time", r.DebianAt(list, "bookworm", at),
		debian(defaultSnapshot, "debian", at, list),
		debian(defaultDebian, "debian", "", list),
		debian(defaultOldDebian, "debian", "", list))
	for _, p := range []string{"pool/updates/main/x.deb", "dists/bookworm-security/InRelease", "dists/buster/updates/InRelease"} {
		equal(t, p, r.Debian(p),
			debian(defaultDebian, "debian-security", "", p), debian(defaultOldDebian, "debian-security", "", p))
	}
	equal(t, "bad time", r.DebianAt(deb, "bookworm", "yesterday/.."))
}

// A lock may come from anywhere: its names don't lead out of a mirror.
func TestHostileNames(t *testing.T) {
	r := machine{}.must(t, Mirrors{})
	for _, p := range []string{"", "/", "/etc/passwd", ".", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a\\b", "a?b", "a#b", "a b", "a\x00", "a\n"} {
		equal(t, p, r.Debian(p))
		equal(t, p, r.Rust(p))
		equal(t, p, r.CUDA(p))
		equal(t, p, r.Crate(p, "1.0.0"))
		equal(t, p, r.Crate("x", p))
		equal(t, p, r.CrateIndex(p))
	}
}

func TestOrder(t *testing.T) {
	m := machine{
		files: map[string]string{
			"home/.config/twice/config.toml": "[mirrors]\ncrates = ['http://file.test/crates/']\ndebian = ['http://file.test/{archive}']\n" +
				"rust = ['/srv/rust']\n[mirrors.git]\n'https://git.test/' = 'file:///srv/git/'\n[mirrors.registries]\n'r.test' = 'mirror.test:5000/r'\n",
			"apt/sources.list":        "deb http://apt.test/debian bookworm main\n",
			"home/.cargo/config.toml": "[source.crates-io]\nreplace-with = 'corp'\n[source.corp]\nlocal-registry = 'crates'\n",
		},
		env: map[string]string{
			"TWICE_MIRROR_CRATES": "http://env.test/c , http://env2.test/{prefix}/{crate}/{version}",
			"TWICE_MIRROR_DEBIAN": "http://env.test/debian/",
			"TWICE_MIRROR_GIT":    "https://git.test/deep/=http://env.test/git/",
			"RUSTUP_DIST_SERVER":  "http://rustup.test",
		},
	}
	r := m.must(t, Mirrors{Crates: []string{"http://flag.test"}})
	crates := r.Crate("serde", "1.0.0")
	equal(t, "Crate", crates[:4],
		"http://flag.test/serde/serde-1.0.0.crate",
		"http://env.test/c/serde/serde-1.0.0.crate",
		"http://env2.test/se/rd/serde/1.0.0",
		"http://file.test/crates/serde/serde-1.0.0.crate")
	if want := "/home/crates/serde-1.0.0.crate"; !strings.HasPrefix(crates[4], "file:///") || !strings.HasSuffix(crates[4], want) {
		t.Errorf("cargo's local registry: %s, want …%s", crates[4], want)
	}
	equal(t, "Crate", crates[5:], defaultCrates+"/serde/serde-1.0.0.crate")
	equal(t, "Rust", r.Rust("dist/x"), "file:///srv/rust/dist/x", "http://rustup.test/dist/x", defaultRust+"/dist/x")
	equal(t, "Debian", r.Debian("pool/main/x")[:4],
		"http://env.test/debian/pool/main/x", "http://file.test/debian/pool/main/x",
		"http://apt.test/debian/pool/main/x", debian(defaultDebian, "debian", "", "pool/main/x"))
	equal(t, "Debian security", r.Debian("pool/updates/main/x")[:3],
		"http://env.test/debian-security/pool/updates/main/x", "http://file.test/debian-security/pool/updates/main/x",
		debian(defaultDebian, "debian-security", "", "pool/updates/main/x"))
	equal(t, "Git", r.Git("https://git.test/deep/r"), "http://env.test/git/r", "file:///srv/git/deep/r", "https://git.test/deep/r")
	equal(t, "Registry", r.Registry("r.test"), "mirror.test:5000/r", "r.test")
	equal(t, "Registry", r.Registry("r.test.evil"), "r.test.evil")

	m.env["TWICE_NO_DEFAULTS"] = "1"
	r = m.must(t, Mirrors{})
	equal(t, "Rust, no defaults", r.Rust("dist/x"), "file:///srv/rust/dist/x", "http://rustup.test/dist/x")
	equal(t, "CUDA, no defaults", r.CUDA("x"))
	equal(t, "Git, no defaults", r.Git("https://git.test/r"), "file:///srv/git/r")
	for _, list := range [][]string{r.Crate("a", "1.0.0"), r.CrateIndex("a"), r.DebianAt("pool/main/x", "bookworm", "20260101T000000Z")} {
		for _, a := range list {
			if IsDefault(a) {
				t.Errorf("%s is a default", a)
			}
		}
	}

	r, err := Upstream(m.getenv(m.lay(t)))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Rust, defaults only", r.Rust("dist/x"), defaultRust+"/dist/x")
	equal(t, "Crate, defaults only", r.Crate("a", "1.0.0"), defaultCrates+"/a/a-1.0.0.crate")
	equal(t, "Git, defaults only", r.Git("https://git.test/r"), "https://git.test/r")
}

func TestBadSettings(t *testing.T) {
	file := func(text string) machine {
		return machine{files: map[string]string{"home/.config/twice/config.toml": text}}
	}
	env := func(k, v string) machine { return machine{env: map[string]string{k: v}} }
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate(t), 0o644); err != nil {
		t.Fatal(err)
	}
	// follows: address: reading settings: %w
	// follows: address: TWICE_NO_DEFAULTS is %q
	// follows: address: mirror %q is not an address
	// follows: address: %s: %q is not FROM=TO
	// follows: address: reading certificates: %w
	// follows: address: reading certificates: %s has no PEM certificate
	// follows: address: reading cargo's configuration: %w
	// follows: address: reading logins: %w
	// follows: address: reading pip's configuration: %w
	for name, c := range map[string]struct {
		m          machine
		text, hint string
		mended     machine // what the hint says was done
	}{
		"unknown key":   {file("[mirrors]\n\ncargo = []\n"), "line 3: unknown key mirrors.cargo", "config.toml", file("[mirrors]\n\ncrates = []\n")},
		"syntax":        {file("mirrors-only = maybe\n"), "line 1: ", "config.toml", file("mirrors-only = true\n")},
		"type":          {file("ca = 3\n"), "line 1: ", "config.toml", machine{}},
		"no address":    {file("[mirrors]\nrust = ['mirror']\n"), `mirror "mirror" is not an address`, "config.toml", file("[mirrors]\nrust = ['https://mirror']\n")},
		"scheme":        {env("TWICE_MIRROR_RUST", "ftp://m.test"), `mirror "ftp://m.test" is not an address`, "an http, https or file address or an absolute path (from: environment (TWICE_MIRROR_", env("TWICE_MIRROR_RUST", "https://m.test")},
		"query":         {env("TWICE_MIRROR_RUST", "http://m.test/?x"), `is not an address`, "TWICE_MIRROR_", env("TWICE_MIRROR_RUST", "/srv/rust")},
		"sparse":        {env("TWICE_MIRROR_RUST", "sparse+http://m.test/"), `is not an address`, "TWICE_MIRROR_", env("TWICE_MIRROR_RUST", "file:///srv/rust")},
		"pair":          {env("TWICE_MIRROR_GIT", "https://git.test/"), `is not FROM=TO`, "commas", env("TWICE_MIRROR_GIT", "https://git.test/=https://m.test/,https://x.test/=https://m.test/x/")},
		"switch":        {env("TWICE_NO_DEFAULTS", "yes"), `TWICE_NO_DEFAULTS is "yes"`, "1 or 0", env("TWICE_NO_DEFAULTS", "1")},
		"rustup":        {env("RUSTUP_DIST_SERVER", "nowhere"), `"nowhere" is not an address`, "RUSTUP_DIST_SERVER", env("RUSTUP_DIST_SERVER", "https://nowhere")},
		"no CA file":    {env("TWICE_CA_FILE", "/does/not/exist"), "reading certificates", "correct TWICE_CA_FILE", env("TWICE_CA_FILE", ca)},
		"empty CA file": {env("TWICE_CA_FILE", "/dev/null"), "no PEM certificate", "correct TWICE_CA_FILE", env("TWICE_CA_FILE", ca)},
		"cargo": {machine{files: map[string]string{"home/.cargo/config.toml": "= x"}},
			"reading cargo's configuration", ".cargo/config.toml", machine{files: map[string]string{"home/.cargo/config.toml": "x = 1"}}},
		"logins": {machine{files: map[string]string{"home/.netrc/x": ""}}, "reading logins", "or set NETRC to another file", env("NETRC", "/dev/null")},
		"pip":    {machine{files: map[string]string{"home/.config/pip/pip.conf/x": ""}}, "reading pip's configuration", "correct ", machine{files: map[string]string{"home/.config/pip/pip.conf": "[global]\n"}}},
	} {
		_, err := c.m.resolver(t, Mirrors{})
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
		if _, err := c.mended.resolver(t, Mirrors{}); err != nil {
			t.Errorf("%s, mended: %v; hint %q", name, err, fault.HintOf(err))
		}
	}
	// follows: address: mirror %q is not KIND=ADDRESS
	if _, err := ParseMirrors([]string{"rust:https://m.test"}); !strings.HasPrefix(fault.HintOf(err), "KIND is crates, debian,") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := ParseMirrors([]string{"rust=https://m.test"}); err != nil {
		t.Error(err)
	}
	if _, err := (machine{}).resolver(t, Mirrors{Crates: []string{"x"}}); !strings.Contains(fault.HintOf(err), "command line") {
		t.Errorf("flag: %v; hint %q", err, fault.HintOf(err))
	}
}

// certificate is one in PEM.
func certificate(t *testing.T) []byte {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
}

// What is wrong with a registry ends with it, and git's certificates are those of
// the setting that is corrected.
func TestRegistryHints(t *testing.T) {
	r := machine{}.must(t, Mirrors{})
	const index = "sparse+https://crates.company.test/index/"
	ask := func(text string, err error) error {
		return r.OpenIndex(context.Background(), index, nil, Asker{Get: func(context.Context, []string, int64) ([]byte, error) { return []byte(text), err }})
	}
	// follows: address: crate registry %s: %w
	if err := ask("<html>", nil); err == nil || !strings.HasPrefix(fault.HintOf(err), "`cargo fetch` has to work") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if err := ask(`{"dl":"https://crates.company.test/dl"}`, nil); err != nil {
		t.Error(err)
	}
	m := machine{env: map[string]string{"TWICE_CA_FILE": "/does/not/exist"}}
	if _, err := r.GitCertificates(m.getenv(t.TempDir())); !strings.HasPrefix(fault.HintOf(err), "correct TWICE_CA_FILE") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate(t), 0o644); err != nil {
		t.Fatal(err)
	}
	m.env["TWICE_CA_FILE"] = ca
	if text, err := r.GitCertificates(m.getenv(t.TempDir())); err != nil || !strings.Contains(text, string(certificate(t))) {
		t.Error(err)
	}
}

func TestIsDefault(t *testing.T) {
	for a, want := range map[string]bool{
		defaultCrates + "/x/x-1.crate":                          true,
		strings.ToUpper(defaultRust):                            true,
		debian(defaultDebian, "debian", "", "pool"):             true,
		"http://127.0.0.1:9000/x":                               false,
		"https://mirror.test/" + defaultCrates:                  false,
		strings.Replace(defaultCrates, "://", "://evil@h/", 1):  false,
		strings.Replace(defaultCrates, "://static.", "://", 1):  false,
		strings.Replace(defaultCrates, "/crates", ".evil/x", 1): false,
		"file:///srv": false, "": false, "::": false,
	} {
		if got := IsDefault(a); got != want {
			t.Errorf("IsDefault(%q) = %v", a, got)
		}
	}
}

func TestDiscover(t *testing.T) {
	m := machine{
		files: map[string]string{"home/.cargo/config.toml": "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'my-corp'\n"},
		env: map[string]string{
			"CARGO_REGISTRIES_MY_CORP_INDEX": "sparse+http://corp.test/index/",
			"TWICE_MIRROR_CRATES":            "sparse+http://broken.test/",
			"TWICE_NO_DEFAULTS":              "1",
		},
	}
	r := m.must(t, Mirrors{})
	equal(t, "before", r.Crate("serde", "1.0.0"))
	err := r.Discover(t.Context(), func(_ context.Context, urls []string, _ int64) ([]byte, error) {
		equal(t, "asked", urls[1:])
		switch urls[0] {
		case "http://corp.test/index/config.json":
			return []byte(`{"dl":"http://dl.test/api/v1/crates","api":"http://dl.test"}`), nil
		case "http://broken.test/config.json":
			return nil, errors.New("out of order")
		}
		t.Errorf("asked %s", urls)
		return nil, nil
	})
	if err == nil || err.Error() != "crate registry http://broken.test/: out of order" {
		t.Errorf("Discover: %v", err)
	}
	equal(t, "after", r.Crate("serde", "1.0.0"), "http://dl.test/api/v1/crates/serde/1.0.0/download")
	equal(t, "index", r.CrateIndex("serde"), "http://broken.test/se/rd/serde", "http://corp.test/index/se/rd/serde")
}

func TestRegistryConfig(t *testing.T) {
	for text, want := range map[string]string{
		`{"dl":"http://d.test/{lowerprefix}/{crate}-{version}"}`: "http://d.test/{lowerprefix}/{crate}-{version}",
		`{"dl":"http://d.test/c/"}`:                              "http://d.test/c/{crate}/{version}/download",
		`{"dl":"http://d.test/{sha256-checksum}"}`:               "http://d.test/{sha256-checksum}",
		`{"dl":"http://d.test/c","auth-required":true}`:          "http://d.test/c/{crate}/{version}/download",
		`{"dl":"gopher://d.test"}`:                               "",
		`{}`:                                                     "",
		`<html>`:                                                 "",
	} {
		got, login, err := parseRegistryConfig([]byte(text))
		if got != want || (err == nil) != (want != "") || login != strings.Contains(text, "auth") {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestCargoConfig(t *testing.T) {
	for text, want := range map[string]crateSource{
		"": {},
		"[source.crates-io]\nreplace-with='v'\n[source.v]\ndirectory='vendor'\n":                        {},
		"[source.crates-io]\nreplace-with='g'\n[source.g]\nregistry='https://git.test/index'\n":         {},
		"[source.crates-io]\nreplace-with='a'\n[source.a]\nreplace-with='crates-io'\n":                  {},
		"[source.crates-io]\nreplace-with='s'\n[source.s]\nregistry='sparse+http://s.test/'\n":          {index: "http://s.test/", name: "s"},
		"[source.crates-io]\nreplace-with='s'\n[registries.s]\nindex='sparse+http://s.test/'\n":         {index: "http://s.test/", name: "s"},
		"[source.crates-io]\nreplace-with='l'\n[source.l]\nlocal-registry='/srv/crates'\n[http]\nx=1\n": {dl: "file:///srv/crates/{crate}-{version}.crate"},
	} {
		got, ok, err := parseCargoConfig([]byte(text), "/home/u/.cargo", func(string) string { return "" })
		if err != nil || got != want || ok != (want != crateSource{}) {
			t.Errorf("%s\n%+v, %v, %v", text, got, ok, err)
		}
	}
}
