package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// platforms are those that a release is for, and whose Go is not that of the
// machine that tests. scripts/release compiles them; a compiler that has
// compiled nothing for a platform yet takes minutes, types alone take seconds.
var platforms = []string{"darwin/arm64", "windows/amd64", "linux/arm64"}

// A release compiles on each platform, tests included.
func TestPlatformsTypeCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("reads all dependencies' sources: left out of the short form")
	}
	parse := parsing(t)
	for _, p := range platforms {
		t.Run(p, func(t *testing.T) {
			for _, e := range typeErrors(t, parse, p, "..", "./...") {
				t.Error(e)
			}
		})
	}
}

// A file that one platform alone can't compile must be found: the check is no
// check otherwise.
func TestPlatformsTypeCheckFindsErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.test/x\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "x.go"), "package x\n\nimport \"syscall\"\n\nvar Kill = syscall.Kill\n")
	write(t, filepath.Join(dir, "x_test.go"), "package x\n\nimport (\n\t\"syscall\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) { _ = syscall.Umask(0) }\n")
	parse := parsing(t)
	if found := typeErrors(t, parse, "darwin/arm64", dir, "./..."); len(found) > 0 {
		t.Error(found)
	}
	found := strings.Join(typeErrors(t, parse, "windows/amd64", dir, "./..."), "\n")
	for _, want := range []string{"undefined: syscall.Kill", "undefined: syscall.Umask"} {
		if !strings.Contains(found, want) {
			t.Errorf("%s is not found: %s", want, found)
		}
	}
}

// typeErrors are what a compiler for a platform would say of the packages below
// dir and their tests.
func typeErrors(t *testing.T, parse *parsed, platform, dir, pattern string) []string {
	t.Helper()
	goos, goarch, _ := strings.Cut(platform, "/")
	all, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Dir:  dir, Fset: parse.set, ParseFile: parse.file, Tests: true,
		Env: append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOWORK=off"),
	}, pattern)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	own := 0
	packages.Visit(all, nil, func(p *packages.Package) {
		// Dependencies' functions have no bodies here, and so imports that aren't used.
		if p.Module == nil || !p.Module.Main {
			return
		}
		own++
		for _, e := range p.Errors {
			found = append(found, e.Error())
		}
	})
	if own == 0 {
		t.Errorf("no package is checked for %s", platform)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// parsed are files that were read before: platforms share most of them.
type parsed struct {
	goRoot string
	set    *token.FileSet
	mu     sync.Mutex
	files  map[string]*ast.File
}

func parsing(t *testing.T) *parsed {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &parsed{goRoot: strings.TrimSpace(string(root)) + "/src/", set: token.NewFileSet(), files: map[string]*ast.File{}}
}

// file parses a file. Of what is a module of others just the declarations count.
func (p *parsed) file(set *token.FileSet, name string, src []byte) (*ast.File, error) {
	p.mu.Lock()
	f := p.files[name]
	p.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution|parser.AllErrors)
	if err != nil {
		return f, err
	}
	if strings.Contains(name, "/pkg/mod/") || strings.HasPrefix(name, p.goRoot) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				fn.Body = nil
			}
		}
	}
	p.mu.Lock()
	p.files[name] = f
	p.mu.Unlock()
	return f, nil
}
