package cause

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/compare"
)

// clockCode is what reads the clock in sources.
var clockCode = []string{`SystemTime::now`, `\bUtc::now`, `\bLocal::now`, `OffsetDateTime::now`, `now_utc`, `now_local`, `Zoned::now`, `Timestamp::now`,
	`Command::new\("date"\)`, `__DATE__`, `__TIME__`, `__TIMESTAMP__`, `build_time`, `BUILD_TIME`, `BUILD_DATE`, `compile_time`, `strftime`, `gmtime`}

// A layout is a form in which programs write times.
type layout struct {
	re     *regexp.Regexp
	layout string // of package time; "": digits
	zone   bool   // it has a zone
}

const months = `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
const days = `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)`

// layouts are asked in this order: the longer ones first.
var layouts = []layout{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`), time.RFC3339Nano, true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d`), time.RFC3339Nano, true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d\d:\d\d(?::\d\d)?`), "2006-01-02 15:04:05.999999999 -07:00", true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4}`), "2006-01-02 15:04:05.999999999 -0700", true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? UTC`), "2006-01-02 15:04:05.999999999 UTC", true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d`), "2006-01-02 15:04:05", false},
	{regexp.MustCompile(days + `, \d\d? ` + months + ` \d{4} \d\d:\d\d:\d\d [+-]\d{4}`), time.RFC1123Z, true},
	{regexp.MustCompile(days + `, \d\d ` + months + ` \d{4} \d\d:\d\d:\d\d`), "Mon, 02 Jan 2006 15:04:05", false},
	{regexp.MustCompile(days + ` ` + months + ` [ \d]\d \d\d:\d\d:\d\d \d{4}`), time.ANSIC, false},
	{regexp.MustCompile(days + ` ` + months + ` [ \d]\d \d\d:\d\d:\d\d (?:UTC|GMT) \d{4}`), "Mon Jan _2 15:04:05 MST 2006", true},
	{regexp.MustCompile(months + ` [ \d]\d \d{4} \d\d:\d\d:\d\d`), "Jan _2 2006 15:04:05", false},
	{regexp.MustCompile(`\d{8}[T-]?\d{6}Z?`), "20060102150405", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`), "2006-01-02 15:04", false},
	{regexp.MustCompile(months + ` [ \d]\d \d{4}`), "Jan _2 2006", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "2006-01-02", false},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(?:\.\d+)?`), "15:04:05", false},
}

// stamp is a time that was read from a place.
type stamp struct {
	text string
	at   time.Time
	zone bool // whether it names its zone; else it may be local
	day  bool // only a day
	hour bool // only a time of the day
	c    bool // in the form of C's __DATE__ and __TIME__
}

// timeText reads the time around an offset.
func timeText(p []byte, at int) (stamp, bool) {
	for _, l := range layouts {
		s := around(l.re, p, at)
		if s == "" {
			continue
		}
		text := s
		if l.layout == "20060102150405" {
			s = strings.NewReplacer("T", "", "-", "", "Z", "").Replace(s)
		}
		if strings.HasPrefix(l.layout, "2006-01-02 15:04:05") {
			s = strings.Replace(s, "T", " ", 1)
			if i := strings.LastIndexAny(s, "+-"); l.zone && i > 10 && len(s)-i == 9 {
				s = s[:len(s)-3] // seconds of the zone, as the crate time writes them
			}
		}
		t, err := time.Parse(l.layout, s)
		if err != nil {
			continue
		}
		return stamp{text, t.UTC(), l.zone, l.layout == "2006-01-02" || l.layout == "Jan _2 2006", l.layout == "15:04:05",
			strings.HasPrefix(l.layout, "Jan _2 2006") || l.layout == "15:04:05" && !strings.Contains(text, ".")}, true
	}
	return stamp{}, false
}

// during says whether a time lies between the build's start and end, give or
// take the second that clocks are rounded to.
func (b Build) during(t time.Time) bool {
	return !b.Start.IsZero() && !t.Before(b.Start.Truncate(time.Second)) && !t.After(b.End.Add(time.Second))
}

// within says whether a stamp is of the build's time. One without a zone may be
// local.
func (b Build) within(s stamp) bool {
	if b.Start.IsZero() {
		return false
	}
	offsets := []time.Duration{0}
	if loc, err := time.LoadLocation(b.TZ); err == nil && !s.zone {
		_, sec := b.Start.In(loc).Zone()
		offsets = append(offsets, time.Duration(sec)*time.Second)
	}
	for _, o := range offsets {
		t := s.at.Add(-o)
		switch {
		case s.day:
			from := b.Start.Add(o).UTC().Truncate(24 * time.Hour)
			if !s.at.Before(from) && !s.at.After(b.End.Add(o)) {
				return true
			}
		case s.hour:
			y, m, d := b.Start.Add(o).UTC().Date()
			t = time.Date(y, m, d, s.at.Hour(), s.at.Minute(), s.at.Second(), 0, time.UTC).Add(-o)
			if b.during(t) || b.during(t.Add(24*time.Hour)) {
				return true
			}
		case b.during(t):
			return true
		}
	}
	return false
}

// numberAt reads the number around an offset as seconds since 1970, or as milli-,
// micro- or nanoseconds.
func numberAt(p []byte, at int) (time.Time, string, bool) {
	s := around(number, p, at)
	if n := len(s); n != 10 && n != 13 && n != 16 && n != 19 {
		return time.Time{}, s, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, s, false
	}
	for range len(s) - 10 {
		v /= 10
	}
	return time.Unix(v, 0).UTC(), s, true
}

const ownTime = "each value lies between that build's own start and end"

// buildTime knows times as text, as numbers and, where the time of the builds is
// known, as binary numbers. Where it is not, both sides must look like times
// of one form.
func buildTime(x *explainer, p *place) ([]Cause, bool) {
	known := !x.A.Start.IsZero() && !x.B.Start.IsZero()
	if a, ok := timeText(p.a, p.at); ok {
		if b, ok := timeText(p.b, p.at); ok && a.text != b.text {
			return textTime(x, p, a, b, known)
		}
	}
	ta, na, okA := numberAt(p.a, p.at)
	tb, nb, okB := numberAt(p.b, p.at)
	if okA && okB && na != nb {
		switch {
		case known && x.A.during(ta) && x.B.during(tb):
			return []Cause{{Proof: []string{seen(p, na, nb), ownTime}}}, true
		case !known && plausible(ta) && plausible(tb) && near(ta, tb):
			return []Cause{{Proof: []string{seen(p, na, nb), fmt.Sprintf("as seconds since 1970: %s and %s", ta.Format(time.RFC3339), tb.Format(time.RFC3339))}}}, true
		}
		return nil, false
	}
	if p.field != nil || p.inside(compare.Rmeta) || !known && consequence(p) || p.d.Section == ".note.gnu.build-id" || textual(p.d.A) && textual(p.d.B) && len(p.d.A) > 8 || strings.HasPrefix(p.d.Section, ".text") {
		return nil, false
	}
	return binaryTime(x, p, known)
}

func seen(p *place, a, b string) string { return fmt.Sprintf("%s: %q in A, %q in B", p.path, a, b) }

func textTime(x *explainer, p *place, a, b stamp, known bool) ([]Cause, bool) {
	proof := []string{seen(p, a.text, b.text)}
	if !a.hour && !b.hour && a.zone && b.zone && a.at.Equal(b.at) {
		return []Cause{{Title: "one time is in the output in two time zones", Fix: "write times in UTC", Axis: "time-zone", Proof: proof}}, true
	}
	switch {
	case known && x.A.within(a) && x.B.within(b):
		proof = append(proof, ownTime)
	case known:
		return nil, false
	case !a.hour && (!plausible(a.at) || !plausible(b.at)):
		return nil, false
	default:
		proof = append(proof, "both are times of one form")
	}
	c := Cause{Proof: proof}
	if a.c && p.part().Kind == compare.Section {
		c.Proof = append(c.Proof, "in the form of C's __DATE__ and __TIME__: gcc takes them from SOURCE_DATE_EPOCH when that is set")
	}
	return []Cause{c}, true
}

// plausible says whether a number may be meant as a time at which something was built.
func plausible(t time.Time) bool { return t.Year() >= 2005 && t.Year() < 2100 }

// near says whether two times may be those of two builds that somebody compares.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 10*366*24*time.Hour }

// binaryTime reads integers over the place in both byte orders.
func binaryTime(x *explainer, p *place, known bool) ([]Cause, bool) {
	for back := range 8 {
		from := p.at - back
		if from < 0 || from+8 > len(p.a) || from+8 > len(p.b) {
			continue
		}
		for _, bo := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			va, vb := bo.Uint64(p.a[from:]), bo.Uint64(p.b[from:])
			for _, unit := range []uint64{1, 1e3, 1e6, 1e9} {
				ta, tb := time.Unix(int64(va/unit), 0).UTC(), time.Unix(int64(vb/unit), 0).UTC()
				if va>>63 == 0 && vb>>63 == 0 && x.both(ta, tb, known, 24*time.Hour) {
					return []Cause{{Proof: binaryProof(p, ta, tb, known)}}, true
				}
			}
			if back < 4 {
				ta, tb := time.Unix(int64(bo.Uint32(p.a[from:])), 0).UTC(), time.Unix(int64(bo.Uint32(p.b[from:])), 0).UTC()
				if x.both(ta, tb, known, 24*time.Hour) {
					return []Cause{{Proof: binaryProof(p, ta, tb, known)}}, true
				}
			}
		}
	}
	return nil, false
}

// both says whether two times are those of the builds or, where those are not
// known, near enough to each other not to be there by chance.
func (x *explainer) both(a, b time.Time, known bool, limit time.Duration) bool {
	if a.Equal(b) {
		return false
	}
	if known {
		return x.A.during(a) && x.B.during(b)
	}
	return a.Year() >= 2015 && a.Year() < 2040 && b.Year() >= 2015 && b.Year() < 2040 && a.Sub(b).Abs() < limit
}

func binaryProof(p *place, a, b time.Time, known bool) []string {
	proof := []string{evidence(p), fmt.Sprintf("as a number of seconds since 1970 or of parts of them: %s in A, %s in B", a.Format(time.RFC3339), b.Format(time.RFC3339))}
	if known {
		proof = append(proof, ownTime)
	}
	return proof
}

// sourceMtime knows the times that the sources had in each build.
func sourceMtime(x *explainer, p *place) ([]Cause, bool) {
	if x.A.Mtime == 0 || x.B.Mtime == 0 || x.A.Mtime == x.B.Mtime {
		return nil, false
	}
	ma, mb := time.Unix(x.A.Mtime, 0).UTC(), time.Unix(x.B.Mtime, 0).UTC()
	proof := fmt.Sprintf("each side holds the time of its own build's source files: %s in A, %s in B", ma.Format(time.RFC3339), mb.Format(time.RFC3339))
	if a, ok := timeText(p.a, p.at); ok {
		if b, ok := timeText(p.b, p.at); ok && sameDay(a, ma) && sameDay(b, mb) {
			return []Cause{{Proof: []string{proof}}}, true
		}
	}
	ta, _, okA := numberAt(p.a, p.at)
	tb, _, okB := numberAt(p.b, p.at)
	if okA && okB && ta.Equal(ma) && tb.Equal(mb) {
		return []Cause{{Proof: []string{proof}}}, true
	}
	for back := range 8 {
		from := p.at - back
		if from < 0 || from+8 > len(p.a) || from+8 > len(p.b) || p.field != nil {
			continue
		}
		for _, unit := range []uint64{1, 1e3, 1e6, 1e9} {
			if binary.LittleEndian.Uint64(p.a[from:])/unit == uint64(x.A.Mtime) && binary.LittleEndian.Uint64(p.b[from:])/unit == uint64(x.B.Mtime) {
				return []Cause{{Proof: []string{proof}}}, true
			}
		}
		if binary.LittleEndian.Uint32(p.a[from:]) == uint32(x.A.Mtime) && binary.LittleEndian.Uint32(p.b[from:]) == uint32(x.B.Mtime) {
			return []Cause{{Proof: []string{proof}}}, true
		}
	}
	return nil, false
}

func sameDay(s stamp, t time.Time) bool {
	if s.day {
		return s.at.Equal(t.Truncate(24 * time.Hour))
	}
	return s.at.Truncate(time.Second).Equal(t)
}
