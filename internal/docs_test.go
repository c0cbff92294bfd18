package internal_test

import (
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/plan"
)

var remake = flag.Bool("make", false, "write the tables in docs/reproducible-builds.md")

// The tables of docs/reproducible-builds.md are what the code says.
func TestReproducibleBuilds(t *testing.T) {
	const name = "../docs/reproducible-builds.md"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	cell := strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ")
	p := &plan.Plan{Name: "app", Epoch: 0}
	a, b := plan.Side{Name: "A", Jobs: 2}.Settings(p), plan.Side{Name: "B", Jobs: 2, Vary: plan.AllAxes()}.Settings(p)
	axes := "| condition | in A | in B |\n|---|---|---|\n"
	for _, x := range plan.AllAxes() {
		axes += fmt.Sprintf("| `%s` | %s | %s |\n", x, cell.Replace(a.Value(x)), cell.Replace(b.Value(x)))
	}
	not := "| condition | why |\n|---|---|\n"
	for _, u := range plan.NotVaried() {
		not += fmt.Sprintf("| `%s` | %s |\n", u.Name, cell.Replace(u.Why))
	}
	causes := "| cause | fix |\n|---|---|\n"
	for _, r := range cause.Rules() {
		if !r.Follows {
			causes += fmt.Sprintf("| %s | %s |\n", cell.Replace(r.Title), cell.Replace(r.Fix))
		}
	}
	text := string(data)
	for mark, table := range map[string]string{"axes": axes, "not varied": not, "causes": causes} {
		from, to := strings.Index(text, "<!-- "+mark+":"), strings.Index(text, "<!-- end of "+mark+" -->")
		if from < 0 || to < from {
			t.Fatalf("no marks of %s", mark)
		}
		from += strings.IndexByte(text[from:], '\n') + 1
		if got := text[from:to]; got != "\n"+table+"\n" {
			if !*remake {
				t.Errorf("the table %s is not current: run go test ./internal -run TestReproducibleBuilds -make", mark)
			}
			text = text[:from] + "\n" + table + "\n" + text[to:]
		}
	}
	if *remake {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	linkRE    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headingRE = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	fenceRE   = regexp.MustCompile("(?ms)^```.*?^```")
	codeRE    = regexp.MustCompile("`[^`\n]*`")
)

// anchors are the headings of a document as GitHub names them.
func anchors(text string) []string {
	var out []string
	for _, m := range headingRE.FindAllStringSubmatch(fenceRE.ReplaceAllString(text, ""), -1) {
		s := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		id := s
		for n := 1; slices.Contains(out, id); n++ {
			id = fmt.Sprintf("%s-%d", s, n)
		}
		out = append(out, id)
	}
	return out
}

func documents(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != ".." || d.Name() == "testdata" || d.Name() == "target" || d.Name() == "vendor") {
			return fs.SkipDir
		}
		if path.Ext(p) == ".md" {
			out = append(out, filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("%d documents, %v", len(out), err)
	}
	return out
}

// Every link of every document leads to something: a file of the repository, a
// heading, or an address that at least is one.
func TestLinks(t *testing.T) {
	n := 0
	for _, doc := range documents(t) {
		data, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		text := codeRE.ReplaceAllString(fenceRE.ReplaceAllString(string(data), ""), "")
		for _, m := range linkRE.FindAllStringSubmatch(text, -1) {
			n++
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", doc, m[1], err)
				continue
			}
			if u.Scheme != "" {
				if u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s: %s is not an https address", doc, m[1])
				}
				continue
			}
			target := doc
			if u.Path != "" {
				target = path.Join(path.Dir(doc), u.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", doc, m[1])
				continue
			}
			if u.Fragment == "" {
				continue
			}
			to, err := os.ReadFile(target)
			if err != nil || !slices.Contains(anchors(string(to)), u.Fragment) {
				t.Errorf("%s: %s: there is no such heading", doc, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}

// The check itself finds what it is for.
func TestAnchors(t *testing.T) {
	got := strings.Join(anchors("# A `b` C!\n\n## What is not promised\n```\n# no heading\n```\n## Twice\n## Twice\n"), " ")
	if want := "a-b-c what-is-not-promised twice twice-1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
