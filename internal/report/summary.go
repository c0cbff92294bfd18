package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/verdict"
)

// What a summary shows at most: GitHub takes 1 MiB of a step.
const (
	summaryCauses    = 10
	summaryArtefacts = 50
	summaryWarnings  = 20
	summaryLog       = 30
)

// renderSummary is the page in short, in GitHub's flavour of Markdown.
func renderSummary(v *verdict.Verdict) []byte {
	p := newPage(v)
	var out bytes.Buffer
	line := func(format string, a ...any) { fmt.Fprintf(&out, format+"\n", a...) }
	line("## %s: %s\n", p.Word, text(p.Subject))
	line("%s", text(p.Lead))
	if p.Found != "" {
		line("\nBy building again: %s.", text(p.Found))
	}
	for i, a := range p.Answers {
		if i == summaryCauses {
			line("\nand %s more.", count(len(p.Answers)-i, "cause"))
			break
		}
		line("\n**%s**\n", text(a.Title))
		if a.At != nil {
			line("- at %s", span(a.At.Path))
			if len(a.At.Sides) > 0 && a.At.Sides[0].Text != nil {
				for _, s := range a.At.Sides {
					line("  - %s: %s", s.Name, span(plainText(s.Text)))
				}
			}
		}
		if a.Where != "" {
			line("- where: %s", text(a.Where))
		}
		for _, l := range a.Proof {
			line("- proof: %s", text(l))
		}
		if a.Fix != "" {
			line("- fix: %s", text(a.Fix))
		}
		line("- in: %s", spans(a.In))
	}
	for _, l := range p.Logs {
		line("\nThe last lines of build %s:\n", text(l.Side))
		line("%s", fenced(lastLines(l.Lines, summaryLog)))
	}
	summaryTable(&out, p)
	if r := p.Reference; r != nil {
		line("\nCompared with %s:\n", span(r.Path))
		for _, f := range r.Facts {
			line("- %s: %s", f.Name, span(f.Value))
		}
		if len(r.Rows)+len(r.Missing) > 0 {
			line("| artefact | ours | theirs | |\n|---|---|---|---|")
		}
		for i, a := range r.Rows {
			if i == summaryArtefacts {
				line("| and %d more | | | |", len(r.Rows)-i)
				break
			}
			line("| %s | %s | %s | %s |", span(a.Name), short(a.Ours), short(a.Theirs), a.Word)
		}
		for i, m := range r.Missing {
			if i == summaryArtefacts {
				line("| and %d more | | | |", len(r.Missing)-i)
				break
			}
			line("| %s | | | not made |", span(m))
		}
	}
	if v.Image != "" {
		line("\nimage %s", span(string(v.Image)))
	}
	if len(p.Warnings) > 0 {
		line("\n**Warnings**\n")
	}
	for i, w := range p.Warnings {
		if i == summaryWarnings {
			line("- and %d more", len(p.Warnings)-i)
			break
		}
		if w.Artefact != "" {
			line("- %s: %s", span(w.Artefact), text(w.Text))
			continue
		}
		line("- %s", text(w.Text))
	}
	if len(p.Varied) > 0 {
		line("\n<details><summary>%s varied, %d not</summary>\n", count(len(p.Varied), "condition"), len(p.NotVaried))
		line("| varied | A | B |\n|---|---|---|")
		for _, a := range p.Varied {
			line("| %s | %s | %s |", text(a.Name), span(a.A), span(a.B))
		}
		if len(p.NotVaried) > 0 {
			line("\n| not varied | because |\n|---|---|")
		}
		for _, a := range p.NotVaried {
			line("| %s | %s |", text(a.Name), text(a.Why))
		}
		line("\n</details>")
	}
	line("\nHow to see it again:\n")
	for _, c := range p.Commands {
		line("%s", fenced(c.Text))
	}
	return out.Bytes()
}

// summaryTable lists the artefacts by build, those that differ first.
func summaryTable(out *bytes.Buffer, p *page) {
	for _, g := range p.Groups {
		if g.Name != "" {
			fmt.Fprintf(out, "\n**%s**\n", text(g.Name))
		}
		fmt.Fprint(out, "\n| artefact | size | A | B | |\n|---|--:|---|---|---|\n")
		n := 0
		for _, same := range []bool{false, true} {
			for _, r := range g.Rows {
				if r.Same != same {
					continue
				}
				if n++; n > summaryArtefacts {
					continue
				}
				fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", span(r.Name), r.Size, short(r.A), short(r.B), r.Word)
			}
		}
		if n > summaryArtefacts {
			fmt.Fprintf(out, "| and %d more | | | | |\n", n-summaryArtefacts)
		}
		if len(g.Folded) > 0 {
			fmt.Fprintf(out, "| %s | %s | | | same |\n", g.Fold, g.Size)
		}
	}
}

func short(hex string) string {
	if hex == "" {
		return ""
	}
	return span(hex[:min(8, len(hex))])
}

func plainText(list []segment) string {
	var out strings.Builder
	for _, s := range list {
		out.WriteString(s.Text)
	}
	return out.String()
}

func lastLines(s string, n int) string {
	lines := strings.SplitAfter(strings.TrimSuffix(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// text is text in Markdown: nothing in it is markup, a link or HTML.
func text(s string) string {
	var out strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>#|~&!@$", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return links.Replace(out.String())
}

// links are what code hosts make links of.
var links = strings.NewReplacer("://", `\://`, "www.", `www\.`)

// span is a span of code, also in a table: there is no way to write a bar that
// follows a backslash, so bars are broken.
func span(s string) string {
	s = strings.ReplaceAll(s, "|", "¦")
	if strings.TrimSpace(s) == "" {
		return ""
	}
	fence := strings.Repeat("`", longest(s)+1)
	if s[0] == '`' || s[len(s)-1] == '`' || s[0] == ' ' && s[len(s)-1] == ' ' {
		s = " " + s + " "
	}
	return fence + s + fence
}

func spans(list []string) string {
	var out []string
	for i, s := range list {
		if i == summaryArtefacts {
			out = append(out, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		out = append(out, span(s))
	}
	return strings.Join(out, ", ")
}

func fenced(s string) string {
	fence := strings.Repeat("`", max(3, longest(s)+1))
	return fence + "\n" + strings.TrimSuffix(s, "\n") + "\n" + fence
}

// longest is the longest run of backticks.
func longest(s string) int {
	most, n := 0, 0
	for _, r := range s {
		if n++; r != '`' {
			n = 0
		}
		most = max(most, n)
	}
	return most
}
