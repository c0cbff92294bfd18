package images

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
)

func TestCommittedImages(t *testing.T) {
	if d := cmp.Diff([]string{"builder-debian-rust", "builder-rust", "cross-aarch64", "cross-musl", "engine", "runtime-cc", "runtime-cc-arm64", "rust-std-debian-arm64"}, Names()); d != "" {
		t.Fatal(d)
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			def, err := Load(name)
			if err != nil {
				t.Fatal(err)
			}
			lock := def.Lock
			if def.Name != name || lock.Suite != def.Suite || lock.Component != def.Component || lock.Architecture != def.Architecture {
				t.Errorf("%s of %s %s %s, locked from %s %s %s", def.Name, def.Suite, def.Component, def.Architecture, lock.Suite, lock.Component, lock.Architecture)
			}
			for _, p := range def.Packages {
				if !slices.ContainsFunc(def.Locked(), func(l Package) bool { return l.Name == p }) {
					t.Errorf("package %s is wanted but not locked", p)
				}
			}
			for g, group := range def.Groups {
				with, err := def.With(g)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range group.Packages {
					has := func(l Package) bool { return l.Name == p }
					if !slices.ContainsFunc(with.Locked(), has) || slices.ContainsFunc(def.Locked(), has) {
						t.Errorf("package %s is not in group %s alone", p, g)
					}
				}
			}
			// The file is what Encode writes.
			text, err := fs.ReadFile(files, name+"/lock.toml")
			if err != nil {
				t.Fatal(err)
			}
			again, err := lock.Encode()
			if err != nil || !bytes.Equal(text, again) {
				t.Errorf("lock.toml is not as Encode writes it: %v", err)
			}
		})
	}
	if _, err := Load("builder-cobol"); err == nil || !strings.Contains(fault.HintOf(err), "builder-rust") {
		t.Errorf("an image that isn't there: %v", err)
	}
}

// A definition that is like another has what it says, and the rest of that one.
func TestLike(t *testing.T) {
	amd64, err := Load("runtime-cc")
	if err != nil {
		t.Fatal(err)
	}
	arm64, err := Load("runtime-cc-arm64")
	if err != nil {
		t.Fatal(err)
	}
	if arm64.Architecture != "arm64" || arm64.Lock.Architecture != "arm64" || arm64.Identity() == amd64.Identity() {
		t.Errorf("%s of %s", arm64.Architecture, arm64.Lock.Architecture)
	}
	names := func(d Definition) (out []string) {
		for _, p := range d.Locked() {
			out = append(out, p.Name)
		}
		return out
	}
	if d := cmp.Diff(names(amd64), names(arm64)); d != "" {
		t.Error(d)
	}
	for _, p := range arm64.Lock.Packages {
		if p.Architecture == "amd64" {
			t.Errorf("%s is for amd64", p.Name)
		}
	}
	arm64.Name, arm64.Description, arm64.Architecture, arm64.Like, arm64.Lock = amd64.Name, amd64.Description, amd64.Architecture, "", amd64.Lock
	if d := cmp.Diff(amd64, arm64); d != "" {
		t.Error(d)
	}
	if _, err := Parse([]byte("like = \"builder-cobol\"\n"), nil); err == nil {
		t.Error("like an image that isn't there")
	}
}

// A builder's own Rust and the standard libraries for other targets are of
// one version: rustc refuses others.
func TestDebianRust(t *testing.T) {
	def, err := Load("builder-debian-rust")
	if err != nil {
		t.Fatal(err)
	}
	if def.RustVersion() != "1.85.0" {
		t.Errorf("version %q", def.RustVersion())
	}
	version := func(d Definition, name string) string {
		i := slices.IndexFunc(d.Lock.Packages, func(p Package) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("%s has no %s", d.Name, name)
		}
		return d.Lock.Packages[i].Version
	}
	want := version(def, def.Rust.Package)
	for triple, name := range def.Rust.Std {
		std, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := version(std, "libstd-rust-web-dev"); got != want {
			t.Errorf("%s: %s, rustc is %s", triple, got, want)
		}
	}
	for component, group := range def.Rust.Components {
		if _, err := def.With(group); err != nil {
			t.Errorf("%s: %v", component, err)
		}
	}
}

// The fingerprints that keys/README.md gives; Debian publishes them too.
func TestKeyring(t *testing.T) {
	b, err := Keyring("bookworm")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, strings.ToUpper(hex.EncodeToString(k.PrimaryKey.Fingerprint)))
		if k.PrivateKey != nil {
			t.Error("a private key")
		}
	}
	want := []string{"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8", "4D64FEC119C2029067D6E791F8D2585B8783D481"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, name := range Names() {
		def, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(want, def.Lock.InRelease.SignedBy) {
			t.Errorf("%s: its lock was signed by %s", name, def.Lock.InRelease.SignedBy)
		}
	}
	if _, err := Keyring("potato"); err == nil {
		t.Error("there are keys for a suite of 2000")
	}
}

const minimal = "name = \"x\"\ndescription = \"\"\nsuite = \"bookworm\"\ncomponent = \"main\"\narchitecture = \"amd64\"\npackages = [\"a\"]\ndatabase = \"none\"\ncompression = \"zstd\"\n"

func TestParseRefuses(t *testing.T) {
	if _, err := Parse([]byte(minimal), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"toml":            {"name = ", "parsing image definition"},
		"an unknown key":  {minimal + "colour = 1\n", "strict mode"},
		"a name":          {strings.Replace(minimal, `"x"`, `"../x"`, 1), `name "../x"`},
		"a suite":         {strings.Replace(minimal, "bookworm", "book/worm", 1), "suite"},
		"a database":      {strings.Replace(minimal, `"none"`, `"rpm"`, 1), "expected status, status.d or none"},
		"a compression":   {strings.Replace(minimal, "zstd", "lzma", 1), "expected none, gzip or zstd"},
		"nothing wanted":  {strings.Replace(minimal, `packages = ["a"]`, "", 1), "packages: none"},
		"a pattern":       {minimal + "drop = [\"usr/[\"]\n", "syntax error in pattern"},
		"the extra group": {minimal + "[group.extra]\npackages = [\"b\"]\n", "the name is taken"},
	} {
		if _, err := Parse([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	def, _ := Parse([]byte(minimal), nil)
	if _, err := def.With("git"); err == nil {
		t.Error("a group that isn't there is selected")
	}
}

func lock() Lock {
	sum := strings.Repeat("0123", 16)
	return Lock{
		Version: 1, Suite: "bookworm", Release: "12.15", Date: time.Date(2026, 7, 11, 10, 16, 37, 0, time.UTC), Component: "main", Architecture: "amd64",
		InRelease: InRelease{SHA256: sum}, Index: Index{Path: "main/binary-amd64/Packages.xz", Size: 1, SHA256: sum},
		Packages: []Package{
			{Name: "a", Version: "1:1~2+b3", Architecture: "all", Source: "s", Path: "pool/main/a/a_1~2+b3_all.deb", Size: 1, SHA256: sum},
			{Name: "b++", Version: "1", Architecture: "amd64", Source: "s", Groups: []string{"extra", "git"}, Path: "pool/main/b/b.deb", Size: 1, SHA256: sum, ListedAt: "2026-01-01T00:00:00Z"},
		},
	}
}

func TestLockRoundTrip(t *testing.T) {
	want := lock()
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseLock(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, *got); d != "" {
		t.Error(d)
	}
}

func TestLockRefuses(t *testing.T) {
	for want, change := range map[string]func(*Lock){
		"knows version 1":          func(l *Lock) { l.Version = 2 },
		"not names":                func(l *Lock) { l.Suite = "../bookworm" },
		"no sha256":                func(l *Lock) { l.InRelease.SHA256 = "" },
		"not a package name":       func(l *Lock) { l.Packages[0].Name = "A b" },
		"twice, or not in order":   func(l *Lock) { l.Packages[1] = l.Packages[0] },
		"architecture \"arm64\"":   func(l *Lock) { l.Packages[0].Architecture = "arm64" },
		"is not in the pool":       func(l *Lock) { l.Packages[0].Path = "pool/../../etc/passwd" },
		"\"pool/x?y\" is not":      func(l *Lock) { l.Packages[0].Path = "pool/x?y" },
		"\"http://h/pool/x\" is n": func(l *Lock) { l.Packages[0].Path = "http://h/pool/x" },
		"size 0":                   func(l *Lock) { l.Packages[0].Size = 0 },
		"sha256 \"ABCD\"":          func(l *Lock) { l.Packages[0].SHA256 = "ABCD" },
		"not in order":             func(l *Lock) { l.Packages[1].Groups = []string{"b", "a"} },
		"listed-at":                func(l *Lock) { l.Packages[1].ListedAt = "yesterday" },
	} {
		l := lock()
		change(&l)
		if _, err := l.Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	text, err := lock().Encode()
	if err != nil {
		f.Fatal(err)
	}
	mutate.Add(f, text)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLock(b)
		if err != nil {
			return
		}
		text, err := l.Encode()
		if err != nil {
			t.Fatalf("what was parsed can't be written: %v", err)
		}
		if _, err := ParseLock(text); err != nil {
			t.Errorf("what was written can't be parsed: %v\n%s", err, text)
		}
	})
}
