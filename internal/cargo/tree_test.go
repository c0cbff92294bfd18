package cargo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

const treeText = `0|app v0.1.0 (/build/app)||MIT|
1|blake3 v1.8.7|default,std|CC0-1.0|https://example.org/blake3
2|cfg-if v1.0.5||MIT|
1|derive v2.0.0 (proc-macro)||MIT|
2|syn v3.0.9|full,derive|MIT|
3|cfg-if v1.0.5||MIT| (*)
1|lumen v0.2.0 (https://git.example.org/lumen.git?rev=aa#aaaaaaaa)||MIT|
1|own-macros v0.1.0 (proc-macro) (/build/app/macros)||MIT|
2|syn v3.0.9|full,derive|MIT| (*)
`

func TestParseTree(t *testing.T) {
	tree, err := ParseTree(treeText)
	if err != nil {
		t.Fatal(err)
	}
	want := &Tree{Roots: []int{0}, Units: []Unit{
		{Name: "app", Version: "0.1.0", Local: true, Licence: "MIT", Needs: []int{1, 3, 5, 6}},
		{Name: "blake3", Version: "1.8.7", Features: []string{"default", "std"}, Licence: "CC0-1.0", Repository: "https://example.org/blake3", Needs: []int{2}},
		{Name: "cfg-if", Version: "1.0.5", Licence: "MIT"},
		{Name: "derive", Version: "2.0.0", ProcMacro: true, Licence: "MIT", Needs: []int{4}},
		{Name: "syn", Version: "3.0.9", Features: []string{"derive", "full"}, Licence: "MIT", Needs: []int{2}},
		{Name: "lumen", Version: "0.2.0", Source: "https://git.example.org/lumen.git?rev=aa#aaaaaaaa", Licence: "MIT"},
		{Name: "own-macros", Version: "0.1.0", ProcMacro: true, Local: true, Licence: "MIT", Needs: []int{4}},
	}}
	if d := cmp.Diff(want, tree); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]bool{true, true, true, false, false, true, false}, tree.Linked()); d != "" {
		t.Error(d)
	}
}

func TestParseTreeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "empty",
		"0|app\n":                          "line 1: ",
		"x|app v1.0.0|||\n":                "is no depth",
		"0|app v1.0.0|||\n2|b v1.0.0|||\n": "line 2: depth 2 below depth 0",
		"0|app|||\n":                       "is no package",
		"0|../a v1.0.0|||\n":               "line 1: ",
	} {
		if _, err := ParseTree(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	mutate.Add(f, treeText)
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := ParseTree(text)
		if err != nil {
			return
		}
		if n := len(tree.Linked()); n != len(tree.Units) {
			t.Errorf("%d of %d", n, len(tree.Units))
		}
	})
}
