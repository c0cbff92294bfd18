package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// width of the lines of a list, in columns.
const width = 116

// shown is how many things of one kind a crate's row names.
const shown = 12

// Text writes the report for people: a block for each crate that did something,
// one line for those that did nothing, the result last.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	quiet := map[string][]string{}
	for _, c := range r.Crates {
		if len(c.Did) == 0 && len(c.Added)+len(c.Gone) == 0 {
			quiet[c.Kind] = append(quiet[c.Kind], c.Title())
			continue
		}
		c.text(&b)
	}
	for _, k := range []struct{ kind, plural string }{{Script, "build scripts"}, {Macro, "procedural macros"}} {
		if len(quiet[k.kind]) > 0 {
			fmt.Fprintf(&b, "  %s that took nothing but their own files and cargo's variables\n", k.plural)
			list(&b, "", quiet[k.kind], len(quiet[k.kind]))
			b.WriteByte('\n')
		}
	}
	word := map[string]string{Watched: "WATCHED", Changed: "CHANGED", Tried: "NETWORK TRIED"}[r.Result]
	fmt.Fprintf(&b, "%s  %s  %s\n", word, strings.TrimSpace(r.Name+" "+r.Version), r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) summary() string {
	s := fmt.Sprintf("%s, %s", count(r.Count(Script), "build script"), count(r.Count(Macro), "procedural macro"))
	if n := r.Network(); len(n) == 0 {
		s += "; none tried the network"
	} else {
		var names []string
		for _, c := range n {
			names = append(names, c.Title())
		}
		names = slices.Compact(slices.Sorted(slices.Values(names)))
		s += "; the network was tried by " + strings.Join(names, ", ")
	}
	changed, none := 0, 0
	for _, c := range r.Crates {
		switch c.State {
		case HasChanged:
			changed++
		case NotRecorded:
			none++
		}
	}
	if changed > 0 {
		s += fmt.Sprintf("; %d changed", changed)
	}
	if none > 0 {
		s += fmt.Sprintf("; %d not recorded", none)
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c Crate) text(b *strings.Builder) {
	kind := c.Kind
	switch {
	case c.Kind == Rustc:
		kind = "compiler, with the procedural macros in it"
	case c.Own:
		kind += " of the workspace"
	}
	fmt.Fprintf(b, "  %s  %s", strings.TrimSpace(c.Title()), kind)
	if c.State != "" {
		fmt.Fprintf(b, "  %s", c.State)
	}
	b.WriteByte('\n')
	for _, v := range Verbs {
		what := c.With(v.Verb)
		if v.Verb == "runs" {
			for i, w := range what {
				for _, r := range c.Runs {
					if r.Program == w && r.Times > 1 {
						what[i] = fmt.Sprintf("%s ×%d", w, r.Times)
					}
				}
			}
		}
		list(b, v.Verb, what, shown)
	}
	if c.State == HasChanged {
		for _, a := range c.Added {
			fmt.Fprintf(b, "    +  %s\n", a)
		}
		for _, g := range c.Gone {
			fmt.Fprintf(b, "    -  %s\n", g)
		}
	}
	b.WriteByte('\n')
}

// list writes words below each other's line, filled to the width.
func list(b *strings.Builder, lead string, words []string, most int) {
	if len(words) == 0 {
		return
	}
	more := ""
	if len(words) > most {
		more = fmt.Sprintf("and %d more; --json has them all", len(words)-most)
		words = words[:most]
	}
	line := fmt.Sprintf("    %-8s", lead)
	begun := false
	put := func(word string) {
		if begun && len(line)+2+len(word) > width {
			b.WriteString(line + "\n")
			line, begun = strings.Repeat(" ", 12), false
		}
		if begun {
			line += "  "
		}
		line += word
		begun = true
	}
	for _, w := range words {
		put(w)
	}
	if more != "" {
		put(more)
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// JSON is one object, indented by two spaces, with a line feed at the end.
func (r *Report) JSON() ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return []byte(b.String()), nil
}

// Parse reads the JSON form.
func Parse(data []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("this is no audit in JSON: %w", err)
	}
	if r.Schema != Schema || r.Result == "" {
		return nil, fmt.Errorf("this is no audit in JSON of version %d, as `twice audit --json` writes it", Schema)
	}
	return &r, nil
}
