package cause

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docs = "../../docs/causes.md"

// The table between the marks in docs/causes.md is what the rules say;
// -make writes it.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("<!-- the table is written by: go test ./internal/cause -run TestDocs -make -->\n\n| rule | what it is | fix | axis | shown by |\n|---|---|---|---|---|\n")
	cell := func(s string) string { return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(s) }
	for _, r := range Rules() {
		var shown []string
		for _, e := range examples {
			if slices.Contains(strings.Fields(e.rules), r.Name) {
				shown = append(shown, e.name)
			}
		}
		name := "`" + r.Name + "`"
		if r.Follows {
			name += " †"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, cell(r.Title), cell(r.Fix), r.Axis, strings.Join(shown, ", "))
	}
	b.WriteString("\n<!-- end of the table -->\n")
	data, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	from, to := strings.Index(text, "<!-- the table"), strings.Index(text, "<!-- end of the table -->\n")
	if from < 0 || to < from {
		t.Fatal("no marks in docs/causes.md")
	}
	to += len("<!-- end of the table -->\n")
	if *remake {
		if err := os.WriteFile(docs, []byte(text[:from]+b.String()+text[to:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(b.String(), text[from:to]); d != "" {
		t.Errorf("docs/causes.md is not current (-want +got); run with -make:\n%s", d)
	}
}
