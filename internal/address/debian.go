package address

import (
	"regexp"
	"slices"
	"strings"
)

// debianSources are where Debian's archives are. The strings are templates:
// {archive} is the archive's name, {-security} nothing or "-security".
type debianSources struct {
	mirrors   []string
	apt       []aptSource
	defaults  []string
	snapshots []string // with {time}
	old       []string // of suites that are out of support
}

func (d *debianSources) addMirrors(m Mirrors) {
	for _, a := range m.Debian {
		if !strings.Contains(a, "{archive}") {
			a = strings.TrimRight(a, "/") + "{-security}"
		}
		d.mirrors = append(d.mirrors, a)
	}
	for _, a := range m.Snapshot {
		if !strings.Contains(a, "{archive}") {
			a = join(a, "{archive}/{time}")
		}
		d.snapshots = append(d.snapshots, a)
	}
}

func (d *debianSources) addDefaults() {
	d.defaults = append(d.defaults, defaultDebian)
	d.snapshots = append(d.snapshots, defaultSnapshot)
	d.old = append(d.old, defaultOldDebian)
}

var snapshotTime = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)

// Debian returns the addresses of a file of Debian's archives:
// "pool/main/g/gcc-12/…", "dists/bookworm/InRelease", or, of the security
// archive, "pool/updates/main/…".
func (r *Resolver) Debian(path string) []string { return r.DebianAt(path, "", "") }

// DebianSuite is Debian for a file that belongs to a suite: of the machine's
// sources, those that list it go first.
func (r *Resolver) DebianSuite(suite, path string) []string { return r.DebianAt(path, suite, "") }

// DebianAt is DebianSuite with the time, as in "20260101T000000Z", at which
// the snapshot archive has the file. The archives drop what is out of date,
// so that is where an old package is found in the end; and the lists of a
// time ("dists/…") are looked for there first. Suite and time may be "".
func (r *Resolver) DebianAt(path, suite, time string) []string {
	rel, ok := escape(path)
	if !ok || time != "" && !snapshotTime.MatchString(time) {
		return nil
	}
	component := ""
	if rest, ok := strings.CutPrefix(path, "pool/"); ok {
		component, _, _ = strings.Cut(strings.TrimPrefix(rest, "updates/"), "/")
	} else if rest, ok := strings.CutPrefix(path, "dists/"); ok && suite == "" {
		suite = suiteOf(rest)
	}
	archive := archiveOf(suite)
	if strings.HasPrefix(path, "pool/updates/") {
		archive = security
	}

	fill := strings.NewReplacer("{archive}", archive, "{-security}", strings.TrimPrefix(archive, mainArchive), "{time}", time)
	addresses := func(templates []string) []string {
		var out []string
		for _, t := range templates {
			out = add(out, join(fill.Replace(t), rel))
		}
		return out
	}
	d := &r.debian
	now := slices.Concat(addresses(d.mirrors), addresses(aptURIs(d.apt, suite, archive, component)), addresses(d.defaults))
	var then []string
	if time != "" {
		then = addresses(d.snapshots)
	}
	if component == "" {
		now, then = then, now
	}
	var out []string
	for _, a := range slices.Concat(now, then, addresses(d.old)) {
		out = add(out, a)
	}
	return out
}

const (
	mainArchive = "debian"
	security    = "debian-security"
)

// archiveOf returns which of Debian's archives has a suite.
func archiveOf(suite string) string {
	if strings.HasSuffix(suite, "-security") || strings.HasSuffix(suite, "/updates") {
		return security
	}
	return mainArchive
}

// suiteOf returns the suite of a path below dists/. Up to buster the security
// archive's were of two parts.
func suiteOf(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	if strings.HasPrefix(rest, "updates/") {
		return first + "/updates"
	}
	return first
}

// aptURIs returns the URIs of sources that list the suite, then those of
// other sources of the same archive: a mirror seldom has one suite only.
func aptURIs(sources []aptSource, suite, archive, component string) []string {
	var exact, same []string
	for _, s := range sources {
		if component != "" && !slices.Contains(s.components, component) {
			continue
		}
		if suite != "" && slices.Contains(s.suites, suite) {
			exact = add(exact, s.uri)
		}
		if slices.ContainsFunc(s.suites, func(x string) bool { return isDebian(x) && archiveOf(x) == archive }) {
			same = add(same, s.uri)
		}
	}
	for _, uri := range same {
		exact = add(exact, uri)
	}
	return exact
}

var debianSuite = regexp.MustCompile(`^(stretch|buster|bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|(old)*stable)` +
	`(-security|/updates|-updates|-backports|-backports-sloppy|-proposed-updates)?$`)

// isDebian tells Debian's suites from those of other repositories that apt
// uses, which are none of our business.
func isDebian(suite string) bool { return debianSuite.MatchString(suite) }
