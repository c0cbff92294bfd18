package sbom

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/rust"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

const (
	normal = `0|app v0.1.0 (/build/app)||MIT|
1|blake3 v1.8.7|default|CC0-1.0/MIT|https://example.org/blake3
1|derive v2.0.0 (proc-macro)||MIT|
2|syn v3.0.9|full|MIT|
1|lumen v0.2.0 (https://git.example.org/lumen.git?rev=4a56e422#4a56e422)||MIT|
`
	all = `0|app v0.1.0 (/build/app)||MIT|
1|blake3 v1.8.7|default|CC0-1.0/MIT|https://example.org/blake3
2|cc v1.11.1||MIT|
1|derive v2.0.0 (proc-macro)||MIT|
2|syn v3.0.9|full|MIT|
1|lumen v0.2.0 (https://git.example.org/lumen.git?rev=4a56e422#4a56e422)||MIT|
`
	locked = `version = 4
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["blake3", "derive", "lumen"]
[[package]]
name = "blake3"
version = "1.8.7"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "1111111111111111111111111111111111111111111111111111111111111111"
dependencies = ["cc"]
[[package]]
name = "cc"
version = "1.11.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "2222222222222222222222222222222222222222222222222222222222222222"
[[package]]
name = "derive"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "3333333333333333333333333333333333333333333333333333333333333333"
dependencies = ["syn"]
[[package]]
name = "lumen"
version = "0.2.0"
source = "git+https://git.example.org/lumen.git?rev=4a56e422#4a56e4220aab8ce5d085a411e7f806cebb647d14"
[[package]]
name = "syn"
version = "3.0.9"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "4444444444444444444444444444444444444444444444444444444444444444"
[[package]]
name = "unused"
version = "3.0.9"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "5555555555555555555555555555555555555555555555555555555555555555"
`
)

func example(t *testing.T) Input {
	t.Helper()
	in := Input{Build: "app", Version: "0.1.0", Commit: strings.Repeat("ab", 20), Epoch: 1763769600, Binaries: []string{"app"}}
	var err error
	if in.Normal, err = cargo.ParseTree(normal); err != nil {
		t.Fatal(err)
	}
	if in.All, err = cargo.ParseTree(all); err != nil {
		t.Fatal(err)
	}
	if in.Lock, err = cargo.ParseLock([]byte(locked)); err != nil {
		t.Fatal(err)
	}
	in.Toolchain = rust.Pin{Channel: "1.95.0", Rustc: "1.95.0 (59807616e 2026-04-14)", Components: []rust.Component{
		{Name: "rust-std", Target: "x86_64-unknown-linux-gnu", Path: "dist/std.tar.xz", SHA256: digest.FromString("std")},
		{Name: "rustc", Target: "x86_64-unknown-linux-gnu", Path: "dist/rustc.tar.xz", SHA256: digest.FromString("rustc")},
	}}
	deb := func(name, version string) images.Package {
		return images.Package{Name: name, Version: version, Architecture: "amd64", Source: name, Path: "pool/" + name, SHA256: digest.FromString(name).Encoded()}
	}
	in.Builder = Debian{Suite: "bookworm", Packages: []images.Package{deb("gcc-12", "12.2.0-14+deb12u1"), deb("libc6", "2.36")}}
	in.Runtime = Debian{Suite: "bookworm", Packages: []images.Package{deb("libc6", "2.36")}}
	in.Images = []Image{{Name: "nvidia/cuda", Digest: digest.FromString("cuda"), Build: true}}
	in.Files = []File{{Name: "libclang", Version: "18.1.1", PURL: "pkg:pypi/libclang@18.1.1", Digest: digest.FromString("libclang")}}
	return in
}

func write(t *testing.T, in Input) ([]byte, *cdx.BOM) {
	t.Helper()
	text, err := Write(in)
	if err != nil {
		t.Fatal(err)
	}
	var doc cdx.BOM
	if err := cdx.NewBOMDecoder(strings.NewReader(string(text)), cdx.BOMFileFormatJSON).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return text, &doc
}

func TestScopes(t *testing.T) {
	_, doc := write(t, example(t))
	got := map[string]string{}
	for _, c := range *doc.Components {
		got[c.BOMRef] = string(c.Scope)
	}
	want := map[string]string{
		"crate:app@0.1.0": "required", "crate:blake3@1.8.7": "required", "crate:lumen@0.2.0": "required",
		"crate:cc@1.11.1": "excluded", "crate:derive@2.0.0": "excluded", "crate:syn@3.0.9": "excluded",
		"rust:rust-std@1.95.0?target=x86_64-unknown-linux-gnu": "required", "rust:rustc@1.95.0?target=x86_64-unknown-linux-gnu": "excluded",
		"deb:libc6@2.36?arch=amd64": "required", "deb:gcc-12@12.2.0-14+deb12u1?arch=amd64": "excluded",
		"image:nvidia/cuda@" + digest.FromString("cuda").String(): "excluded", "file:libclang@18.1.1": "excluded",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestComponents(t *testing.T) {
	_, doc := write(t, example(t))
	find := func(ref string) cdx.Component {
		i := slices.IndexFunc(*doc.Components, func(c cdx.Component) bool { return c.BOMRef == ref })
		if i < 0 {
			t.Fatalf("no %s", ref)
		}
		return (*doc.Components)[i]
	}
	if got, want := find("crate:lumen@0.2.0").PackageURL, "pkg:cargo/lumen@0.2.0?vcs_url=git%2Bhttps%3A%2F%2Fgit.example.org%2Flumen.git%404a56e4220aab8ce5d085a411e7f806cebb647d14"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b := find("crate:blake3@1.8.7")
	if got := (*b.Licenses)[0].Expression; got != "CC0-1.0 OR MIT" {
		t.Errorf("licence %s", got)
	}
	if got := (*b.Hashes)[0].Value; got != strings.Repeat("1", 64) {
		t.Errorf("hash %s", got)
	}
	if got := find("deb:gcc-12@12.2.0-14+deb12u1?arch=amd64").PackageURL; got != "pkg:deb/debian/gcc-12@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm" {
		t.Error(got)
	}
	if doc.Metadata.Timestamp != "2025-11-22T00:00:00Z" {
		t.Error(doc.Metadata.Timestamp)
	}
}

// The same input is the same bytes; any other is another serial number.
func TestDeterministic(t *testing.T) {
	a, docA := write(t, example(t))
	b, _ := write(t, example(t))
	if string(a) != string(b) {
		t.Error("two documents of one input differ")
	}
	in := example(t)
	in.Epoch++
	if _, other := write(t, in); other.SerialNumber == docA.SerialNumber {
		t.Error("another document has the same serial number")
	}
	const golden = "sha256:4b2e2b7d9bb6ac6d817f37286bc9ad0a1450fa2e3550161100c2fc2a3e1dc3dd"
	if got := digest.FromBytes(a).String(); got != golden {
		t.Errorf("the document's digest is %s, was %s", got, golden)
	}
}

func TestUnknownCrate(t *testing.T) {
	in := example(t)
	in.Lock = &cargo.LockFile{Packages: in.Lock.Packages[:2]}
	if _, err := Write(in); err == nil || !strings.Contains(err.Error(), "Cargo.lock doesn't") {
		t.Errorf("%v", err)
	}
}

// The schema is CycloneDX's own, which comes with its Go module.
func TestSchema(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	c := jsonschema.NewCompiler()
	for id, file := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json":  "bom-1.6.schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := c.AddResource(id, f); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := write(t, example(t))
	validate := func(text string) error {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	if err := validate(string(text)); err != nil {
		t.Errorf("%#v", err)
	}
	if validate(strings.Replace(string(text), `"type": "library"`, `"type": "book"`, 1)) == nil {
		t.Error("the schema takes anything")
	}
}

// cargo tree names another registry by what the sources call it; the document
// has its address.
func TestOtherRegistry(t *testing.T) {
	sum := strings.Repeat("1", 64)
	lock := &cargo.LockFile{Packages: []cargo.LockPackage{
		{Name: "dep", Version: "1.0.0", Source: cratesIO, Checksum: strings.Repeat("0", 64)},
		{Name: "dep", Version: "1.0.0", Source: "sparse+https://crates.company.test/index/", Checksum: sum},
	}}
	c, err := crate(cargo.Unit{Name: "dep", Version: "1.0.0", Source: "registry `company`"}, lock)
	if err != nil {
		t.Fatal(err)
	}
	if (*c.Hashes)[0].Value != sum || c.PackageURL != "pkg:cargo/dep@1.0.0?repository_url=https%3A%2F%2Fcrates.company.test%2Findex%2F" {
		t.Errorf("%s, %v", c.PackageURL, *c.Hashes)
	}
}
