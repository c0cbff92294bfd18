package verdict

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// timed is a line with a duration at its right.
func (p *page) timed(left, right string) {
	at := 84
	if p.o.Width > 0 {
		at = max(40, min(at, p.o.Width-10))
	}
	if right == "" {
		p.line("%s", left)
		return
	}
	p.line("%s%s", pad(left+"  ", at), right)
}

func (p *page) inputs(v *Verdict) {
	in := v.Inputs
	var parts []string
	if in.Profile != "" {
		parts = append(parts, "profile "+clean(in.Profile))
	}
	if in.Crates > 0 {
		parts = append(parts, count(in.Crates, "crate"))
	}
	if in.GitCrates > 0 {
		parts = append(parts, count(in.GitCrates, "git crate"))
	}
	if in.Rustc != "" {
		s := "rust " + clean(in.Rustc)
		if in.RustcFrom != "" {
			s += " (" + clean(in.RustcFrom) + ")"
		}
		parts = append(parts, s)
	}
	if in.DebianPackages > 0 {
		parts = append(parts, fmt.Sprintf("debian %s (%s)", clean(in.DebianSuite), count(in.DebianPackages, "package")))
	}
	if in.CUDA != "" {
		parts = append(parts, clean(in.CUDA))
	}
	if len(parts) > 0 {
		p.timed(label10("inputs")+strings.Join(append(parts, "all by hash"), " · "), v.step("inputs"))
	}
	if in.Builder != "" {
		p.timed(label10("builder")+p.digest(in.Builder), v.step("builder"))
	}
	if p.o.Verbose {
		for _, d := range []struct{ name, digest string }{
			{"source", string(in.Source)}, {"vendor", string(in.Vendor)}, {"toolchain", string(in.Toolchain)},
			{"runtime", string(in.Runtime)}, {"lock", string(in.Lock)}, {"plan", string(in.Plan)},
		} {
			if d.digest != "" {
				p.line("%s%s", label10(d.name), d.digest)
			}
		}
		if v.Engine != "" {
			p.line("%s%s", label10("engine"), clean(v.Engine))
		}
		if v.Subject.EpochFrom != "" {
			p.line("%s%d, from %s", label10("epoch"), v.Subject.Epoch, clean(v.Subject.EpochFrom))
		}
	}
	p.builds(v)
}

// label10 pads the first word of the lines above the table.
func label10(s string) string { return pad(s, 10) }

func (v *Verdict) step(name string) string {
	for _, s := range v.Steps {
		if s.Name == name {
			return took(s.Seconds, s.Cached)
		}
	}
	return ""
}

func took(seconds float64, cached bool) string {
	if cached {
		return "cached"
	}
	return Duration(seconds)
}

// builds shows what one sees of the axes, in columns.
func (p *page) builds(v *Verdict) {
	var rows [][]string
	widths := make([]int, 4)
	for _, b := range v.Builds {
		row := []string{clean(b.Path), fmt.Sprintf("uid %d", b.UID), zone(b.TZ), ""}
		if b.Jobs > 0 {
			row[3] = count(b.Jobs, "job")
		}
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
		rows = append(rows, row)
	}
	for i, b := range v.Builds {
		var s strings.Builder
		s.WriteString(label10("build " + clean(b.Side)))
		for j, c := range rows[i] {
			if widths[j] > 0 {
				s.WriteString(pad(c, widths[j]+2))
			}
		}
		if b.Umask != v.Builds[0].Umask {
			s.WriteString("umask " + clean(b.Umask) + "  ")
		}
		if i > 0 && len(v.Varied) > 0 {
			s.WriteString(axes(len(v.Varied)))
		}
		p.timed(strings.TrimRight(s.String(), " "), took(b.Seconds, b.Cached))
	}
	p.kept(v)
	p.network(v)
	p.engines(v)
	if p.o.Verbose {
		for _, a := range v.Varied {
			p.line("%s%s  %s | %s", label10("varied"), pad(clean(a.Name), 14), clean(a.A), clean(a.B))
		}
		for _, a := range v.NotVaried {
			p.line("%s%s  %s", pad("not varied", 12), pad(clean(a.Name), 14), clean(a.Why))
		}
		return
	}
	if len(v.Builds) > 0 && len(v.NotVaried) > 0 {
		var names []string
		for _, a := range v.NotVaried {
			names = append(names, clean(a.Name))
		}
		p.line("not varied  %s", strings.Join(names, ", "))
	}
}

func axes(n int) string {
	if n == 1 {
		return "1 axis"
	}
	return fmt.Sprintf("%d axes", n)
}

// zone is the name in a TZ value: "UTC" of "UTC0", "+1345" of "<+1345>-13:45".
func zone(tz string) string {
	tz = clean(tz)
	if name, _, ok := strings.Cut(strings.TrimPrefix(tz, "<"), ">"); ok {
		return name
	}
	if i := strings.IndexAny(tz, "0123456789+-"); i > 0 && !strings.Contains(tz, "/") {
		return tz[:i]
	}
	return tz
}

// table lists the artefacts. Two or more rlibs that are the same are one line.
func (p *page) table(v *Verdict) {
	if len(v.Artefacts) == 0 {
		p.gap()
		return
	}
	type row struct{ name, size, a, b, word string }
	rows := []row{{"artefact", "size", "A", "B", ""}}
	fold, foldSize := 0, int64(0)
	for _, a := range v.Artefacts {
		if a.Kind == Rlib && a.Same {
			fold, foldSize = fold+1, foldSize+a.SizeA
		}
	}
	folding, folded := fold > 1 && !p.o.Verbose, false
	for _, a := range v.Artefacts {
		if folding && a.Kind == Rlib && a.Same {
			if !folded {
				folded = true
				rows = append(rows, row{count(fold, "rlib"), Size(foldSize), "", "", "same"})
			}
			continue
		}
		word, size := "differs", a.SizeA
		switch {
		case a.Same:
			word = "same"
		case a.B == "":
			word = "only in A"
		case a.A == "":
			word, size = "only in B", a.SizeB
		}
		rows = append(rows, row{clean(a.Name), Size(size), short(a.A), short(a.B), word})
	}
	var wn, ws int
	for _, r := range rows {
		wn, ws = max(wn, utf8.RuneCountInString(r.name)), max(ws, len(r.size))
	}
	p.gap()
	for _, r := range rows {
		word := r.word
		if word != "same" && word != "" {
			word = p.color(red, word)
		}
		p.line("  %s  %s  %s  %s  %s", pad(r.name, wn), pad(r.size, ws), pad(r.a, 8), pad(r.b, 8), word)
	}
	p.gap()
}
