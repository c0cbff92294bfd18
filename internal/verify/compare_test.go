package verify

import (
	"crypto/rand"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// newRunner has a store of its own and no way to fetch anything.
func newRunner(t *testing.T) *Runner {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := address.New(address.Mirrors{}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return &Runner{
		Tools:    resolve.Tools{Store: st, Resolver: r, Fetcher: &fetch.Fetcher{Store: st, Offline: true}},
		Progress: silent{},
		Scratch:  t.TempDir(),
	}
}

// project is a package with a static binary, an rlib, an archive of each
// format and an image on nothing.
func project(t *testing.T, r *Runner) (*resolve.Project, func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Cargo.toml":  "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
		"Cargo.lock":  "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n",
		"src/main.rs": "fn main() {}\n",
		"LICENSE":     "do what you like\n",
		"twice.toml":  "[[image]]\nbase = \"scratch\"\n[archive]\nformats = [\"tar.gz\", \"tar.zst\", \"zip\"]\n",
	} {
		f := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	epoch := int64(1700000000)
	p, err := resolve.Open(t.Context(), r.Tools, dir, resolve.Options{Epoch: &epoch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	static := filepath.Join(t.TempDir(), "app")
	cc := exec.Command("cc", "-static", "-x", "c", "-o", static, "-")
	cc.Stdin = strings.NewReader("int main(void) { return 0; }")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	return p, func(out string) {
		for _, d := range []string{"bin", "rlib"} {
			if err := os.MkdirAll(filepath.Join(out, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(static)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"bin/app", "rlib/libapp.rlib"} {
			if err := os.WriteFile(filepath.Join(out, f), data, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func collect(t *testing.T, r *Runner, p *resolve.Project, fill func(string)) *side {
	t.Helper()
	s := &side{dir: t.TempDir()}
	b := artefact.Build{Project: p, Inputs: &inputs.Set{}, Config: p.Config.Builds[0], Out: filepath.Join(s.dir, "out"), Work: s.dir}
	fill(b.Out)
	var err error
	if s.artefacts, err = artefact.Collect(t.Context(), r.Tools, b); err != nil {
		t.Fatal(err)
	}
	return s
}

// One byte of one artefact, at any place, is a mismatch that names it.
func TestOneByteOfAnyArtefact(t *testing.T) {
	r := newRunner(t)
	p, fill := project(t, r)
	a, b := collect(t, r, p, fill), collect(t, r, p, fill)
	list, err := r.compare(t.Context(), &Prepared{Project: p}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Decide(list) != verdict.Reproducible {
		t.Fatalf("equal sides: %+v", list)
	}
	if len(list) != 6 {
		t.Fatalf("%d artefacts, want bin, rlib, three archives, image", len(list))
	}
	for i, x := range b.artefacts {
		for range 5 {
			changed := *b
			changed.artefacts = append([]artefact.Artefact{}, b.artefacts...)
			changed.artefacts[i] = mutate(t, r, x)
			list, err := r.compare(t.Context(), &Prepared{Project: p}, a, &changed)
			if err != nil {
				t.Fatal(err)
			}
			if verdict.Decide(list) != verdict.Mismatch {
				t.Fatalf("%s: a changed byte is not a mismatch", x.Name)
			}
			for j, y := range list {
				if y.Same == (j == i) {
					t.Errorf("%s changed, %s same: %v", x.Name, y.Name, y.Same)
				}
			}
			if list[i].Difference == nil || !strings.HasPrefix(list[i].Difference.Path, x.Name) {
				t.Errorf("%s: the difference is not located: %+v", x.Name, list[i].Difference)
			}
		}
	}
}

// mutate changes one bit of a file, or one label of an image.
func mutate(t *testing.T, r *Runner, x artefact.Artefact) artefact.Artefact {
	t.Helper()
	if x.Kind == verdict.Image {
		img, err := image.Load(t.Context(), r.Tools.Store, x.Image)
		if err != nil {
			t.Fatal(err)
		}
		made, err := image.Write(t.Context(), r.Tools.Store, nil, []layer.Layer{{Desc: img.Manifest.Layers[0], DiffID: img.Config.RootFS.DiffIDs[0]}},
			image.Config{Labels: map[string]string{"x": rand.Text()}, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}})
		if err != nil {
			t.Fatal(err)
		}
		x.Image, x.Digest = made.Desc, made.Desc.Digest
		return x
	}
	data, err := os.ReadFile(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	at, err := rand.Int(rand.Reader, big.NewInt(int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	data[at.Int64()] ^= 1
	x.Path = filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(x.Path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	x.Digest = digest.FromBytes(data)
	return x
}

// An artefact that only one side has is a mismatch.
func TestMissingArtefact(t *testing.T) {
	r := newRunner(t)
	p, fill := project(t, r)
	a, b := collect(t, r, p, fill), collect(t, r, p, fill)
	for _, pair := range [][2]*side{{a, without(b)}, {without(a), b}} {
		list, err := r.compare(t.Context(), &Prepared{Project: p}, pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 6 || verdict.Decide(list) != verdict.Mismatch {
			t.Errorf("%+v", list)
		}
	}
}

func without(s *side) *side {
	c := *s
	c.artefacts = c.artefacts[1:]
	return &c
}

// A binary that the base can't start is refused, with the reason.
func TestImageThatCannotStart(t *testing.T) {
	r := newRunner(t)
	p, _ := project(t, r)
	dynamic := filepath.Join(t.TempDir(), "app")
	cc := exec.Command("cc", "-x", "c", "-o", dynamic, "-")
	cc.Stdin = strings.NewReader("int main(void) { return 0; }")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	out := t.TempDir()
	if err := os.Mkdir(filepath.Join(out, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dynamic, filepath.Join(out, "bin", "app")); err != nil {
		t.Fatal(err)
	}
	_, err := artefact.Collect(t.Context(), r.Tools, artefact.Build{
		Project: p, Inputs: &inputs.Set{}, Config: p.Config.Builds[0], Out: out, Work: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "app can't start on scratch") {
		t.Errorf("%v", err)
	}
}

type silent struct{}

func (silent) Start(string)                       {}
func (silent) Done(string, string, time.Duration) {}
