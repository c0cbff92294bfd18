package verdict

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	digest "github.com/opencontainers/go-digest"
)

// TextOptions say how a verdict is shown.
type TextOptions struct {
	Color   bool // whether to use ANSI colours; NO_COLOR and terminals are the caller's business
	Width   int  // of the screen; 0: not known
	Quiet   bool // the verdict, the image and the warnings, nothing else
	Verbose bool // every artefact, every axis, every digest whole
}

// shown is how many differing artefacts are shown in full unless Verbose.
const shown = 10

// Text shows a verdict to a person.
//
// Warnings are always shown. The image's digest is whole, on a line of its
// own. Bytes and names that artefacts supply are shown without control
// characters, so that they can't act on the terminal.
func (v *Verdict) Text(w io.Writer, o TextOptions) error {
	p := &page{o: o}
	if !o.Quiet {
		p.inputs(v)
		p.table(v)
	}
	p.warnings(v)
	p.verdict(v)
	p.images(v)
	if !o.Quiet {
		if v.FromCache != nil {
			p.line("%s%s, stored; --fresh builds again", label("reached"), v.FromCache.UTC().Format("2006-01-02 15:04 MST"))
		}
		if v.Report != "" {
			p.line("%s%s", label("report"), clean(v.Report))
		}
		p.whoSaid(v)
		p.differences(v)
		p.reference(v)
		p.bisection(v)
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// images are the digests that people copy, each whole and on its line.
func (p *page) images(v *Verdict) {
	if v.Image != "" {
		p.line("%s%s", label("image"), v.Image)
		return
	}
	for _, a := range v.Artefacts {
		if _, name, several := strings.Cut(a.Name, "/"); several && a.Kind.IsImage() && v.Word == Reproducible {
			p.line("%s%s  %s", label("image"), a.A, clean(name))
		}
	}
}

type page struct {
	o    TextOptions
	out  bytes.Buffer
	told map[string]string // reasons that were shown, with the artefact
}

func (p *page) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	p.out.WriteString(strings.TrimRight(s, " ") + "\n")
}

// gap is an empty line, unless there is one or nothing is above it.
func (p *page) gap() {
	if b := p.out.Bytes(); len(b) > 0 && !bytes.HasSuffix(b, []byte("\n\n")) {
		p.out.WriteByte('\n')
	}
}

func (p *page) color(code, s string) string {
	if !p.o.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

const (
	green  = "32"
	red    = "31"
	yellow = "33"
	bold   = "1;"
)

func (p *page) verdict(v *Verdict) {
	code := map[Word]string{Reproducible: green, Mismatch: red, NoVerdict: yellow, Alarm: red, SameContent: yellow, OtherInputs: yellow}[v.Word]
	s := v.Subject
	what := clean(strings.TrimSpace(s.Name + " " + s.Version))
	if s.Dirty {
		what += " (dirty)"
	}
	if v.Inputs.Profile != "" {
		what += " (profile " + clean(v.Inputs.Profile) + ")"
	}
	switch v.Word {
	case Mismatch:
		n := 0
		for _, a := range v.Artefacts {
			if !a.Same {
				n++
			}
		}
		verb := "differ"
		if n == 1 {
			verb = "differs"
		}
		switch {
		case n > 0:
			what += fmt.Sprintf(": %d of %s %s", n, count(len(v.Artefacts), "artefact"), verb)
		default:
			what += ": the builds agree, the reference differs"
		}
	case NoVerdict:
		what += ": " + clean(cmp.Or(v.Reason, "nothing to compare"))
	case Alarm:
		what += ": " + clean(cmp.Or(v.Reference.Incident.Of, "the reference")) + " is not what is claimed of it"
	case SameContent:
		what += ": the reference was packed by another compressor"
	case OtherInputs:
		what += ": the reference was built from another " + clean(v.Reference.Input.Name)
	default:
		if s.Triple != "" {
			what += "  " + clean(s.Triple)
		}
	}
	p.line("%s  %s", p.color(bold+code, string(v.Word)), strings.TrimPrefix(what, ": "))
}

func (p *page) warnings(v *Verdict) {
	for _, w := range v.Warnings {
		text := clean(w.Text)
		if w.Artefact != "" {
			text = clean(w.Artefact) + ": " + text
		}
		p.line("%s%s", p.color(yellow, label("warning")), text)
	}
	if len(v.Warnings) > 0 {
		p.gap()
	}
}

// label pads a line's first word.
func label(s string) string { return pad(s, 9) }

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

// Clean replaces what a terminal would act on or not show, in names and texts
// that artefacts supply.
func Clean(s string) string { return clean(s) }

// clean is Clean.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

func (p *page) digest(d digest.Digest) string {
	if p.o.Verbose || len(d) < 20 {
		return string(d)
	}
	hex := d.Encoded()
	return d.Algorithm().String() + ":" + hex[:4] + "…" + hex[len(hex)-4:]
}

// short is a digest in the table of artefacts.
func short(d digest.Digest) string {
	if d == "" {
		return "-"
	}
	h := d.Encoded()
	return h[:min(8, len(h))]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Size is a number of bytes in a unit that people use.
func Size(n int64) string {
	if n < 1024 {
		return count(int(n), "byte")
	}
	f, unit := float64(n)/1024, "KiB"
	for _, u := range []string{"MiB", "GiB", "TiB"} {
		if f < 1023.95 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// Duration is a number of seconds as people say it.
func Duration(s float64) string {
	if s < 119.95 {
		return fmt.Sprintf("%.1f s", s)
	}
	n := int64(s + 0.5)
	if n < 7200 {
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	}
	return fmt.Sprintf("%d h %02d min", n/3600, n/60%60)
}
