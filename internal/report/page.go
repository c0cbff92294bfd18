package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

//go:embed page/index.html
var pageText string

//go:embed page/style.css
var style string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy forbids the page everything but its own style sheet.
var policy = func() template.HTML {
	sum := sha256.Sum256([]byte(style))
	return template.HTML(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-` +
		base64.StdEncoding.EncodeToString(sum[:]) + `'; base-uri 'none'; form-action 'none'">`)
}()

// page is what the template shows. All texts are clean.
type page struct {
	Policy template.HTML
	Style  template.CSS

	Word, Class   string
	Subject, What string
	Lead          string
	Stored        string
	Answers       []answer
	First         *place // where no cause is known
	Key           []fact // the most important ones
	Facts         []fact

	Reference *reference

	Found string // by building again
	Again []again

	Groups      []group
	Differences []difference
	Varied      []axis
	NotVaried   []axis
	Builds      []build
	Warnings    []warning
	Inputs      []fact
	Logs        []log
	Attachments []attachment
	Commands    []command
	Steps       []fact

	Reached, Twice string
}

// answer is a cause and the artefacts that it explains.
type answer struct {
	ID                string
	Rule              string
	Title, Where, Fix string
	Proof             []string
	At                *place // what it explains
	In                []string
	Known             bool
}

type fact struct{ Name, Value, Note string }

// group is the artefacts of one of the project's builds.
type group struct {
	Name string
	Rows []row
	// Folded are rlibs that are the same.
	Folded []row
	Fold   string
	Size   string
}

type row struct {
	Name, Size, A, B, Word string
	Link                   string
	Same                   bool
}

// difference is an artefact that isn't the same.
type difference struct {
	ID, Name, Sizes, A, B string
	Tree                  *node
	Causes                []answer
}

type axis struct {
	Name, A, B, Why string
	Matters         bool
}

type build struct {
	Side  string
	Facts []fact
}

// again is a build that was made to explain.
type again struct{ Axes, As, Took string }

type warning struct{ Kind, Artefact, Text string }

type log struct {
	Side  string
	Lines string
}

type attachment struct {
	Text   string
	Linked bool
}

func renderPage(v *verdict.Verdict) ([]byte, error) {
	p := newPage(v)
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func newPage(v *verdict.Verdict) *page {
	clean := verdict.Clean
	s := v.Subject
	p := &page{
		Policy: policy, Style: template.CSS(style),
		Word: string(v.Word), Class: strings.ToLower(strings.ReplaceAll(string(v.Word), " ", "-")),
		Subject: subject(v), What: clean(joined(" · ", s.Triple, s.Profile)), Lead: lead(v),
		Commands: reproduce(v), Twice: clean(v.Twice), Reached: v.Reached.UTC().Format("2006-01-02 15:04:05 MST"),
	}
	if v.FromCache != nil {
		p.Stored = v.FromCache.UTC().Format("2006-01-02 15:04 MST")
	}
	p.answers(v)
	p.facts(v)
	p.artefacts(v)
	p.axes(v)
	p.bisection(v)
	p.Reference = newReference(v.Reference)
	for _, b := range v.Builds {
		p.Builds = append(p.Builds, build{clean(b.Side), buildFacts(b)})
		if len(b.Log) > 0 {
			p.Logs = append(p.Logs, log{clean(b.Side), logText(b.Log)})
		}
	}
	for _, w := range v.Warnings {
		p.Warnings = append(p.Warnings, warning{clean(w.Kind), clean(w.Artefact), clean(w.Text)})
	}
	for _, a := range v.Attachments {
		p.Attachments = append(p.Attachments, attachment{clean(a.Text), a.Name == Diffoscope})
	}
	return p
}

// subject is "ripgrep 15.1.0", or how it was asked for.
func subject(v *verdict.Verdict) string {
	s := verdict.Clean(joined(" ", v.Subject.Name, v.Subject.Version))
	if s == "" {
		s = verdict.Clean(v.Subject.Spec)
	}
	if v.Subject.Dirty {
		s += " (dirty)"
	}
	return s
}

// lead is the verdict in one sentence.
func lead(v *verdict.Verdict) string {
	more := leadReference(v)
	if more != "" && v.Word != verdict.Reproducible {
		return more
	}
	n := 0
	for _, a := range v.Artefacts {
		if !a.Same {
			n++
		}
	}
	switch all := len(v.Artefacts); v.Word {
	case verdict.Reproducible:
		what := fmt.Sprintf("all %d artefacts are", all)
		if all == 1 {
			what = "the artefact is"
		}
		ways := "under the same conditions"
		if len(v.Varied) > 0 {
			ways = fmt.Sprintf("under conditions that differed in %s", count(len(v.Varied), "way"))
		}
		return fmt.Sprintf("Built twice from the same inputs, %s: %s the same bits.%s", ways, what, more)
	case verdict.Mismatch:
		verb := "differ"
		if n == 1 {
			verb = "differs"
		}
		return fmt.Sprintf("Built twice from the same inputs: %d of %s %s.", n, count(all, "artefact"), verb)
	}
	return verdict.Clean(cmp.Or(v.Reason, "There was nothing to compare."))
}

// answers gathers the causes, each once, with the artefacts that have it;
// what no rule knows comes last.
func (p *page) answers(v *verdict.Verdict) {
	index, found := map[string]int{}, ""
	if v.Bisection != nil {
		found = v.Bisection.Sentence()
	}
	for _, known := range []bool{true, false} {
		add := func(name string, causes []cause.Cause, f *compare.Finding, d *compare.Difference) {
			for _, c := range causes {
				if c.Known != known {
					continue
				}
				i, ok := index[causeKey(c)]
				if !ok {
					i = len(p.Answers)
					index[causeKey(c)] = i
					p.Answers = append(p.Answers, newAnswer(i, c, f, d, found))
				}
				p.Answers[i].In = append(p.Answers[i].In, verdict.Clean(name))
			}
		}
		for _, a := range v.Artefacts {
			add(a.Name, a.Causes, a.Finding, a.Difference)
		}
		if v.Reference != nil {
			for _, a := range v.Reference.Artefacts {
				add(a.Name+" (reference)", a.Causes, nil, a.Difference)
			}
		}
	}
	for i := range v.Artefacts {
		if d := v.Artefacts[i].Difference; d != nil && !known(v.Artefacts[i].Causes) && p.First == nil {
			f := newPlace(d, "")
			p.First = &f
		}
	}
	if len(p.Answers) > 0 && p.Answers[0].Known {
		p.First = nil
	}
}

func causeKey(c cause.Cause) string { return c.Rule + "\x00" + c.Where + "\x00" + c.Title }

// newAnswer makes an answer of a cause; found is what the page says of all.
func newAnswer(i int, c cause.Cause, f *compare.Finding, first *compare.Difference, found string) answer {
	a := answer{ID: fmt.Sprintf("cause-%d", i+1), Rule: verdict.Clean(c.Rule), Title: sentence(verdict.Clean(c.Title)), Where: verdict.Clean(c.Where),
		Fix: verdict.Clean(c.Fix), Known: c.Known}
	d := rangeAt(f, c.Path)
	if d == nil && first != nil && first.Path == c.Path {
		d = first
	}
	if d != nil {
		at := newPlace(d, d.Note)
		a.At = &at
	} else if c.Path != "" {
		a.At = &place{Path: verdict.Clean(c.Path)}
	}
	for _, l := range c.Proof {
		if a.At != nil && len(a.At.Sides) > 0 && strings.HasPrefix(l, c.Path+":") || found != "" && strings.HasSuffix(l, found) {
			continue // it is there to see, or was said
		}
		a.Proof = append(a.Proof, verdict.Clean(l))
	}
	return a
}

// rangeAt finds a range by its path.
func rangeAt(f *compare.Finding, path string) *compare.Difference {
	if f == nil {
		return nil
	}
	for i := range f.Ranges {
		if f.Ranges[i].Path == path {
			return &f.Ranges[i]
		}
	}
	for _, p := range f.Parts {
		if d := rangeAt(p, path); d != nil {
			return d
		}
	}
	return nil
}

// facts are what the page starts with, and the list of inputs.
func (p *page) facts(v *verdict.Verdict) {
	add := func(list *[]fact, name, value, note string) {
		if value != "" {
			*list = append(*list, fact{verdict.Clean(name), verdict.Clean(value), verdict.Clean(note)})
		}
	}
	s, in := v.Subject, v.Inputs
	add(&p.Key, "Image", string(v.Image), "")
	for _, a := range v.Artefacts { // of several there is none that stands for all
		if v.Image == "" && a.Kind.IsImage() && a.Same {
			add(&p.Key, a.Name, string(a.A), "")
		}
	}
	add(&p.Key, "Commit", s.Commit, "")
	add(&p.Facts, "Source", s.Spec, "")
	add(&p.Facts, "Features", strings.Join(s.Features, ", "), "")
	if s.EpochFrom != "" {
		add(&p.Facts, "Epoch", fmt.Sprint(s.Epoch), "SOURCE_DATE_EPOCH, "+s.EpochFrom)
	}
	add(&p.Facts, "Engine", v.Engine, "")

	if in.Crates > 0 || in.GitCrates > 0 {
		what := count(in.Crates, "crate")
		if in.GitCrates > 0 {
			what += ", " + count(in.GitCrates, "git crate")
		}
		add(&p.Inputs, "Vendored crates", string(in.Vendor), what)
	}
	rust := ""
	if in.Rustc != "" {
		rust = "Rust " + in.Rustc
	}
	if in.RustcFrom != "" {
		rust += ", " + in.RustcFrom
	}
	if in.Toolchain == "" {
		add(&p.Inputs, "Toolchain", rust, "")
	}
	add(&p.Inputs, "Toolchain", string(in.Toolchain), rust)
	add(&p.Inputs, "Profile of inputs", in.Profile, "")
	debian := ""
	if in.DebianPackages > 0 {
		debian = fmt.Sprintf("%s of Debian %s", count(in.DebianPackages, "package"), in.DebianSuite)
	}
	for _, d := range []struct {
		name string
		sum  digest.Digest
		note string
	}{
		{"Builder image", in.Builder, debian}, {"Sources", in.Source, ""}, {"Runtime image", in.Runtime, ""}, {"Lock", in.Lock, ""},
		{"Plan", in.Plan, "the Dockerfile that both builds ran"},
	} {
		add(&p.Inputs, d.name, string(d.sum), d.note)
	}
	for _, x := range v.Steps {
		took := verdict.Duration(x.Seconds)
		if x.Cached {
			took = "cached"
		}
		add(&p.Steps, x.Name, took, "")
	}
	for _, b := range v.Builds {
		if b.Seconds > 0 {
			add(&p.Steps, "build "+b.Side, verdict.Duration(b.Seconds), "")
		}
	}
}

// artefacts fills the table, by build, and the differences.
func (p *page) artefacts(v *verdict.Verdict) {
	index := map[string]int{}
	var sizes []int64
	for i, a := range v.Artefacts {
		g, ok := index[a.Build]
		if !ok {
			g = len(p.Groups)
			index[a.Build] = g
			p.Groups, sizes = append(p.Groups, group{Name: verdict.Clean(a.Build)}), append(sizes, 0)
		}
		r := newRow(a)
		if !a.Same {
			r.Link = fmt.Sprintf("artefact-%d", i+1)
			p.Differences = append(p.Differences, p.difference(r, a))
		}
		if a.Same && a.Kind == verdict.Rlib {
			p.Groups[g].Folded = append(p.Groups[g].Folded, r)
			sizes[g] += a.SizeA
			continue
		}
		p.Groups[g].Rows = append(p.Groups[g].Rows, r)
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if len(g.Folded) < 2 {
			g.Rows, g.Folded = append(g.Rows, g.Folded...), nil
		}
		g.Fold, g.Size = count(len(g.Folded), "rlib"), verdict.Size(sizes[i])
	}
}

func newRow(a verdict.Artefact) row {
	r := row{Name: verdict.Clean(a.Name), Size: verdict.Size(max(a.SizeA, a.SizeB)), A: hex(a.A), B: hex(a.B), Same: a.Same}
	switch {
	case a.Same:
		r.Word = "same"
	case a.B == "":
		r.Word = "only in A"
	case a.A == "":
		r.Word = "only in B"
	default:
		r.Word = "differs"
	}
	return r
}

func hex(d digest.Digest) string {
	if d == "" {
		return ""
	}
	return d.Encoded()
}

func (p *page) difference(r row, a verdict.Artefact) difference {
	d := difference{ID: r.Link, Name: r.Name, A: r.A, B: r.B, Sizes: bothSizes(a.SizeA, a.SizeB)}
	switch {
	case a.B == "":
		d.Sizes = bothSizes(a.SizeA, -1)
	case a.A == "":
		d.Sizes = bothSizes(-1, a.SizeB)
	}
	f := a.Finding
	if f == nil && a.Difference != nil {
		f = &compare.Finding{Name: a.Name, Kind: compare.Raw, SizeA: a.SizeA, SizeB: a.SizeB, Ranges: []compare.Difference{*a.Difference}}
	}
	if f != nil {
		t := tree(f, true)
		d.Tree = &t
	}
	for _, c := range a.Causes {
		for _, x := range p.Answers {
			if x.Rule == verdict.Clean(c.Rule) && x.Where == verdict.Clean(c.Where) && x.Title == sentence(verdict.Clean(c.Title)) {
				d.Causes = append(d.Causes, x)
				break
			}
		}
	}
	return d
}

func (p *page) axes(v *verdict.Verdict) {
	matter := map[string]bool{}
	if v.Bisection != nil {
		for _, a := range v.Bisection.Matter() {
			matter[a] = true
		}
	}
	for _, a := range v.Artefacts {
		for _, c := range a.Causes {
			matter[c.Axis] = true
		}
	}
	for _, a := range v.Varied {
		p.Varied = append(p.Varied, axis{verdict.Clean(a.Name), verdict.Clean(a.A), verdict.Clean(a.B), "", matter[a.Name]})
	}
	for _, a := range v.NotVaried {
		p.NotVaried = append(p.NotVaried, axis{Name: verdict.Clean(a.Name), Why: verdict.Clean(a.Why)})
	}
}

func (p *page) bisection(v *verdict.Verdict) {
	b := v.Bisection
	if b == nil {
		return
	}
	p.Found = verdict.Clean(b.Sentence())
	var all []string
	for _, a := range v.Varied {
		all = append(all, a.Name)
	}
	for _, x := range b.Again {
		p.Again = append(p.Again, again{verdict.Clean(verdict.AxesText(x.Axes, all)), verdict.Clean(b.As(x)), verdict.Duration(x.Seconds)})
	}
}

func buildFacts(b verdict.Build) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{Name: name, Value: verdict.Clean(value)})
		}
	}
	add("Sources", b.Path)
	add("Cargo home", b.CargoHome)
	add("User", strings.TrimSpace(fmt.Sprintf("%s (uid %d, gid %d)", b.User, b.UID, b.GID)))
	add("Home", b.Home)
	add("Host name", b.Host)
	add("Time zone", b.TZ)
	add("Locale", b.Locale)
	add("Umask", b.Umask)
	if b.Jobs > 0 {
		add("Jobs", fmt.Sprint(b.Jobs))
	}
	add("Engine", b.Engine)
	if !b.Start.IsZero() {
		add("Started", b.Start.UTC().Format("2006-01-02 15:04:05 MST"))
	}
	if b.Seconds > 0 {
		add("Took", verdict.Duration(b.Seconds))
	}
	return out
}

// logText takes out what a terminal would act on, line by line.
func logText(lines []string) string {
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(verdict.Clean(escapes.ReplaceAllString(strings.ReplaceAll(l, "\t", "    "), "")))
		out.WriteByte('\n')
	}
	return out.String()
}

// sentence has a capital first.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func joined(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}
