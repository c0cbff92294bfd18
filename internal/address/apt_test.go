package address

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestSourcesList(t *testing.T) {
	got := parseSourcesList(`
# deb http://comment.test/debian bookworm main
deb http://a.test/debian bookworm main contrib # the usual
deb	[arch=amd64 signed-by=/usr/share/keyrings/x.gpg]   https://b.test/debian bookworm-updates main
deb-src http://source.test/debian bookworm main
deb http://flat.test/repo ./
deb [broken http://c.test bookworm main
debian http://d.test bookworm main
deb http://short.test
`)
	want := []aptSource{
		{"http://a.test/debian", []string{"bookworm"}, []string{"main", "contrib"}},
		{"https://b.test/debian", []string{"bookworm-updates"}, []string{"main"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(aptSource{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDeb822(t *testing.T) {
	got := parseDeb822(`# comment
Types: deb deb-src
URIs: http://a.test/debian
# a comment inside
 http://b.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://not.test

types: deb
uris: http://c.test/debian-security
suites: bookworm-security
components: main
Enabled: yes

Types: deb
URIs: http://disabled.test/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.test/debian
Suites: bookworm
Components: main
 
 continuation of nothing
no colon
Types: deb
URIs: http://last.test/debian
Suites: sid
Components: main`)
	want := []aptSource{
		{"http://a.test/debian", []string{"bookworm", "bookworm-updates"}, []string{"main"}},
		{"http://b.test/debian", []string{"bookworm", "bookworm-updates"}, []string{"main"}},
		{"http://c.test/debian-security", []string{"bookworm-security"}, []string{"main"}},
		{"http://last.test/debian", []string{"sid"}, []string{"main"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(aptSource{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Of all that a machine's apt knows, only Debian's own archives are asked,
// each for what it has.
func TestAptSources(t *testing.T) {
	mirrors := filepath.Join(t.TempDir(), "debian.list")
	if err := os.WriteFile(mirrors, []byte("# cloud image\nhttps://first.test/debian\thpriority:1\nhttps://second.test/debian\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := machine{
		files: map[string]string{
			"apt/sources.list": "deb http://a.test/debian trixie main\n" +
				"deb http://a.test/debian-security trixie-security main\n" +
				"deb http://ubuntu.test/ubuntu noble main\n" +
				"deb cdrom:[Debian]/ bookworm main\n" +
				"deb tor+http://onion.test/debian bookworm main\n" +
				"deb http://sub.test/$(ARCH) bookworm main\n",
			"apt/sources.list.d/b.list":    "deb file:/srv/debian bookworm main\n",
			"apt/sources.list.d/c.sources": "Types: deb\nURIs: mirror+file://" + mirrors + "\nSuites: bookworm\nComponents: main\n",
			"apt/sources.list.d/docker.list": "deb http://docker.test/linux/debian bookworm stable\n" +
				"deb http://pg.test/apt bookworm-pgdg main\n",
			"apt/sources.list.d/ignored.bak": "deb http://ignored.test/debian bookworm main\n",
		},
		env: map[string]string{"TWICE_NO_DEFAULTS": "1"},
	}.must(t, Mirrors{})
	const deb = "pool/main/x.deb"
	equal(t, "without a suite", r.Debian(deb), "http://a.test/debian/"+deb,
		"file:///srv/debian/"+deb, "https://first.test/debian/"+deb, "https://second.test/debian/"+deb)
	equal(t, "bookworm first", r.DebianSuite("bookworm", deb), "file:///srv/debian/"+deb,
		"https://first.test/debian/"+deb, "https://second.test/debian/"+deb, "http://a.test/debian/"+deb)
	equal(t, "security", r.DebianSuite("bookworm-security", "pool/updates/main/x.deb"),
		"http://a.test/debian-security/pool/updates/main/x.deb")
	equal(t, "another component", r.Debian("pool/contrib/x.deb"))
	equal(t, "foreign", r.DebianSuite("noble", deb)[0:1], "http://ubuntu.test/ubuntu/"+deb)
}

func FuzzParsers(f *testing.F) {
	mutate.Add(f, "deb [a=b] http://a.test bookworm main\n")
	mutate.Add(f, "Types: deb\nURIs: http://a.test\n http://b.test\nSuites: s\nComponents: main\n\n")
	mutate.Add(f, "[mirrors]\ncrates = ['http://a.test']\n")
	mutate.Add(f, "[source.crates-io]\nreplace-with='a'\n[source.a]\nregistry='sparse+http://a.test/'\n")
	mutate.Add(f, `{"dl":"http://a.test/{crate}"}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range append(parseSourcesList(text), parseDeb822(text)...) {
			if s.uri == "" {
				t.Errorf("a source without a URI: %+v", s)
			}
		}
		if s, err := parseSettings([]byte(text)); err == nil {
			s.Mirrors.checked("fuzz")
		}
		parseCargoConfig([]byte(text), "/h", func(string) string { return "" })
		if dl, _, err := parseRegistryConfig([]byte(text)); err == nil && dl == "" {
			t.Error("an empty template")
		}
		if rel, ok := escape(text); ok {
			u, err := url.Parse("http://mirror.test/base/" + rel)
			if err != nil || u.Path != "/base/"+text || path.Clean(u.Path) != u.Path || u.RawQuery+u.Fragment != "" {
				t.Errorf("escape(%q) = %q: %v, %v", text, rel, u, err)
			}
		}
	})
}
