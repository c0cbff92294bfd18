package check

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A recipe is a file that says how something is built.
type recipe struct {
	File     string
	Kind     string // "CI", "Dockerfile", "script", "make"
	Commands []command
	Env      []variable
	Images   []imageRef
	Actions  []variable // of CI: "uses" with their values in Name
	Unread   []Finding  // what could not be parsed
}

// command is one simple command of a shell.
type command struct {
	Line  int
	Words []string   // expansions stand as they are written, of known variables their value
	Env   []variable // that are set for it
}

type variable struct {
	Name, Value string
	Line        int
}

// imageRef is an image that something runs in or is made from.
type imageRef struct {
	Ref  string
	Line int
}

// value of a variable that the recipe sets, the last one.
func (r *recipe) value(name string) (variable, bool) {
	for _, v := range slices.Backward(r.Env) {
		if v.Name == name {
			return v, true
		}
	}
	return variable{}, false
}

// sets says whether the recipe gives the variable a value, for everything or
// for a command.
func (r *recipe) sets(name string) bool {
	if _, ok := r.value(name); ok {
		return true
	}
	return slices.ContainsFunc(r.Commands, func(c command) bool {
		return slices.ContainsFunc(c.Env, func(v variable) bool { return v.Name == name })
	})
}

// readRecipe reads a file if it is one, else it returns nil.
func readRecipe(name string, data []byte) *recipe {
	base := path.Base(name)
	lower := strings.ToLower(base)
	switch {
	case isCI(name):
		return readCI(name, data)
	case lower == "dockerfile", lower == "containerfile", strings.HasPrefix(lower, "dockerfile."), strings.HasPrefix(lower, "containerfile."), strings.HasSuffix(lower, ".dockerfile"):
		return readDockerfile(name, data)
	case lower == "makefile", lower == "gnumakefile", strings.HasSuffix(lower, ".mk"):
		return readMake(name, data, false)
	case lower == "justfile", lower == ".justfile", strings.HasSuffix(lower, ".just"):
		return readMake(name, data, true)
	case strings.HasSuffix(lower, ".sh"), strings.HasSuffix(lower, ".bash"), shebangRE.Match(data):
		r := &recipe{File: name, Kind: "script"}
		r.shell(string(data), 1)
		return r
	}
	return nil
}

var shebangRE = regexp.MustCompile(`^#![^\n]*\b(sh|bash|dash)\b`)

// mayBeRecipe says whether a file is worth reading for readRecipe.
func mayBeRecipe(name string, size int64, executable bool) bool {
	if size > 1<<20 {
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		switch path.Base(dir) {
		case "vendor", "third_party", "node_modules", "target":
			return false
		}
	}
	ext := strings.ToLower(path.Ext(name))
	return executable || isCI(name) || slices.Contains([]string{"", ".sh", ".bash", ".mk", ".just", ".dockerfile"}, ext) ||
		strings.HasPrefix(strings.ToLower(path.Base(name)), "dockerfile.") || strings.HasPrefix(strings.ToLower(path.Base(name)), "containerfile.")
}

// ciRE are expressions that a CI system replaces before a shell sees them.
var ciRE = regexp.MustCompile(`\$\{\{[^\n]*?\}\}|\{\{[^\n]*?\}\}`)

// shell adds the commands and variables of a script that begins in a line.
func (r *recipe) shell(text string, line int) {
	clean := ciRE.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("X", len(s)) })
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(false)).Parse(strings.NewReader(clean), "")
	if err != nil {
		r.words(clean, line)
		r.Unread = append(r.Unread, at(r.File, line, "is no shell that could be parsed: its lines were read as words"))
		return
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			r.call(n, text, line)
		case *syntax.DeclClause:
			for _, a := range n.Args {
				if a.Name != nil && a.Value != nil {
					r.Env = append(r.Env, r.assign(a, text, line))
				}
			}
		}
		return true
	})
}

func (r *recipe) assign(a *syntax.Assign, text string, line int) variable {
	v := variable{Name: a.Name.Value, Line: line + int(a.Pos().Line()) - 1}
	if a.Value != nil {
		v.Value = r.word(a.Value, text)
	}
	return v
}

func (r *recipe) call(n *syntax.CallExpr, text string, line int) {
	c := command{Line: line + int(n.Pos().Line()) - 1}
	for _, a := range n.Assigns {
		if a.Name != nil {
			c.Env = append(c.Env, r.assign(a, text, line))
		}
	}
	if len(n.Args) == 0 {
		r.Env = append(r.Env, c.Env...)
		return
	}
	for _, w := range n.Args {
		s := r.word(w, text)
		if value, ok := r.expand(s); ok { // $CARGO_FLAGS may be several words
			c.Words = append(c.Words, strings.Fields(value)...)
			continue
		}
		c.Words = append(c.Words, s)
	}
	r.Commands = append(r.Commands, c)
}

// expand gives the value of "$NAME" and "${NAME}" that the recipe sets.
func (r *recipe) expand(word string) (string, bool) {
	name, ok := strings.CutPrefix(word, "$")
	if !ok {
		return "", false
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "{"), "}")
	v, ok := r.value(name)
	return v.Value, ok
}

// word is a word without its quotes; what a shell would replace stands as written.
func (r *recipe) word(w *syntax.Word, text string) string {
	var b strings.Builder
	var parts func([]syntax.WordPart)
	parts = func(all []syntax.WordPart) {
		for _, p := range all {
			switch p := p.(type) {
			case *syntax.Lit:
				// What a CI system replaces was hidden from the parser.
				if from, to := int(p.Pos().Offset()), int(p.End().Offset()); from < to && to <= len(text) && ciRE.MatchString(text[from:to]) {
					b.WriteString(text[from:to])
					continue
				}
				b.WriteString(strings.ReplaceAll(p.Value, "\\\n", ""))
			case *syntax.SglQuoted:
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				parts(p.Parts)
			default:
				if from, to := int(p.Pos().Offset()), int(p.End().Offset()); from < to && to <= len(text) {
					b.WriteString(text[from:to])
				}
			}
		}
	}
	parts(w.Parts)
	return b.String()
}

// words reads each line as words, where there is no shell to parse.
func (r *recipe) words(text string, line int) {
	for l := range strings.Lines(text) {
		if f := strings.Fields(l); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			r.Commands = append(r.Commands, command{Line: line, Words: f})
		}
		line++
	}
}

var makeVarRE = regexp.MustCompile(`^\s*(?:export\s+|override\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(?:::?:?|\?|\+)?=\s*(.*)$`)

// readMake reads the recipes of a Makefile or a justfile: indented lines.
func readMake(name string, data []byte, just bool) *recipe {
	r := &recipe{File: name, Kind: "make"}
	n := 0
	var joined string
	start := 0
	for l := range strings.Lines(string(data)) {
		n++
		l = strings.TrimRight(l, "\r\n")
		indented := strings.HasPrefix(l, "\t") || just && strings.HasPrefix(l, "  ")
		if m := makeVarRE.FindStringSubmatch(l); m != nil && !indented {
			r.Env = append(r.Env, variable{m[1], strings.Trim(m[2], `"'`), n})
			continue
		}
		if !indented && joined == "" {
			continue
		}
		if joined == "" {
			start = n
		}
		l = strings.TrimLeft(l, "\t ")
		if joined == "" {
			l = strings.TrimLeft(l, "@-+ ")
		}
		if just {
			l = justRefRE.ReplaceAllString(l, "$${$1}")
		} else {
			l = makeRefRE.ReplaceAllString(strings.ReplaceAll(l, "$$", "$"), "$${$1}")
		}
		joined += l
		if strings.HasSuffix(joined, `\`) {
			joined += "\n"
			continue
		}
		r.shell(joined, start)
		joined = ""
	}
	if joined != "" {
		r.shell(joined, start)
	}
	return r
}

var (
	makeRefRE = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)
	justRefRE = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}`)
)
