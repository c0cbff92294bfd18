package scan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Facts are what is known of the machine and of the builds.
type Facts struct {
	// Zones are the builds' time zones; UTC is always one.
	Zones []*time.Location
	// CPUs are model names as /proc/cpuinfo has them.
	CPUs []string
	// Hosts, Users and Homes are those of this machine and of the builds.
	Hosts, Users, Homes []string
}

// maxSpan bounds the seconds and days that are looked for.
const maxSpan = 48 * time.Hour

// Needles are what to look for, given the start of the first build and the end of
// the last, SOURCE_DATE_EPOCH and the facts. An end before the start or
// more than two days after it is cut.
func Needles(window [2]time.Time, epoch int64, f Facts) []Needle {
	start, end := window[0], window[1]
	if end.Before(start) {
		end = start
	}
	if end.Sub(start) > maxSpan {
		end = start.Add(maxSpan)
	}
	w := builds{start, end, epoch, []*time.Location{time.UTC}}
	for _, z := range f.Zones {
		if z != nil {
			w.zones = append(w.zones, z)
		}
	}
	var out []Needle
	for _, day := range w.days() {
		out = append(out, dateNeedles(day)...)
	}
	out = append(out, w.timeNeedles()...)
	for _, m := range f.CPUs {
		out = append(out, cpuNeedles(m)...)
	}
	for _, h := range f.Hosts {
		out = append(out, nameNeedle("host", "host name", h)...)
		if short, _, ok := strings.Cut(h, "."); ok {
			out = append(out, nameNeedle("host", "host name", short)...)
		}
	}
	for _, u := range f.Users {
		out = append(out, nameNeedle("user", "user name", u)...)
	}
	for _, h := range f.Homes {
		out = append(out, homeNeedle(h)...)
	}
	return unique(out)
}

// builds are when and where in time the builds ran.
type builds struct {
	start, end time.Time
	epoch      int64
	zones      []*time.Location
}

// unique drops needles that search for the same bytes for the same reason.
func unique(in []Needle) []Needle {
	type id struct{ kind, bytes, text string }
	seen := map[id]bool{}
	return slices.DeleteFunc(in, func(n Needle) bool {
		k := id{n.Kind, n.bytes, n.Text}
		was := seen[k]
		seen[k] = true
		return was
	})
}

// day is a date and whether it is the epoch's, too.
type day struct {
	time.Time // midnight UTC of the date
	epoch     bool
}

// days are the dates that any zone's calendar showed during the builds.
func (w builds) days() []day {
	var out []day
	for _, z := range w.zones {
		y, m, d := w.end.In(z).Date()
		last := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		y, m, d = w.start.In(z).Date()
		for t := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); !t.After(last); t = t.AddDate(0, 0, 1) {
			if slices.ContainsFunc(out, func(o day) bool { return o.Equal(t) }) {
				continue
			}
			isEpoch := slices.ContainsFunc(w.zones, func(z *time.Location) bool {
				return time.Unix(w.epoch, 0).In(z).Format(time.DateOnly) == t.Format(time.DateOnly)
			})
			out = append(out, day{t, isEpoch})
		}
	}
	return out
}

// dateNeedles are the ways to write a date.
func dateNeedles(d day) []Needle {
	var out []Needle
	add := func(form string, accept acceptor, layouts ...string) {
		for _, l := range layouts {
			s := d.Format(l)
			out = append(out, Needle{Kind: "date", Text: s, Form: form, MayBeEpoch: d.epoch, bytes: s, accept: accept})
		}
	}
	add("year first", notInNumber, "2006-01-02", "2006/01/02", "2006.01.02", "2006_01_02")
	add("eight digits", compactDate, "20060102")
	add("day or month first", notInNumber, "02.01.2006", "02/01/2006", "01/02/2006", "02-01-2006")
	// "_2" gives a space in place of the zero, "2" nothing: both are found by
	// the latter where it is not part of a longer number.
	add("day and month", notInNumber, "02 Jan 2006", "02-Jan-2006", "02 January 2006",
		"2 Jan 2006", "2-Jan-2006", "2 January 2006")
	for _, month := range []string{"Jan", "January"} {
		add("month and day", notInNumber, month+" 02 2006", month+" 02, 2006", month+" _2 2006", month+" 2 2006", month+" 2, 2006")
	}
	year := d.Format("2006")
	ctime := func(_, _, after []byte) bool { return strings.Contains(string(after[:min(24, len(after))]), " "+year) }
	add("weekday, month and day", ctime, "Mon Jan 02", "Mon Jan _2", "Mon Jan 2 ")
	return out
}

// timeNeedles are the seconds of the builds and of the midnights before them.
func (w builds) timeNeedles() []Needle {
	out := secondsNeedles("seconds since 1970", w.start.Unix(), w.end.Unix(), w.epoch)
	for _, z := range w.zones {
		for _, t := range []time.Time{w.start, w.end} {
			y, m, d := t.In(z).Date()
			midnight := time.Date(y, m, d, 0, 0, 0, 0, z).Unix()
			out = append(out, secondsNeedles("midnight in seconds since 1970", midnight, midnight, w.epoch)...)
		}
	}
	return out
}

// secondsNeedles look for any second of a window, grouped by what its numbers
// have in common.
func secondsNeedles(form string, from, to, epoch int64) []Needle {
	if from < 1e9 || to >= 1e10 { // not ten digits
		return nil
	}
	mayBe := from <= epoch && epoch <= to
	text := fmt.Sprint(from)
	if from != to {
		text = fmt.Sprintf("%d…%d", from, to)
	}
	var out []Needle
	for block := from / 1000; block <= to/1000; block++ { // seven digits and three free ones
		out = append(out, Needle{Kind: "time", Text: text, Form: form, MayBeEpoch: mayBe, bytes: fmt.Sprint(block), accept: decimalIn(from, to)})
	}
	return out
}
