package cause

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/compare"
)

// processCode is what asks for the number of a process in sources.
var processCode = []string{`process::id\(`, `\bgetp?pid\(`, `/proc/self`}

// eachIts says whether each side has its own build's value, and not the other's.
func eachIts(p *place, a, b string) bool {
	if len(a) < 3 || len(b) < 3 || a == b {
		return false
	}
	inA, inB := bytes.Contains(p.a, []byte(a)), bytes.Contains(p.b, []byte(b))
	if !inA || !inB {
		return false
	}
	// One value may be a part of the other: /root and /root/b.
	return strings.Contains(b, a) || strings.Contains(a, b) || !bytes.Contains(p.a, []byte(b)) || !bytes.Contains(p.b, []byte(a))
}

func settingProof(what, a, b string) []string {
	return []string{fmt.Sprintf("each side holds its own build's %s: %s in A, %s in B", what, a, b)}
}

// setting matches a place where each side holds its own build's value of a
// setting.
func setting(what string, of func(Build) string) match {
	return func(x *explainer, p *place) ([]Cause, bool) {
		a, b := of(x.A), of(x.B)
		if !eachIts(p, a, b) || !differsIn(p, a, b) {
			return nil, false
		}
		return []Cause{{Proof: settingProof(what, a, b)}}, true
	}
}

// differsIn says whether the first difference is where the values lie: other
// differences may stand beside them.
func differsIn(p *place, a, b string) bool {
	start := common(a, b)
	for from := 0; ; {
		i := bytes.Index(p.a[from:], []byte(a))
		if i < 0 {
			return false
		}
		// A length that is written before a string differs, too.
		if i += from; i <= p.at+4 && p.at <= i+start && bytes.HasPrefix(p.b[min(len(p.b), i):], []byte(b)) {
			return true
		}
		from = i + 1
	}
}

// cargoHome knows the directories that only Cargo's home has, too.
func cargoHome(x *explainer, p *place) ([]Cause, bool) {
	if found, ok := setting("Cargo home", func(b Build) string { return b.CargoHome })(x, p); ok {
		return found, true
	}
	a, b := p.words()
	ha, ra, okA := cutAny(a, "/registry/src/", "/git/checkouts/")
	hb, rb, okB := cutAny(b, "/registry/src/", "/git/checkouts/")
	if !okA || !okB {
		return nil, false
	}
	ha, hb = lastPath(ha), lastPath(hb)
	if ha == hb {
		// The same home: the name of the index differs.
		ia, _, _ := strings.Cut(ra, "/")
		ib, _, _ := strings.Cut(rb, "/")
		if ia == ib {
			return nil, false
		}
		return []Cause{{Title: "the name of the registry's directory is in the output: another index, or source replacement",
			Fix: "use one registry in both builds, or remap $CARGO_HOME/registry/src/<index> to one name", Proof: settingProof("registry directory", ia, ib)}}, true
	}
	return []Cause{{Proof: settingProof("Cargo home", ha, hb)}}, true
}

func cutAny(s string, seps ...string) (before, after string, ok bool) {
	for _, sep := range seps {
		if before, after, ok = strings.Cut(s, sep); ok {
			return before, after, true
		}
	}
	return s, "", false
}

// lastPath is the absolute path at the end of a text.
func lastPath(s string) string {
	if i := strings.LastIndexAny(s, " \"'=:,;()<>"); i >= 0 {
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, '/'); i > 0 {
		s = s[i:]
	}
	return s
}

func timeZone(x *explainer, p *place) ([]Cause, bool) {
	if found, ok := setting("time zone", func(b Build) string { return b.TZ })(x, p); ok {
		return found, true
	}
	a, b := zoneName(x.A), zoneName(x.B)
	if a == "" || b == "" || a == b || !eachIts(p, a, b) || !differsIn(p, a, b) {
		return nil, false
	}
	return []Cause{{Proof: settingProof("time zone", a, b)}}, true
}

// zoneName is what date(1) calls the zone at the time of the build: "UTC",
// "+0545".
func zoneName(b Build) string {
	loc, err := time.LoadLocation(b.TZ)
	if err != nil || b.TZ == "" || b.Start.IsZero() {
		return ""
	}
	return b.Start.In(loc).Format("MST")
}

func locale(x *explainer, p *place) ([]Cause, bool) {
	la, lb := strings.Fields(x.A.Locale), strings.Fields(x.B.Locale)
	for i := range min(len(la), len(lb)) {
		if eachIts(p, la[i], lb[i]) && differsIn(p, la[i], lb[i]) || assigned(p, la[i], lb[i]) {
			return []Cause{{Proof: settingProof("locale", la[i], lb[i])}}, true
		}
	}
	return nil, false
}

// assigned knows values that are too short to be looked for, as C, after a word
// and an equals sign or a colon.
func assigned(p *place, a, b string) bool {
	n := common(a, b)
	for i := max(0, p.at-n); a != b && i <= p.at; i++ {
		if i > 0 && (p.a[i-1] == '=' || p.a[i-1] == ':') && bytes.HasPrefix(p.a[i:], []byte(a)) && i < len(p.b) && bytes.HasPrefix(p.b[i:], []byte(b)) {
			return true
		}
	}
	return false
}

// extraVariable knows the variable that only one build has.
func extraVariable(x *explainer, p *place) ([]Cause, bool) {
	for _, s := range []struct {
		v          string
		side       string
		this, that []byte
	}{{x.A.Extra, "A", p.a, p.b}, {x.B.Extra, "B", p.b, p.a}} {
		name, _, _ := strings.Cut(s.v, "=")
		if len(name) < 3 {
			continue
		}
		if bytes.Contains(s.this, []byte(name)) && !bytes.Contains(s.that, []byte(name)) {
			return []Cause{{Proof: []string{fmt.Sprintf("only the environment of build %s has %s, and only %s holds it", s.side, name, s.side)}}}, true
		}
	}
	return nil, false
}

var release = regexp.MustCompile(`[2-9]\.\d+\.\d+[-+.0-9A-Za-z_]*`)

// kernel knows releases: B's is 2.6.something, as setarch --uname-2.6 makes it.
func kernel(x *explainer, p *place) ([]Cause, bool) {
	if found, ok := setting("kernel release", func(b Build) string { return b.Kernel })(x, p); ok {
		return found, true
	}
	a, b := around(release, p.a, p.at), around(release, p.b, p.at)
	if a == "" || b == "" || a == b || strings.HasPrefix(a, "2.6.") == strings.HasPrefix(b, "2.6.") {
		return nil, false
	}
	return []Cause{{Proof: []string{fmt.Sprintf("a kernel's release on each side: %s in A, %s in B", a, b)}}}, true
}

// around is the match of an expression that reaches over the place, or
// touches it.
func around(re *regexp.Regexp, p []byte, at int) string {
	for _, m := range re.FindAllIndex(p, 32) {
		if m[0] <= at && at <= m[1] {
			return string(p[m[0]:m[1]])
		}
	}
	return ""
}

var (
	number  = regexp.MustCompile(`\d+`)
	decimal = regexp.MustCompile(`\d{1,10}`)
)

// jobs knows the numbers of jobs, where nothing but them differs in a word.
func jobs(x *explainer, p *place) ([]Cause, bool) {
	if x.A.Jobs == x.B.Jobs || x.A.Jobs == 0 || x.B.Jobs == 0 {
		return nil, false
	}
	a, b := around(number, p.a, p.at), around(number, p.b, p.at)
	if a != strconv.Itoa(x.A.Jobs) || b != strconv.Itoa(x.B.Jobs) {
		// As one byte or word of its own.
		if len(p.d.A) != 1 || len(p.d.B) != 1 || int(p.d.A[0]) != x.A.Jobs || int(p.d.B[0]) != x.B.Jobs {
			return nil, false
		}
		if p.part().Kind == "section" && consequence(p) && strings.HasPrefix(p.d.Section, ".text") {
			return nil, false // an operand of some instruction
		}
		a, b = strconv.Itoa(x.A.Jobs), strconv.Itoa(x.B.Jobs)
	}
	return []Cause{{Proof: settingProof("number of jobs", a, b)}}, true
}

// cpus knows the numbers of processors.
func cpus(x *explainer, p *place) ([]Cause, bool) {
	if x.A.CPUs == x.B.CPUs || x.A.CPUs == 0 || x.B.CPUs == 0 {
		return nil, false
	}
	a, b := around(decimal, p.a, p.at), around(decimal, p.b, p.at)
	if a != strconv.Itoa(x.A.CPUs) || b != strconv.Itoa(x.B.CPUs) {
		return nil, false
	}
	return []Cause{{Proof: settingProof("number of processors", a, b)}}, true
}

// umask knows the masks as text. The linker sorts short strings, so that
// they may stand at two places of a word.
func umask(x *explainer, p *place) ([]Cause, bool) {
	wa, wb := p.words()
	na, nb := number.FindAllString(wa, 16), number.FindAllString(wb, 16)
	for _, f := range []func(string) string{
		func(s string) string { return s },
		func(s string) string { return strings.TrimLeft(s, "0") },
		func(s string) string { return modeUnder(s, 0o666) },
		func(s string) string { return modeUnder(s, 0o777) },
	} {
		a, b := f(x.A.Umask), f(x.B.Umask)
		if len(a) < 2 || len(b) < 2 || a == b {
			continue
		}
		here := strings.HasSuffix(around(number, p.a, p.at), a) && strings.HasSuffix(around(number, p.b, p.at), b)
		if here || slices.Contains(na, a) && !slices.Contains(nb, a) && slices.Contains(nb, b) && !slices.Contains(na, b) {
			return []Cause{{Proof: settingProof("umask, or a mode under it", a, b)}}, true
		}
	}
	return nil, false
}

// modeUnder is the mode that a file gets under a umask.
func modeUnder(mask string, mode uint64) string {
	m, err := strconv.ParseUint(mask, 8, 32)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(mode&^m, 8)
}

// vergenPlaceholder knows what vergen writes where it can't know a value or
// was told not to ask: one build had it, as a user that passwd doesn't list
// has no name.
func vergenPlaceholder(x *explainer, p *place) ([]Cause, bool) {
	const text = "VERGEN_IDEMPOTENT_OUTPUT"
	here := func(side []byte) bool {
		i := bytes.Index(side[min(len(side), max(0, p.at-len(text)+1)):], []byte(text))
		return i >= 0 && i < len(text)
	}
	a, b := here(p.a), here(p.b)
	if a == b {
		return nil, false
	}
	with, without, user, value := "A", "B", x.B.User, p.b
	if b {
		with, without, user, value = "B", "A", x.A.User, p.a
	}
	c := Cause{Proof: []string{evidence(p), fmt.Sprintf("%s has the placeholder, %s a value", with, without)}}
	if user != "" && bytes.HasPrefix(value[min(len(value), p.at):], []byte(user)) {
		c.Axis = "user"
		c.Proof = append(c.Proof, fmt.Sprintf("the value is the name of %s's user, %s", without, user))
	}
	return []Cause{c}, true
}

// processID knows a number that is not the same where who is responsible asks
// for the number of a process.
func processID(x *explainer, p *place) ([]Cause, bool) {
	if p.field != nil || p.part().Kind == compare.Section && !strings.HasPrefix(p.d.Section, ".rodata") && !strings.HasPrefix(p.d.Section, ".data") || !inDigits(p) {
		return nil, false
	}
	suspects, _ := x.suspects(p)
	for _, s := range suspects {
		if _, ok := x.sourceOf(s).grep(processCall); ok {
			return []Cause{{Proof: []string{evidence(p), fmt.Sprintf("%s is a number in A, %s in B", around(decimal, p.a, p.at), around(decimal, p.b, p.at))}}}, true
		}
	}
	return nil, false
}

var processCall = regexp.MustCompile(strings.Join(processCode, "|"))
