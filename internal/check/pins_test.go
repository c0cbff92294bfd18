package check

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/tomldoc"
	"github.com/google/go-cmp/cmp"
)

const sha = "4a56e4220aab8ce5d085a411e7f806cebb647d14"

func pinSubject(t *testing.T, manifest, deny string) *subject {
	t.Helper()
	s := &subject{fsys: fstest.MapFS{"docs/rfc/12.md": {}}, ws: &cargo.Workspace{Root: "."}}
	doc, err := tomldoc.Parse("Cargo.toml", []byte(strings.ReplaceAll(manifest, "SHA", sha)))
	if err != nil {
		t.Fatal(err)
	}
	s.manifests = []*tomldoc.Document{doc}
	if deny != "" {
		if s.deny, err = tomldoc.Parse("deny.toml", []byte(deny)); err != nil {
			t.Fatal(err)
		}
	}
	s.pins = s.readPins()
	return s
}

// Every table of a manifest that can name a repository is read.
func TestPinsAreFound(t *testing.T) {
	s := pinSubject(t, `
[dependencies]
a = { git = "https://x/a", rev = "SHA" }
plain = "1"
inherited = { workspace = true }
[dev-dependencies.b]
git = "https://x/b"
[build-dependencies]
c = { package = "real", git = "https://x/c" }
[workspace.dependencies]
d = { git = "https://x/d" }
[target.'cfg(unix)'.dependencies]
e = { git = "https://x/e" }
[patch.crates-io]
f = { git = "https://x/f" }
[patch."https://x/a"]
g = { git = "https://x/g" }
`, "")
	var got []string
	for _, p := range s.pins {
		dev := ""
		if p.Dev {
			dev = " dev"
		}
		got = append(got, p.Crate+" "+p.URL+dev)
	}
	want := []string{"a https://x/a", "b https://x/b dev", "real https://x/c", "d https://x/d", "e https://x/e", "f https://x/f", "g https://x/g"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPinsNameACommit(t *testing.T) {
	for spec, want := range map[string]Status{
		`rev = "SHA"`:                          Pass,
		`rev = "4a56e42"`:                      Fail,
		`rev = "SHA", branch = "m"`:            Fail,
		`branch = "main"`:                      Fail,
		`tag = "v1"`:                           Fail,
		`rev = "refs/pull/1/head"`:             Fail,
		`version = "1"`:                        Fail,
		`rev = "` + strings.ToUpper(sha) + `"`: Fail,
	} {
		s := pinSubject(t, "[dependencies]\na = { git = \"https://x/a\", "+spec+" }\n", "")
		if o := gitCommit(s); o.status != want {
			t.Errorf("%s: %s %v", spec, o.status, o.evidence)
		}
	}
}

// The comment above, behind, or above the first of a run counts.
func TestPinsSayWhy(t *testing.T) {
	const dep = `a = { git = "https://x/a", rev = "SHA" }`
	for text, want := range map[string]Status{
		"# Faster. RFC: https://x/rfc/12. Remove when 2.0 is out.\n" + dep:                           Pass,
		"# See docs/rfc/12.md (RFC).\n# Until upstream merges it, we need this.\n" + dep:             Pass,
		dep + " # RFC-12: needed; drop with the next release":                                        Pass,
		"# RFC 12. Goes away with 2.0.\n" + dep + "\nb = { git = \"https://x/a\", rev = \"SHA\" }":   Pass,
		"# RFC 12. Goes away with 2.0.\n" + dep + "\n\nb = { git = \"https://x/a\", rev = \"SHA\" }": Fail,
		"# RFC 12. Goes away with 2.0.\n" + dep + "\nb = { git = \"https://x/b\", rev = \"SHA\" }":   Fail,
		"# RFC 12. Goes away with 2.0.\n\n" + dep:                                                    Fail,
		dep:                 Fail,
		"# RFC 12.\n" + dep: Fail,
		"# Remove when 2.0 is out. https://x/12\n" + dep:        Fail,
		"# RFC: docs/rfc/13.md. Remove when it is out.\n" + dep: Fail,
		"# RFC: <link>. Remove when <condition>.\n" + dep:       Fail,
		"# TODO\n" + dep: Fail,
	} {
		s := pinSubject(t, "[dependencies]\n"+text+"\n", "")
		if o := gitReason(s); o.status != want {
			t.Errorf("%s: %s %v", text, o.status, o.evidence)
		}
	}
	p := pinSubject(t, "[dependencies]\n# Faster: it has no copies. RFC: https://x/rfc/12.\n# Remove when 2.0 is out.\n"+dep+"\n", "").pins[0]
	if p.Why != "Faster: it has no copies." || p.RFC != "https://x/rfc/12" || p.Removal != "Remove when 2.0 is out." {
		t.Errorf("%q, %q, %q", p.Why, p.RFC, p.Removal)
	}
}

func TestPinsAreAllowed(t *testing.T) {
	const manifest = "[dependencies]\n# Why it is.\na = { git = \"https://x/a.git\", rev = \"SHA\" }\n"
	for deny, want := range map[string]Status{
		"":                          Fail,
		"[sources]\nallow-git = []": Fail,
		"[sources]\nallow-git = [\n# Why\n# it is.\n\"https://X/a/\"]":    Pass,
		"[sources]\nallow-git = [\n\"https://x/a\", # Why it is.\n]":      Pass,
		"[sources]\nallow-git = [\n\"https://x/a\", # Another reason.\n]": Fail,
		"[sources]\nallow-git = [\n\"https://x/a\",\n]":                   Fail,
		"[sources]\nallow-git = [\n# Why it is.\n\"https://x/ab\",\n]":    Fail,
		"[sources.allow-org]\ngithub = [\"x\"]":                           Fail,
	} {
		if o := gitAllowed(pinSubject(t, manifest, deny)); o.status != want {
			t.Errorf("%s: %s %v", deny, o.status, o.evidence)
		}
	}
}

func TestPurls(t *testing.T) {
	p := cargo.LockPackage{Name: "a", Version: "1.0.0"}
	for purl, want := range map[string]bool{
		"pkg:cargo/a@1.0.0?vcs_url=git%2Bhttps%3A%2F%2Fx%2Fa.git%40" + sha:   true,
		"pkg:cargo/a@1.0.0?vcs_url=git+https://x/a@" + sha:                   true,
		"pkg:cargo/a@1.0.0?b=c&vcs_url=git+https://x/a@" + sha + "#crates/a": true,
		"pkg:cargo/a@1.0.1?vcs_url=git+https://x/a@" + sha:                   false,
		"pkg:cargo/b@1.0.0?vcs_url=git+https://x/a@" + sha:                   false,
		"pkg:cargo/a@1.0.0?vcs_url=git+https://x/b@" + sha:                   false,
		"pkg:cargo/a@1.0.0?vcs_url=git+https://x/a@" + sha[:39] + "0":        false,
		"pkg:cargo/a@1.0.0?vcs_url=https://x/a@" + sha:                       false,
		"pkg:cargo/a@1.0.0": false,
		"pkg:npm/a@1.0.0?vcs_url=git+https://x/a@" + sha: false,
	} {
		if got := isPurlOf(purl, p, "https://x/a", sha); got != want {
			t.Errorf("%s: %v", purl, got)
		}
	}
}

func TestPinTable(t *testing.T) {
	s := pinSubject(t, "[dependencies]\n# Fast | small. RFC 1. Remove when done.\na = { git = \"https://x/r\", rev = \"SHA\" }\nb = { git = \"https://x/r\", rev = \"SHA\" }\n\nc = { git = \"https://x/c\" }\n", "")
	want := "| crates | repository | revision | why | goes away |\n|---|---|---|---|---|\n" +
		"| a, b | https://x/r | " + sha + " | Fast \\| small. | Remove when done. |\n| c | https://x/c | – | – | – |\n"
	if d := cmp.Diff(want, (&Report{Pins: s.pins}).PinTable()); d != "" {
		t.Error(d)
	}
}

// Rows go where they can; where a file is laid out in another way, nothing is
// written, and it is said.
func TestRowsAreInserted(t *testing.T) {
	const row = "  # RFC 1. Remove when done.\n  \"https://x/a\",\n"
	for deny, want := range map[string]string{
		"":                                   "[sources]\nunknown-registry = \"deny\"\nunknown-git = \"deny\"\nallow-git = [\n" + row + "]\n",
		"[licenses]\na = 1":                  "[licenses]\na = 1\n\n[sources]\nallow-git = [\n" + row + "]\n",
		"[sources]\nx = 1\n":                 "[sources]\nallow-git = [\n" + row + "]\nx = 1\n",
		"[sources]\nallow-git = []\nx = 1\n": "[sources]\nallow-git = [\n" + row + "]\nx = 1\n",
		"[sources]\nallow-git = [\n \"u\" # c\n]": "[sources]\nallow-git = [\n \"u\", # c\n" + row + "]\n",
		"[sources]\nallow-git = [\"u\"]\n":        "",
		"[sources]\nallow-git = [\n\"u\"\n,]\n":   "",
	} {
		s := pinSubject(t, "[dependencies]\n# RFC 1. Remove when done.\na = { git = \"https://x/a.git\", rev = \"SHA\" }\n", deny)
		s.fsys = fstest.MapFS{"deny.toml": {Data: []byte(deny)}}
		e := &edits{s: s, now: map[string][]byte{}}
		if err := e.deny(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(e.now["deny.toml"])); d != "" {
			t.Errorf("%q\n%s", deny, d)
		}
		if (want == "") != (len(e.left) == 1) {
			t.Errorf("%q: left %q", deny, e.left)
		}
	}
}
