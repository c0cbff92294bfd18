package debian

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/mutate"
)

// stanza returns a paragraph of a Packages index; fields are added or replaced.
func stanza(name, version string, fields ...string) string {
	s := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/main/x/%s_amd64.deb\nSize: 10\nSHA256: %s\n",
		name, version, name, digest.FromString(name+version).Encoded())
	for _, f := range fields {
		key, _, _ := strings.Cut(f, ":")
		if i := strings.Index(s, "\n"+key+":"); i >= 0 {
			j := i + 1 + strings.IndexByte(s[i+1:], '\n')
			s = s[:i+1] + f + s[j:]
			continue
		}
		s += f + "\n"
	}
	return s + "\n"
}

func parse(t *testing.T, stanzas ...string) *Index {
	t.Helper()
	ix, err := ParsePackages(strings.NewReader(strings.Join(stanzas, "")))
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestParsePackages(t *testing.T) {
	ix := parse(t,
		stanza("gcc-12", "12.2.0-14+deb12u1", "Source: gcc-12 (12.2.0)", "Priority: optional", "Essential: yes",
			"Depends: cpp-12 (= 12.2.0-14+deb12u1),\n libc6 (>= 2.36)\t", "Description: a compiler\n .\n  with a list: of things", "Pre-Depends: x"),
		"\n# a comment\n",
		stanza("libc6", "2.36-9"), stanza("libc6", "2.36-10"), stanza("libc6", "2.36-8"))
	got, _ := ix.Package("gcc-12")
	want := Package{
		Name: "gcc-12", Version: "12.2.0-14+deb12u1", Arch: "amd64", Source: "gcc-12", Priority: "optional", Essential: true,
		Path: "pool/main/x/gcc-12_amd64.deb", Size: 10, SHA256: digest.FromString("gcc-1212.2.0-14+deb12u1"),
		PreDepends: "x", Depends: "cpp-12 (= 12.2.0-14+deb12u1), libc6 (>= 2.36)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, _ := ix.Package("libc6"); got.Version != "2.36-10" || got.Source != "libc6" {
		t.Errorf("libc6 %s of source %s: want the newest, 2.36-10, of libc6", got.Version, got.Source)
	}
	if ix.Len() != 2 {
		t.Errorf("%d packages", ix.Len())
	}
}

func TestParsePackagesRefuses(t *testing.T) {
	for want, in := range map[string]string{
		"no packages":                   "\n\n# nothing\n",
		"not a package name":            stanza("../evil", "1"),
		"version":                       stanza("a", "1/2"),
		"architecture":                  stanza("a", "1", "Architecture: ../x"),
		"is not in the pool":            stanza("a", "1", "Filename: pool/../../etc/passwd"),
		"size 0":                        stanza("a", "1", "Size: 0"),
		"size \"99999999999999999999\"": stanza("a", "1", "Size: 99999999999999999999"),
		"no SHA-256":                    stanza("a", "1", "SHA256: abcd"),
		"continues nothing":             " leading blank\n",
		"no field name":                 "Package a\n",
		"line 1: longer than":           "Package: " + strings.Repeat("a", maxLine),
		"a paragraph of more than":      "Package: a\n" + strings.Repeat(" "+strings.Repeat("x", 1<<20)+"\n", 17),
	} {
		if _, err := ParsePackages(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzParsePackages(f *testing.F) {
	mutate.Add(f, []byte(stanza("gcc-12", "1", "Depends: a | b,\n c")+stanza("a", "1", "Provides: b (= 1)")))
	mutate.Add(f, []byte("Package: a\n\n x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		ix, err := ParsePackages(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		for name := range ix.packages {
			if ps, err := ix.Resolve([]string{name}, true); err == nil && len(ps) == 0 {
				t.Errorf("%s resolves to nothing", name)
			}
		}
	})
}
