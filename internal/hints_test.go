package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// refusing are the packages that refuse sources, settings, networks and platforms
// by name, or single files of them.
var refusing = []string{"address", "base", "cargo", "config", "credential", "cuda", "debian", "engine/dial.go", "engine/embedded/arch.go", "engine/container.go", "fetch", "pypi", "resolve", "rust", "source"}

// refusal is a call that gives an error its hint.
type refusal struct{ at, key string }

// refusals are all of them. The key is "package: text": what the error says or,
// where that is another's error, what the hint says; where neither is written there,
// the function's name.
func refusals(t *testing.T) []refusal {
	t.Helper()
	var all []refusal
	for _, name := range refusing {
		files := []string{name}
		if !strings.HasSuffix(name, ".go") {
			var err error
			if files, err = filepath.Glob(name + "/*.go"); err != nil || len(files) == 0 {
				t.Fatalf("%s has no files: %v", name, err)
			}
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				ast.Inspect(d, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok || len(call.Args) < 2 {
						return true
					}
					s, ok := call.Fun.(*ast.SelectorExpr)
					if !ok || s.Sel.Name != "Hint" && s.Sel.Name != "Hintf" {
						return true
					}
					if x, ok := s.X.(*ast.Ident); !ok || x.Name != "fault" {
						return true
					}
					text := literal(call.Args[0])
					if text == "" || strings.Trim(text, "%vws: ") == "" {
						text = literal(call.Args[1])
					}
					if fn, ok := d.(*ast.FuncDecl); ok && text == "" {
						text = fn.Name.Name
					}
					all = append(all, refusal{set.Position(call.Pos()).String(), filepath.Dir(file + "/x")[:len(strings.Split(file, "/")[0])] + ": " + text})
					return true
				})
			}
		}
	}
	return all
}

// literal is the longest text in an expression.
func literal(e ast.Expr) string {
	text := ""
	ast.Inspect(e, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil && len(s) > len(text) {
				text = s
			}
		}
		return true
	})
	return text
}

var followed = regexp.MustCompile(`(?m)^\s*(?:#|//) follows: (.+)$`)

// Every refusal has a test that reads its hint, does what it says, and finds that
// this works: it says so with a line "follows: PACKAGE: how the text begins".
func TestEveryHintIsFollowed(t *testing.T) {
	marks := map[string][]string{}
	for _, pattern := range []string{"../cmd/twice/testdata/*.txt", "../cmd/twice/testdata/engine/*.txt", "../cmd/twice/*_test.go", "*/*_test.go", "engine/embedded/*_test.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range followed.FindAllStringSubmatch(string(text), -1) {
				marks[m[1]] = append(marks[m[1]], name)
			}
		}
	}
	names := slices.Concat(slices.Collect(maps.Keys(marks)), slices.Collect(maps.Keys(notFollowed)))
	used := map[string]bool{}
	for _, r := range refusals(t) {
		found := false
		for _, m := range names {
			if strings.HasPrefix(r.key, m) {
				used[m], found = true, true
			}
		}
		if !found {
			t.Errorf("%s: no test follows the hint of %q", r.at, r.key)
		}
	}
	for _, m := range names {
		if !used[m] {
			t.Errorf("no refusal is called %q (%s)", m, strings.Join(marks[m], ", "))
		}
		if _, ok := notFollowed[m]; ok && marks[m] != nil {
			t.Errorf("%q is followed in %s", m, strings.Join(marks[m], ", "))
		}
	}
}

// notFollowed are refusals whose hints no test here can follow, and why.
var notFollowed = map[string]string{
	"cuda: %s is not in the store":                                            "a blob that the step before has put there was taken away since; fetch again is what each run does",
	"debian: package %s %s depends on %s, which nothing in the index meets":   "the archive contradicts itself, or has moved on from what is locked: internal/compose tests the lock made anew",
	"resolve: its files hash to %s, the lock says %s":                         "another bundle is somebody else's to give",
	"resolve: the Rust %s that is installed here is not what %s signed":       "takes a toolchain that Rust's own key signed, and rustup's server",
	"fetch: what is at this address isn't what was locked: look for a change": "asks a person",
	"engine: the embedded engine's programs are for amd64":                    "takes an arm64 machine; TestDialRefuses has an engine there with the handler",
	"engine: engine %s: %w":                                                   "asks a question; containers.txt starts such an engine",
	"engine: `docker buildx create --driver docker-container --name NAME":     "takes Docker and a registry with BuildKit's image; peers.txt has a container of that kind",
}
