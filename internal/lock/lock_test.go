package lock

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/rust"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

func hexOf(s string) string { return digest.FromString(s).Encoded() }

func example() *Lock {
	day := time.Date(2026, 9, 12, 9, 0, 0, 0, time.UTC)
	return &Lock{
		Inputs: digest.FromString("settings"),
		Toolchain: Toolchain{Vouched: Unsigned, Pin: rust.Pin{
			Channel: "1.95.0", Date: "2026-04-16", Rustc: "1.95.0 (59807616e 2026-04-14)", Host: "x86_64-unknown-linux-gnu", Tree: digest.FromString("tree"),
			Components: []rust.Component{{Name: "cargo", Target: "x86_64-unknown-linux-gnu", Path: "dist/2026-04-16/cargo.tar.xz", SHA256: digest.FromString("cargo"), Size: -1}},
		}},
		Images: []Image{{Name: "builder-rust", Definition: digest.FromString("definition"), Lock: images.Lock{
			Version: 1, Suite: "bookworm", Release: "12.15", Date: day, Component: "main", Architecture: "amd64",
			InRelease: images.InRelease{SHA256: hexOf("in"), SignedBy: "AB", Key: "CD", Signer: "Debian Archive <ftpmaster@debian.org>", SignedAt: day},
			Index:     images.Index{Path: "main/binary-amd64/Packages.xz", Size: 12, SHA256: hexOf("index")},
			Packages: []images.Package{
				{Name: "gcc", Version: "4:12.2.0-3", Architecture: "amd64", Source: "gcc-defaults", Path: "pool/main/g/gcc.deb", Size: 10, SHA256: hexOf("gcc")},
				{Name: "git", Version: "1", Architecture: "amd64", Source: "git", Groups: []string{"git"}, Path: "pool/main/g/git.deb", Size: 11, SHA256: hexOf("git")},
			},
		}}},
		Bases: []Base{{Name: "registry.example/x", Digest: digest.FromString("base"), Vouched: Unsigned}},
		Git:   []Git{{URL: "https://git.example.org/a", Commit: strings.Repeat("ab", 20), Tree: digest.FromString("git")}},
	}
}

func TestRoundTrip(t *testing.T) {
	l := example()
	got, err := Parse(l.Format())
	if err != nil {
		t.Fatalf("%v\n%s", err, l.Format())
	}
	if d := cmp.Diff(l, got); d != "" {
		t.Error(d)
	}
}

// A toolchain that is known by its tarballs alone has no tree.
func TestWithoutTree(t *testing.T) {
	l := example()
	l.Toolchain.Tree = ""
	text := string(l.Format())
	got, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(l, got); d != "" {
		t.Error(d)
	}
	if toolchain, _, _ := strings.Cut(text, "[[image]]"); strings.Contains(toolchain, "tree") {
		t.Errorf("an empty tree is written:\n%s", text)
	}
}

// What was reviewed is kept, and a lock without it is written as ever.
func TestReviewed(t *testing.T) {
	l := example()
	l.Reviewed = []Reviewed{{"ring", "0.17.14", "sha256:" + hexOf("crate"), digest.FromString("code"), []string{"env CC", "runs gcc", "reads /a\"\\\n\x7fb"}}, {"a", "1.0.0", "git+https://git.example.org/a#" + strings.Repeat("ab", 20), digest.FromString("a"), []string{}}}
	got, err := Parse(l.Format())
	if err != nil {
		t.Fatalf("%v\n%s", err, l.Format())
	}
	l.Reviewed[0], l.Reviewed[1] = l.Reviewed[1], l.Reviewed[0] // sorted by name
	if d := cmp.Diff(l, got); d != "" {
		t.Error(d)
	}
}

func TestGolden(t *testing.T) {
	const want = "sha256:a9fc21c93ecd395d2f39bb1a74d99c330dac3a7927d37a51c0b65017b925db01"
	if got := example().Digest(); got != want {
		t.Errorf("the lock's text has changed: %s\n%s", got, example().Format())
	}
}

// No line can be changed, removed, added or swapped without the error naming
// that line, or the one after a removed line.
func TestEveryLineIsGuarded(t *testing.T) {
	text := string(example().Format())
	body, _, _ := strings.Cut(text, checkHeader)
	lines := strings.SplitAfter(strings.TrimSuffix(body, "\n"), "\n")
	check := text[len(body):]
	expect := func(what string, line int, changed []string) {
		t.Helper()
		_, err := Parse([]byte(strings.Join(changed, "") + "\n" + check))
		if err == nil {
			t.Errorf("%s line %d: accepted", what, line)
			return
		}
		if fault.HintOf(err) == "" {
			t.Errorf("%s line %d: no hint", what, line)
		}
		// Some edits are no TOML any more; those errors have a line as well.
		if !strings.HasPrefix(err.Error(), "twice.lock:") {
			t.Errorf("%s line %d: %v", what, line, err)
		}
		if strings.HasSuffix(err.Error(), "changed by hand") && !strings.HasPrefix(err.Error(), fmt.Sprintf("twice.lock:%d:", line)) {
			t.Errorf("%s line %d: %v", what, line, err)
		}
	}
	for i, l := range lines {
		c := append([]string{}, lines...)
		c[i] = strings.TrimSuffix(l, "\n") + " # x\n"
		expect("edited", i+1, c)
		if strings.TrimSpace(l) != "" && !strings.HasSuffix(strings.TrimSpace(l), "[") && strings.TrimSpace(l) != "]" {
			expect("removed", i+1, append(append([]string{}, lines[:i]...), lines[i+1:]...))
		}
	}
}

// A lock that was changed anywhere is refused, or says what it said: white space
// and comments are nobody's.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(20261127, 2))
	text := example().Format()
	refused := 0
	for range 2000 {
		changed := mutate.Bytes(r, text)
		l, err := Parse(changed)
		if err != nil {
			refused++
			continue
		}
		if again := l.Format(); !bytes.Equal(again, text) {
			t.Errorf("a changed lock was taken:\n%s", cmp.Diff(string(text), string(changed)))
		}
	}
	if refused < 1500 {
		t.Errorf("%d of 2000 were refused", refused)
	}
}

func TestTruncated(t *testing.T) {
	text := string(example().Format())
	for n := range len(text) {
		if _, err := Parse([]byte(text[:n])); err == nil {
			t.Fatalf("%d of %d bytes: accepted", n, len(text))
		}
	}
}

// A lock whose rows contradict each other is refused even if its check table
// was made for them.
func TestContradictions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Lock)
		want   string
	}{
		"package twice": {func(l *Lock) { l.Images[0].Packages = append(l.Images[0].Packages, l.Images[0].Packages[1]) }, "twice, or not in order"},
		"image twice":   {func(l *Lock) { l.Images = append(l.Images, l.Images[0]) }, "locked twice"},
		"path":          {func(l *Lock) { l.Images[0].Packages[0].Path = "../x" }, "not in the pool"},
		"hash":          {func(l *Lock) { l.Images[0].Packages[0].SHA256 = "12" }, "sha256"},
		"component":     {func(l *Lock) { l.Toolchain.Components[0].Path = "/etc/passwd" }, "malformed"},
		"moving":        {func(l *Lock) { l.Toolchain.Channel = "nightly" }, "another toolchain tomorrow"},
		"tree":          {func(l *Lock) { l.Toolchain.Tree = "x" }, "not a digest"},
		"no toolchain":  {func(l *Lock) { l.Toolchain.Tree, l.Toolchain.Components = "", nil }, "neither a tree nor components"},
		"commit":        {func(l *Lock) { l.Git[0].Commit = "main" }, "malformed"},
		"reviewed":      {func(l *Lock) { l.Reviewed = []Reviewed{{"x", "1", "", "sha256:1", nil}} }, "reviewed"},
		"base":          {func(l *Lock) { l.Bases[0].Digest = "sha256:1" }, "not a digest"},
	} {
		l := example()
		c.change(l)
		_, err := Parse(l.Format())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "twice.lock:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	mutate.Add(f, string(example().Format()))
	mutate.Add(f, "version = 1\n\n[check]\n")
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := Parse([]byte(s)); err == nil && string(l.Format()) != s {
			t.Error("accepted a text that it would not write")
		}
	})
}
