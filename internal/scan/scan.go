// Package scan looks in artefacts for what two builds on one day, on one
// machine, can't show: the day, the processor's model, the names of the
// machine and of its user. What it finds are warnings, never a verdict.
//
// # What is looked for
//
// Dates of the build, in UTC and in each build's own time zone:
//
//	2026-11-22  2026/11/22  2026.11.22  2026_11_22  20261122  20261122012632
//	22.11.2026  22/11/2026  11/22/2026  22-11-2026
//	22 Nov 2026  22-Nov-2026  22 November 2026  Nov 22 2026  Nov 22, 2026
//	November 22 2026  November 22, 2026  Sun Nov 22 … 2026
//
// A day below ten is also looked for with a space or nothing in place of its
// zero ("Nov  2 2026" is what __DATE__ gives). A time of day after a date adds
// nothing: ISO 8601, RFC 1123, RFC 3339 and ctime hold one of these.
//
// Seconds since 1970, in decimal, of any second of the builds or of midnight of
// the build's day; also with three, six or nine more digits (milli-, micro-,
// nanoseconds).
//
// The processor's model, whole ("AMD EPYC 9654 96-Core Processor"), and its
// family where that is unmistakable: up to the last "(R)" or "(TM)" in it.
//
// Host names, user names and home directories, as given.
//
// # What is not
//
// The date of SOURCE_DATE_EPOCH is what a good build uses. It is looked for
// only where it is also the day of the build, and the needle then says so
// (MayBeEpoch).
//
// Binary seconds. A 64-bit number in a given window of 200 seconds was met by
// chance 0.3 times in a gigabyte of programs and libraries (little endian; 0.5
// times big endian); of 32-bit ones random bytes alone would give 47. What embeds
// seconds differs between A and B anyway, unless it rounds them.
//
// Names shorter than five characters and those that every machine has (root,
// localhost, runner, …) would be found in anything: they are ignored. Those
// shorter than eight are found only as whole words.
//
// A toolchain that was published on the day of the build has that date in its
// version, and what it compiles may hold it: that is reported, too.
//
// Compressed content is not looked into: it is scanned as a file of its own.
package scan

import (
	"context"
	"fmt"
	"io"
)

// Needle is something to look for.
type Needle struct {
	Kind string // "date", "time", "cpu", "host", "user", "home"
	Text string // what is looked for, as a person would write it: "2026-11-22"
	Form string // "year first", "seconds since 1970", …
	// MayBeEpoch: SOURCE_DATE_EPOCH gives the same text.
	MayBeEpoch bool

	bytes  string   // what is searched for; not empty
	accept acceptor // what must hold around it; nil accepts
}

// Hit is a needle that was found.
type Hit struct {
	Needle
	Offset int64
	// Context is what stands there, widened to the printable characters around it,
	// at most 80 bytes.
	Context string
}

// String says what was found and what it means: "holds the day of the build,
// 2026-11-22, at 0x1c40 …".
func (h Hit) String() string {
	at := fmt.Sprintf("at %#x", h.Offset)
	if h.Context != h.Text {
		at += fmt.Sprintf(" (%q)", h.Context)
	}
	switch {
	case h.MayBeEpoch && h.Kind == "date":
		return fmt.Sprintf("holds %s %s: the day of the build, but also of SOURCE_DATE_EPOCH; it may come from the epoch", h.Text, at)
	case h.MayBeEpoch:
		return fmt.Sprintf("holds a time of the build %s: it may come from SOURCE_DATE_EPOCH", at)
	case h.Kind == "date":
		return fmt.Sprintf("holds the day of the build, %s, %s: a build on another day will differ", h.Text, at)
	case h.Kind == "time":
		return fmt.Sprintf("holds a time of the build, in %s, %s: a later build will differ", h.Form, at)
	case h.Kind == "cpu":
		return fmt.Sprintf("holds the name of this machine's processor, %s, %s: a build on another may differ", h.Text, at)
	}
	return fmt.Sprintf("holds the %s %s %s: a build elsewhere may differ", h.Form, h.Text, at)
}

// MaxHits is how many hits of one needle are reported of one artefact.
const MaxHits = 4

// Scan looks for needles in one pass. Hits are in the order of their offsets.
func Scan(ctx context.Context, r io.Reader, needles []Needle) ([]Hit, error) {
	return Compile(needles).Scan(ctx, r)
}
