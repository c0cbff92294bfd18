package deny

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

// What cargo-deny 0.20.2 printed.
const (
	vulnerable = `{"fields":{"advisory":{"aliases":[],"categories":["memory-corruption"],"collection":"crates","cvss":null,"date":"2026-01-02","description":"Really.","expect-deleted":false,"id":"RUSTSEC-2026-0001","informational":null,"keywords":[],"license":"CC0-1.0","package":"anyhow","references":[],"related":[],"source":null,"title":"It breaks","url":"https://example.org/1","withdrawn":null},"code":"vulnerability","labels":[{"column":1,"line":1,"message":"security vulnerability detected","span":"anyhow 1.0.100 registry+https://github.com/rust-lang/crates.io-index"}],"message":"It breaks","notes":["ID: RUSTSEC-2026-0001","Really.","Solution: Upgrade to >=1.0.101 (try ` + "`cargo update -p anyhow`" + `)"],"severity":"error"},"type":"diagnostic"}
{"fields":{"advisories":{"errors":1,"helps":0,"notes":0,"warnings":0}},"type":"summary"}
`
	unlicensed = `{"fields":{"code":"no-license-field","message":"license expression was not specified in manifest for crate 'busy-macro = 0.1.0'","severity":"warning"},"type":"diagnostic"}
{"fields":{"code":"unlicensed","message":"busy-macro = 0.1.0 is unlicensed","severity":"error"},"type":"diagnostic"}
{"fields":{"code":"note","message":"x","severity":"note"},"type":"diagnostic"}
{"fields":{"licenses":{"errors":2,"helps":1,"notes":0,"warnings":4}},"type":"summary"}
`
	banned = `{"fields":{"code":"banned","graphs":[{"Krate":{"name":"anyhow","version":"1.0.100"}}],"labels":[{"column":10,"line":8,"message":"banned here","span":"anyhow"}],"message":"crate 'anyhow = 1.0.100' is explicitly banned","severity":"error"},"type":"diagnostic"}
{"fields":{"bans":{"errors":1,"helps":0,"notes":0,"warnings":0}},"type":"summary"}
`
	broken = `{"fields":{"level":"ERROR","message":"failed to load advisory database:\n no crates","timestamp":"2026-11-27T05:11:12Z"},"type":"log"}
`
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		check, output string
		want          Result
	}{
		{"advisories", vulnerable, Result{Failed: true, Findings: []Finding{{true, "vulnerability", "anyhow 1.0.100", "RUSTSEC-2026-0001: It breaks", "Upgrade to >=1.0.101 (try `cargo update -p anyhow`)"}}}},
		{"licenses", unlicensed, Result{Failed: true, Findings: []Finding{
			{false, "no-license-field", "busy-macro 0.1.0", "license expression was not specified in manifest for crate 'busy-macro = 0.1.0'", ""},
			{true, "unlicensed", "busy-macro 0.1.0", "busy-macro = 0.1.0 is unlicensed", ""},
		}}},
		{"bans", banned, Result{Failed: true, Findings: []Finding{{true, "banned", "anyhow 1.0.100", "crate 'anyhow = 1.0.100' is explicitly banned; banned here: anyhow", ""}}}},
		{"sources", `{"fields":{"sources":{"errors":0,"helps":0,"notes":0,"warnings":0}},"type":"summary"}`, Result{}},
	} {
		if d := cmp.Diff(c.want, Parse(c.check, []byte(c.output))); d != "" {
			t.Errorf("%s: %s", c.check, d)
		}
	}
	// A check that was not made is none that passed.
	for _, c := range [][2]string{{"advisories", broken}, {"advisories", ""}, {"bans", vulnerable}, {"sources", "error: unexpected argument"}} {
		if r := Parse(c[0], []byte(c[1])); r.Err == nil || r.Failed {
			t.Errorf("%s of %q: %+v", c[0], c[1], r)
		}
	}
	if err := Parse("advisories", []byte(broken)).Err.Error(); err != "cargo-deny made no check of advisories: failed to load advisory database: no crates" {
		t.Error(err)
	}
}

func TestReadDatabase(t *testing.T) {
	d, err := ReadDatabase(nil)
	if want := (Database{URL: DefaultURL, Folder: "advisory-db-3157b0e258782691"}); err != nil || d != want {
		t.Errorf("%+v, %v", d, err) // the folder that cargo-deny uses on every machine
	}
	d, err = ReadDatabase([]byte("[advisories]\ndb-path = \"~/db\"\ndb-urls = [\"https://git.example.org/Our/Advisories\"]\n"))
	if err != nil || d.URL != "https://git.example.org/Our/Advisories" || d.Path != "~/db" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{"[advisories]\ndb-urls = [\"https://a/b\", \"https://a/c\"]", "[advisories]\ndb-urls = [\"x\"]", "[advisories]\ndb-path = \"a b\"", "="} {
		if _, err := ReadDatabase([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{vulnerable, unlicensed, banned, broken} {
		mutate.Add(f, s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range Checks {
			Parse(c, []byte(s))
		}
		_, _ = ReadDatabase([]byte(s))
	})
}
