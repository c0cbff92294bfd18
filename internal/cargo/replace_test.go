package cargo

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/craton-co/twice/internal/fault"
)

func sources(config string) fstest.MapFS {
	return fstest.MapFS{
		"ws/Cargo.toml":         {Data: []byte("[package]\nname = \"a\"\nversion = \"1.0.0\"\n[dependencies]\nx = { version = \"1\", registry = \"company\" }\n")},
		"ws/src/main.rs":        {Data: []byte("fn main() {}")},
		"ws/.cargo/config.toml": {Data: []byte(config)},
		"ws/vendor/README":      {},
	}
}

const company = "[registries.company]\nindex = \"sparse+https://crates.company.test/index/\"\n"

func TestReplaced(t *testing.T) {
	for _, c := range []struct {
		name, config, source string
		want                 Replacement
		ok                   bool
		err, hint            string
	}{
		{"nothing", company, cratesIO, Replacement{}, false, "", ""},
		{"a committed folder", company + "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n", cratesIO, Replacement{Dir: "ws/vendor"}, true, "", ""},
		{"a local registry", company + "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\nlocal-registry = \"vendor\"\n", cratesIO, Replacement{Dir: "ws/vendor"}, true, "", ""},
		{"a folder elsewhere", company + "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"/opt/vendor\"\n", cratesIO, Replacement{}, false, "ws/.cargo/config.toml: source crates-io is replaced by the directory /opt/vendor", "commit the directory, or remove the replacement"},
		{"a folder that isn't there", company + "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"../third-party\"\n", cratesIO, Replacement{}, false, "not in the sources", "commit the directory"},
		{"a mirror", company + "[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"sparse+https://m.test/\"\n", cratesIO, Replacement{Index: "sparse+https://m.test/"}, true, "", ""},
		{"a registry by its name", company + "[source.crates-io]\nreplace-with = \"company\"\n", cratesIO, Replacement{Index: "sparse+https://crates.company.test/index/"}, true, "", ""},
		{"nothing known", company + "[source.crates-io]\nreplace-with = \"other\"\n", cratesIO, Replacement{}, false, "nothing in the sources says what that is", "[source.other]"},
		{"a circle", company + "[source.crates-io]\nreplace-with = \"b\"\n[source.b]\nreplace-with = \"crates-io\"\n", cratesIO, Replacement{}, false, "circle", ""},
		{"git", company + "[source.\"git+https://g.test/x?rev=1\"]\ngit = \"https://g.test/x\"\nrev = \"1\"\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n",
			"git+https://g.test/x?rev=1#" + strings.Repeat("a", 40), Replacement{Dir: "ws/vendor"}, true, "", ""},
		{"git at another revision", company + "[source.g]\ngit = \"https://g.test/x\"\nrev = \"1\"\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n",
			"git+https://g.test/x?rev=2#" + strings.Repeat("a", 40), Replacement{}, false, "", ""},
		{"another registry", company + "[source.company]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n",
			"sparse+https://crates.company.test/index/", Replacement{Dir: "ws/vendor"}, true, "", ""},
	} {
		fsys := sources(c.config)
		w, err := Inspect(fsys, "ws")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, ok, err := w.Replaced(fsys, LockPackage{Source: c.source})
		if got != c.want || ok != c.ok || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(fault.HintOf(err), c.hint)) {
			t.Errorf("%s: %+v, %v, %v (%s)", c.name, got, ok, err, fault.HintOf(err))
		}
	}
}

func TestUnnamedRegistry(t *testing.T) {
	w, err := Inspect(sources(""), "ws")
	if err != nil {
		t.Fatal(err)
	}
	err = w.Unnamed()
	if err == nil || !strings.Contains(err.Error(), "ws/Cargo.toml names the registry company") {
		t.Fatal(err)
	}
	// Following the hint works: it says what to write, and where.
	hint := fault.HintOf(err)
	// follows: cargo: %s names the registry %s
	if !strings.Contains(hint, "registries.company.index = \"…\"") || !strings.Contains(hint, "ws/.cargo/config.toml") {
		t.Errorf("hint %q", hint)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(hint, "write "), " to ")
	if w, err = Inspect(sources(strings.Replace(line, "…", "sparse+https://crates.company.test/index/", 1)+"\n"), "ws"); err != nil || w.Unnamed() != nil {
		t.Error(err, w.Unnamed())
	}
}

func TestOutside(t *testing.T) {
	fsys := fstest.MapFS{
		"ws/Cargo.toml":       {Data: []byte("[workspace]\nmembers = [\"app\"]\n")},
		"ws/app/Cargo.toml":   {Data: []byte("[package]\nname = \"app\"\nversion = \"1.0.0\"\n[dependencies]\nnear = { path = \"../near\" }\nfar = { path = \"../../far\" }\n")},
		"ws/app/src/main.rs":  {},
		"ws/near/Cargo.toml":  {Data: []byte("[package]\nname = \"near\"\nversion = \"1.0.0\"\n")},
		"ws/near/src/lib.rs":  {},
		"far/Cargo.toml":      {Data: []byte("[package]\nname = \"far\"\nversion = \"1.0.0\"\n")},
		"far/src/lib.rs":      {},
		"plain/Cargo.toml":    {Data: []byte("[package]\nname = \"plain\"\nversion = \"1.0.0\"\n")},
		"plain/src/main.rs":   {},
		"plain/sub/something": {},
	}
	for dir, want := range map[string]string{"ws": "far", "ws/app": "far", "plain": ""} {
		w, err := Inspect(fsys, dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(w.Outside(), " "); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}
