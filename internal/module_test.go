package internal_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The Dagger modules, and what they must agree in with this one: what decides
// bits of an output.
var (
	daggerModules = []string{"../ci", "../ci/inputs"}
	decideBits    = []string{
		"github.com/klauspost/compress", "github.com/google/go-containerregistry", "github.com/opencontainers/go-digest",
		"github.com/opencontainers/image-spec", "github.com/pelletier/go-toml/v2", "github.com/therootcompany/xz",
	}
)

// sdk is Dagger's client library for the version of the engine in dagger.json.
const sdk, sdkVersion = "dagger.io/dagger", "v0.21.8"

// TestModuleTypeChecks checks the modules' calls against Dagger's real client
// library. An engine would generate internal/dagger and dagger.gen.go; here, in
// a copy, they are aliases of the library's types, which have the same methods.
func TestModuleTypeChecks(t *testing.T) {
	if testing.Short() && !downloaded(t) {
		t.Skip("downloads Dagger's client library: left out of the short form")
	}
	for _, dir := range daggerModules {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if out, err := vet(checkable(t, dir)); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A wrong call must be found: the check is no check otherwise.
func TestModuleTypeCheckFindsErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads Dagger's client library: left out of the short form")
	}
	dir := checkable(t, "../ci")
	write(t, filepath.Join(dir, "wrong.go"), "package main\n\nfunc init() { dag.Directory().NoSuchCall() }\n")
	if out, err := vet(dir); err == nil || !strings.Contains(string(out), "NoSuchCall") {
		t.Errorf("a wrong call is not found: %v\n%s", err, out)
	}
}

// downloaded tells whether the library is on this machine.
func downloaded(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(strings.TrimSpace(run(t, ".", "go", "env", "GOMODCACHE")), sdk+"@"+sdkVersion))
	return err == nil
}

func vet(dir string) ([]byte, error) {
	cmd := exec.Command("go", "vet", "-mod=mod", "./...")
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// The same compressor and the same readers, or the module's digests are others.
func TestModulesPinTheSame(t *testing.T) {
	want := requirements(t, "../go.mod")
	for _, dir := range daggerModules {
		got := requirements(t, filepath.Join(dir, "go.mod"))
		for _, m := range decideBits {
			if want[m] == "" || got[m] != want[m] {
				t.Errorf("%s has %s %q, the program %q", dir, m, got[m], want[m])
			}
		}
	}
}

// What the modules take of this one, they can build: an engine of which nothing
// else is reachable adds no requirement.
func TestModulesRequireWhatTheyTake(t *testing.T) {
	for _, dir := range daggerModules {
		have := requirements(t, filepath.Join(dir, "go.mod"))
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if err != nil {
			t.Fatal(err)
		}
		var packages []string
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				if p := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(p, module+"internal/") || p == module+"images" {
					packages = append(packages, p)
				}
			}
		}
		needs := run(t, "..", "go", append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"}, packages...)...)
		n := 0
		for line := range strings.Lines(needs) {
			m, version, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok {
				continue
			}
			n++
			if have[m] == "" {
				t.Errorf("%s/go.mod does not require %s %s", dir, m, version)
			}
			if !strings.Contains(string(sums), m+" "+have[m]+" h1:") {
				t.Errorf("%s/go.sum has no %s %s", dir, m, have[m])
			}
		}
		if n == 0 {
			t.Errorf("%s takes nothing of %v", dir, packages)
		}
	}
}

func requirements(t *testing.T, file string) map[string]string {
	t.Helper()
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(run(t, ".", "go", "mod", "edit", "-json", file)), &mod); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range mod.Require {
		all[r.Path] = r.Version
	}
	return all
}

// checkable copies a module, with what an engine would generate.
func checkable(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, filepath.Join(from, "go.mod"), filepath.Join(from, "go.sum")) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) != "dagger.gen.go" {
			write(t, filepath.Join(dir, filepath.Base(f)), string(text))
		}
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "go", "mod", "edit", "-require="+sdk+"@"+sdkVersion, "-replace=github.com/craton-co/twice="+root)
	sdkDir := strings.TrimSpace(run(t, dir, "go", "list", "-mod=mod", "-f", "{{.Dir}}", sdk))
	module := strings.TrimSpace(run(t, dir, "go", "list", "-m"))
	generated := filepath.Join(dir, "internal", "dagger")
	if err := os.MkdirAll(generated, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(generated, "dagger.gen.go"), aliases(t, sdkDir)+dependency(t, "../ci/inputs/main.go", "../ci/inputs/private.go"))
	write(t, filepath.Join(dir, "dagger.gen.go"), fmt.Sprintf("package main\n\nimport %q\n\nvar dag *dagger.Client\n\nfunc main() {}\n", module+"/internal/dagger"))
	return dir
}

// aliases are the library's exported types and constants under their own names.
func aliases(t *testing.T, sdkDir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sdkDir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package dagger\n\nimport sdk %q\n\n", sdk)
	n := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "dagger" {
			continue
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && s.Name.Name != "Client" && s.TypeParams == nil {
						fmt.Fprintf(&b, "type %s = sdk.%s\n", s.Name.Name, s.Name.Name)
						n++
					}
				case *ast.ValueSpec:
					for _, id := range s.Names {
						if g.Tok == token.CONST && id.IsExported() {
							fmt.Fprintf(&b, "const %s = sdk.%s\n", id.Name, id.Name)
						}
					}
				}
			}
		}
	}
	if n < 100 {
		t.Fatalf("%s has only %d types", sdkDir, n)
	}
	return b.String()
}

// dependency is the client of ci/inputs, as Dagger derives it from the
// functions' signatures: optional arguments are fields of a last one.
func dependency(t *testing.T, sources ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\ntype Client struct{ *sdk.Client }\n\ntype TwiceInputs struct{}\n\nfunc (*Client) TwiceInputs() *TwiceInputs { return nil }\n")
	n := 0
	for _, source := range sources {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, source, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		comments := ast.NewCommentMap(fset, f, f.Comments)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() || typeText(fn.Recv.List[0].Type) != "*TwiceInputs" {
				continue
			}
			n++
			var needed, optional []string
			for _, p := range fn.Type.Params.List[1:] { // the first is the context
				name, typ := p.Names[0].Name, strings.ReplaceAll(typeText(p.Type), "dagger.", "")
				if slices.ContainsFunc(comments[p], func(c *ast.CommentGroup) bool { return strings.Contains(c.Text(), "+optional") }) {
					optional = append(optional, strings.ToUpper(name[:1])+name[1:]+" "+typ)
				} else {
					needed = append(needed, name+" "+typ)
				}
			}
			if len(optional) == 0 {
				t.Fatalf("%s: %s has no optional argument", source, fn.Name)
			}
			opts := "TwiceInputs" + fn.Name.Name + "Opts"
			needed = append(needed, "opts ..."+opts)
			fmt.Fprintf(&b, "\ntype %s struct {\n\t%s\n}\n\nfunc (*TwiceInputs) %s(%s) *Directory { return nil }\n",
				opts, strings.Join(optional, "\n\t"), fn.Name, strings.Join(needed, ", "))
		}
	}
	if n < 2 {
		t.Fatalf("%v have %d functions", sources, n)
	}
	return b.String()
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeText(e.X)
	case *ast.SelectorExpr:
		return typeText(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + typeText(e.Elt)
	}
	return "any"
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
