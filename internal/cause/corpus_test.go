package cause

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The corpus is pairs of files that differ for a reason, each as small as it
// can be, in testdata/corpus. They were made by the functions in
// examples_test.go:
//
//	go test ./internal/cause -run TestCorpus -make
//
// makes those anew whose tools are installed. ptxas, nvcc and fatbinary are
// looked for in $CUDA_BIN too.
var (
	remake = flag.Bool("make", false, "make the corpus anew")
	cuda   = os.Getenv("CUDA_BIN")
)

// example is a pair, and what should be said of it.
type example struct {
	name  string
	as    string // the artefact's name
	rules string // of the causes, in their order
	where string // is in the first one's Where
	proof string // is in the first one's proof
	tools []string
	make  func(m *maker) (a, b []byte, c Context)
	// fixed makes the pair with the fix applied: it must be the same bytes.
	fixed func(m *maker) (a, b []byte)
}

// maker runs tools in a folder of its own.
type maker struct {
	*testing.T
	dir string
}

func newMaker(t *testing.T) *maker { return &maker{t, t.TempDir()} }

func (m *maker) path(elem ...string) string { return filepath.Join(m.dir, filepath.Join(elem...)) }

func (m *maker) write(name, text string) string {
	m.Helper()
	p := m.path(name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		m.Fatal(err)
	}
	return p
}

func (m *maker) read(name string) []byte {
	m.Helper()
	p, err := os.ReadFile(m.path(name))
	if err != nil {
		m.Fatal(err)
	}
	return p
}

// touch sets the time of a file, in seconds since 1970.
func (m *maker) touch(name string, at int64) {
	m.Helper()
	if err := os.Chtimes(m.path(name), time.Unix(at, 0), time.Unix(at, 0)); err != nil {
		m.Fatal(err)
	}
}

// run runs a command in a folder, with variables more than the few that all get.
func (m *maker) run(dir string, env []string, name string, args ...string) string {
	m.Helper()
	if cuda != "" {
		if p := filepath.Join(cuda, name); exists(p) {
			name = p
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = m.path(dir)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C", "TZ=UTC", "TMPDIR=" + m.dir}, env...)
	for _, v := range []string{"CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"} {
		if s := os.Getenv(v); s != "" {
			cmd.Env = append(cmd.Env, v+"="+s)
		}
	}
	var out, fail bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fail
	if err := cmd.Run(); err != nil {
		m.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, &out, &fail)
	}
	return out.String()
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// missing are the tools of an example that are not here.
func (e *example) missing() string {
	for _, t := range e.tools {
		if _, err := exec.LookPath(t); err != nil && (cuda == "" || !exists(filepath.Join(cuda, t))) {
			return t
		}
	}
	return ""
}

// stored is a pair as it is kept: a tar of A, B and what is known of the
// builds, compressed.
func (e *example) file() string { return filepath.Join("testdata", "corpus", e.name+".tar.zst") }

type storedContext struct {
	A, B  Build
	Epoch int64
}

func (e *example) store(t *testing.T, a, b []byte, c Context) {
	t.Helper()
	known, err := json.Marshal(storedContext{c.A, c.B, c.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name string
		data []byte
	}{{"A", a}, {"B", b}, {"context.json", known}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(e.file()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.file(), z.EncodeAll(out.Bytes(), nil), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (e *example) load(t testing.TB) (a, b []byte, c Context) {
	t.Helper()
	f, err := os.Open(e.file())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string][]byte{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var known storedContext
	if err := json.Unmarshal(files["context.json"], &known); err != nil {
		t.Fatal(err)
	}
	return files["A"], files["B"], Context{A: known.A, B: known.B, Epoch: known.Epoch}
}

// artefact is the name under which an example is compared.
func (e *example) artefact() string {
	if e.as != "" {
		return e.as
	}
	return "x"
}

// check says whether the right things are said of a pair.
func (e *example) check(t *testing.T, a, b []byte, c Context) {
	t.Helper()
	list := Explain(compared(t, e.artefact(), a, b), c)
	show := func() string {
		p, _ := json.MarshalIndent(list, "", "  ")
		return string(p)
	}
	if got := names(list); got != e.rules {
		t.Fatalf("the causes are %q, want %q\n%s", got, e.rules, show())
	}
	for _, x := range list {
		if x.Title == "" || x.Fix == "" || len(x.Proof) == 0 || x.Path == "" {
			t.Errorf("a cause without a title, a fix, a proof or a path:\n%s", show())
		}
	}
	if !strings.Contains(list[0].Where, e.where) {
		t.Errorf("where: %q, want %q", list[0].Where, e.where)
	}
	if !strings.Contains(strings.Join(list[0].Proof, "\n"), e.proof) {
		t.Errorf("no %q in\n%s", e.proof, show())
	}
	// Equal pairs have no cause.
	for _, side := range [][]byte{a, b} {
		if list := Explain(compared(t, e.artefact(), side, bytes.Clone(side)), c); list != nil {
			t.Errorf("equal, and yet %s", show())
		}
	}
}

// TestCorpus: the right cause for each pair, none for a pair that is the same.
func TestCorpus(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range examples {
		if seen[e.name] {
			t.Fatalf("two examples are called %s", e.name)
		}
		seen[e.name] = true
		t.Run(e.name, func(t *testing.T) {
			if *remake && e.missing() == "" {
				a, b, c := e.make(newMaker(t))
				e.store(t, a, b, c)
			}
			a, b, c := e.load(t)
			e.check(t, a, b, c)
		})
	}
	if len(examples) < 30 {
		t.Errorf("%d examples", len(examples))
	}
	// Nothing lies there that no example made.
	found, err := fs.Glob(os.DirFS("testdata/corpus"), "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !seen[strings.TrimSuffix(f, ".tar.zst")] {
			t.Errorf("testdata/corpus/%s belongs to no example", f)
		}
	}
}

// TestCorpusIsReal makes the pairs with the tools of this machine, and applies the fixes.
func TestCorpusIsReal(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles: left out of the short form")
	}
	made := 0
	for _, e := range examples {
		if e.missing() != "" {
			continue // the stored pair stands for it
		}
		made++
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			a, b, c := e.make(newMaker(t))
			e.check(t, a, b, c)
			if e.fixed != nil {
				if a, b := e.fixed(newMaker(t)); !bytes.Equal(a, b) {
					t.Errorf("with the fix they differ still: %s", names(Explain(compared(t, e.artefact(), a, b), c)))
				}
			}
		})
	}
	if made < 25 {
		t.Errorf("only %d of %d pairs could be made: gcc, rustc, ar, tar, gzip and zip are needed", made, len(examples))
	}
}

// TestEveryRuleHasAnExample, or a test of its own that is listed here.
func TestEveryRuleHasAnExample(t *testing.T) {
	elsewhere := []string{"file-mode", "process-id"} // TestDirectory, TestProcessID
	for _, r := range rules {
		if !slices.ContainsFunc(examples, func(e example) bool { return slices.Contains(strings.Fields(e.rules), r.Name) }) && !slices.Contains(elsewhere, r.Name) {
			t.Errorf("no example has the rule %s", r.Name)
		}
	}
}
