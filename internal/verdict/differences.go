package verdict

import (
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// differences shows where each artefact differs, and why.
func (p *page) differences(v *Verdict) {
	n := 0
	for _, a := range v.Artefacts {
		if a.Same || p.again(a) {
			continue
		}
		if n++; n > shown && !p.o.Verbose {
			continue
		}
		p.gap()
		p.difference(a)
	}
	if n > shown && !p.o.Verbose {
		p.gap()
		p.line("  and %d more; --json has them", n-shown)
	}
}

// again shows in one line an artefact that differs for the reason that was
// shown of another: archives and images hold the binaries. It remembers what
// is not shown yet.
func (p *page) again(a Artefact) bool {
	k := reason(a)
	if k == "" || p.o.Verbose {
		return false
	}
	first, again := p.told[k]
	if !again {
		if p.told == nil {
			p.told = map[string]string{}
		}
		p.told[k] = a.Name
		return false
	}
	at := a.Name
	if a.Difference != nil {
		at = a.Difference.Path
	}
	p.line("  %s   as in %s", clean(at), clean(first))
	return true
}

// reason is equal for artefacts that differ for one reason: the same known
// causes by the same responsible, or, where a cause or who is responsible is
// not known, the same bytes at the same place. It is empty for an artefact that is like no other.
func reason(a Artefact) string {
	var k strings.Builder
	settled := len(a.Causes) > 0
	for _, c := range a.Causes {
		fmt.Fprintf(&k, "%q %q %q\n", c.Rule, c.Title, c.Where)
		settled = settled && c.Known && c.Where != ""
	}
	if settled {
		return k.String()
	}
	d := a.Difference
	if d == nil || len(d.A)+len(d.B) == 0 {
		return ""
	}
	fmt.Fprintf(&k, "%q %d %d %q %q", d.Section, d.Offset, d.Length, d.A, d.B)
	return k.String()
}

func (p *page) difference(a Artefact) {
	switch d := a.Difference; {
	case a.A == "" || a.B == "":
		side := "A"
		if a.A == "" {
			side = "B"
		}
		p.line("  %s   only in %s", clean(a.Name), side)
	case d == nil:
		p.line("  %s   %s", clean(a.Name), sizes(a.SizeA, a.SizeB))
	default:
		p.place(d)
	}
	p.causes(a.Causes)
}

// place shows a difference and its bytes.
func (p *page) place(d *compare.Difference) {
	p.line("  %s   %s", clean(d.Path), extent(d))
	if len(d.A) > 0 || len(d.B) > 0 {
		x, y := sides(d)
		p.line("    A  %s", x)
		p.line("    B  %s", y)
	}
	if d.Note != "" {
		p.line("    %s", clean(d.Note))
	}
}

// shownCauses is how many causes of an artefact are shown unless Verbose.
const shownCauses = 3

func (p *page) causes(list []cause.Cause) {
	for i, c := range list {
		if i == shownCauses && !p.o.Verbose {
			p.line("  and %s; --json has them", count(len(list)-i, "more cause"))
			return
		}
		p.line("  %s%s", pad8("cause"), clean(c.Title))
		if c.Where != "" {
			p.line("  %s%s", pad8("where"), clean(c.Where))
		}
		for _, l := range c.Proof {
			p.line("  %s%s", pad8("proof"), clean(l))
		}
		if c.Fix != "" {
			p.line("  %s%s", pad8("fix"), clean(c.Fix))
		}
	}
}

func pad8(s string) string { return pad(s, 8) }

// extent says how much differs: "18 bytes, in main+0x12, 3 places".
func extent(d *compare.Difference) string {
	var out []string
	switch {
	case d.Length > 0:
		out = append(out, Size(d.Length))
	case len(d.B) > 0:
		out = append(out, "nothing in A")
	}
	if d.Symbol != "" {
		out = append(out, "in "+clean(d.Symbol))
	}
	if d.Count > 1 {
		out = append(out, fmt.Sprintf("%d places", d.Count))
	}
	if d.SizeA >= 0 && d.SizeB >= 0 && d.SizeA != d.SizeB {
		out = append(out, sizes(d.SizeA, d.SizeB))
	}
	return strings.Join(out, ", ")
}

// sizes tells two sizes apart.
func sizes(a, b int64) string {
	x, y := Size(a), Size(b)
	switch {
	case a == b:
		return x + " in both"
	case x == y:
		x, y = count(int(a), "byte"), count(int(b), "byte")
	}
	return x + " in A, " + y + " in B"
}

// sides are the bytes of A and B: as text if both are, else in hexadecimal
// with the text beside it, from the first byte that differs.
func sides(d *compare.Difference) (a, b string) {
	if isText(d.A) && isText(d.B) {
		return printable(d.A, true), printable(d.B, true)
	}
	cut := func(p []byte) []byte { return p[min(len(p), d.Before):min(len(p), d.Before+16)] }
	return dump(cut(d.A)), dump(cut(d.B))
}

func dump(p []byte) string {
	return pad(fmt.Sprintf("% x", p), 16*3) + " |" + printable(p, false) + "|"
}

func isText(p []byte) bool {
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// printable shows bytes as ASCII; a dot stands for what isn't, or in a line of
// text an escape.
func printable(p []byte, escape bool) string {
	var out strings.Builder
	for _, c := range p {
		switch {
		case c >= ' ' && c <= '~':
			out.WriteByte(c)
		case !escape:
			out.WriteByte('.')
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\t':
			out.WriteString(`\t`)
		}
	}
	return out.String()
}
